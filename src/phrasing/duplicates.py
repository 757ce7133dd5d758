"""Near-duplicate threads: cases that pass for independent and are the same conversation, told twice."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable

from phrasing.types import Case, Thread, canonical_json

ALIKE = 0.9
"""From this similarity on, two threads are near-duplicates."""


def near_duplicates(cases: Iterable[Case]) -> list[tuple[str, str, float]]:
    """Find cases of different groups whose threads are nearly the same: (id, id, similarity), the most alike first.

    The similarity is Jaccard's over runs of three words in the thread's compact JSON: shared runs / all runs. It is 1 for equal
    threads, and for short ones a word that differs weighs much.

    Source of the rule: A. Z. Broder (1997), On the resemblance and containment of documents, SEQUENCES. So that not all pairs
    are compared: two sets this alike must share one of the few rarest runs of each, S. Chaudhuri, V. Ganti and R. Kaushik (2006),
    A primitive operator for similarity joins in data cleaning, ICDE (prefix filter).
    """
    listed = list(cases)
    written = [_runs(case.thread) for case in listed]
    common = Counter(run for found in written for run in found)
    number = {run: i for i, run in enumerate(sorted(common, key=common.__getitem__))}  # the rarest first
    runs = [{number[run] for run in found} for found in written]
    holders: defaultdict[int, list[int]] = defaultdict(list)  # a rare run -> the cases that have it, so far
    pairs = []
    for i, case in enumerate(listed):
        rare = sorted(runs[i])[: len(runs[i]) - math.ceil(ALIKE * len(runs[i])) + 1]
        for j in {j for run in rare for j in holders[run]}:
            shared = len(runs[i] & runs[j])
            alike = shared / (len(runs[i]) + len(runs[j]) - shared)
            if alike >= ALIKE and listed[j].cluster != case.cluster:
                pairs.append((listed[j].id, case.id, alike))
        for run in rare:
            holders[run].append(i)
    return sorted(pairs, key=lambda pair: (-pair[2], pair[:2]))


def _runs(thread: Thread) -> set[tuple[str, ...]]:
    """Cut a thread into runs of three words; a shorter one is one run."""
    words = re.findall(r"\w+", canonical_json(thread.model_dump(exclude_none=True)))
    return {tuple(words[i : i + 3]) for i in range(max(1, len(words) - 2))}
