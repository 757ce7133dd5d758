"""Duplicates: near-duplicate threads, which pass for independent and are the same conversation, told twice; repeated cases."""

from __future__ import annotations

import hashlib
import math
import re
from array import array
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


class Seen:
    """The cases met so far, as digests: tells repeats, of any number of cases.

    ``repeats`` counts cases whose thread and label had both been met, ``relabelled`` those whose thread had been met with other
    labels only. Takes 24 to 48 bytes a case. Two of a million different cases are taken for one with a chance below 1 in 10^7.
    """

    def __init__(self) -> None:
        self.repeats = self.relabelled = 0
        self._threads, self._cases = _Numbers(), _Numbers()

    def add(self, thread: bytes, label: bytes) -> bool:
        """Remember a case, and tell whether it is new. Equal threads must be equal bytes, and so must equal labels."""
        of_thread = hashlib.blake2b(thread, digest_size=8).digest()
        of_case = hashlib.blake2b(of_thread + label, digest_size=8).digest()
        if not self._cases.add(int.from_bytes(of_case)):
            self.repeats += 1
            return False
        self.relabelled += not self._threads.add(int.from_bytes(of_thread))
        return True


class _Numbers:
    """A set of 64-bit numbers that look random: 12 to 24 bytes each, where a Python set takes about a hundred."""

    def __init__(self) -> None:
        self._slots, self._count = array("Q", bytes(8 * 1024)), 0

    def add(self, number: int) -> bool:
        """Add a number, and tell whether it is new."""
        number = number or 1  # 0 is an empty slot
        slots, last = self._slots, len(self._slots) - 1
        at = number & last
        while slots[at]:
            if slots[at] == number:
                return False
            at = (at + 1) & last
        slots[at] = number
        self._count += 1
        if self._count * 3 > len(slots) * 2:
            self._slots, self._count = array("Q", bytes(16 * len(slots))), 0
            for each in slots:
                if each:
                    self.add(each)
        return True
