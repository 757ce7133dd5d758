"""Draw a sample of cases that is like the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

from phrasing.types import Case


def draw(cases: Sequence[Case], size: int | None, seed: int) -> list[Case]:
    """Draw ``size`` cases (``None``: all of them), in the order of ``cases``.

    Conversations (``Case.cluster``) stay whole; only the last that is drawn is cut, at its later turns, where it is larger than
    what is left. They are drawn so that the shares of the first expected intents are those of all cases: again and again the
    intent that is furthest behind its share is looked for, and the next conversation that holds it is taken, in an order drawn by
    ``seed``. Where each conversation expects one intent only, no intent ends further from its share than the cases of the largest
    conversation. The order of ``cases`` doesn't matter.
    """
    if size is None or size >= len(cases):
        return list(cases)
    clusters: dict[str, list[Case]] = {}
    for case in sorted(cases, key=lambda case: (case.cluster, case.turn or 0, case.id)):
        clusters.setdefault(case.cluster, []).append(case)
    waiting = list(clusters)
    Random(seed).shuffle(waiting)
    whole = Counter(map(_intent, cases))
    drawn: dict[str, Case] = {}
    while len(drawn) < size:
        have = Counter(map(_intent, drawn.values()))
        behind = max(sorted(whole), key=lambda intent: whole[intent] * size - have[intent] * len(cases))
        name = next(name for name in waiting if behind in map(_intent, clusters[name]))
        waiting.remove(name)
        drawn |= {case.id: case for case in clusters[name][: size - len(drawn)]}
    return [case for case in cases if case.id in drawn]


def _intent(case: Case) -> str:
    return case.expect[0].intent
