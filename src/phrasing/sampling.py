"""Draw a sample of cases."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from phrasing.types import Case


def draw(cases: Sequence[Case], size: int | None, seed: int) -> list[Case]:
    """Draw ``size`` cases, keeping those of one conversation together as far as the size allows."""
    if size is None or size >= len(cases):
        return list(cases)
    clusters = sorted({case.cluster for case in cases})
    Random(seed).shuffle(clusters)
    order = {cluster: i for i, cluster in enumerate(clusters)}
    chosen = {case.id for case in sorted(cases, key=lambda case: order[case.cluster])[:size]}
    return [case for case in cases if case.id in chosen]
