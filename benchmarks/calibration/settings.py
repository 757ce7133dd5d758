"""What is simulated: every setting, by kind."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from benchmarks.calibration.draw import Design
from benchmarks.calibration.hard import GROUPS, failing, families
from benchmarks.calibration.measure import ALPHA, Setting

CLUSTERS = ("single", "equal", "unequal")
NS = (30, 100, 300, 1000)
APART = {0.5: 0.1, 0.8: 0.1, 0.9: 0.05, 0.95: 0.03, 0.98: 0.015}
"""Accuracies, and the difference that a variant shows from a baseline of that accuracy where it shows one."""

ELEVENTH = ALPHA / 11
"""What Holm's correction leaves of alpha for the first of 11 contrasts."""


def settings() -> Iterator[Setting]:
    yield from _coverage()
    yield from _families()
    yield from _inferior()
    for family, groups in product(families(), GROUPS):
        yield Setting("hard", Design(groups), family=family)
    for family, groups in product(failing(), GROUPS):
        yield Setting("alone", Design(groups), family=family)
    yield from _claims()
    for clusters, (accuracy, apart) in product(CLUSTERS, ((0.5, 0.16), (0.8, 0.13), (0.95, 0.09))):
        cases = 100 * (1 if clusters == "single" else 4)  # 100 clusters
        yield Setting("cost", Design(cases, clusters), accuracy, -apart if clusters == "single" else -0.6 * apart)
    for n, discordance, alpha in product(NS, (0.05, 0.1, 0.2, 0.3), (ALPHA, ELEVENTH)):
        yield Setting("promised", Design(n), discordance=discordance, alpha=alpha)
    for n, clusters, (accuracy, repeats), alpha in product(
        NS[1:], CLUSTERS, ((0.5, 1), (0.8, 1), (0.9, 1), (0.8, 3)), (ALPHA, ELEVENTH)
    ):
        yield Setting("promised clustered", Design(n, clusters, repeats), accuracy, alpha=alpha)
    for n, wild in product((10, 30, 100, 300), (False, True)):
        yield Setting("ratios", Design(n), wild=wild)


def _coverage() -> Iterator[Setting]:
    for n, clusters in product(NS, CLUSTERS):
        for accuracy, apart in APART.items() if n < 1000 else [(0.8, APART[0.8])]:
            yield Setting("coverage", Design(n, clusters), accuracy)
            yield Setting("coverage", Design(n, clusters), accuracy, apart)
        if n == 1000:
            continue
        for accuracy in (0.5, 0.8, 0.95):
            yield Setting("coverage", Design(n, clusters, repeats=3), accuracy, APART[accuracy])
        for accuracy, repeats in product((0.8, 0.95), (1, 3)):
            yield Setting("coverage", Design(n, clusters, repeats, missing=True), accuracy, APART[accuracy])
            if n > 30:  # so that no stratum is a single cluster
                yield Setting("coverage", Design(n, clusters, repeats, repeats > 1, strata=2), accuracy, APART[accuracy])


def _families() -> Iterator[Setting]:
    for n, clusters, accuracy in product(NS, CLUSTERS, (0.5, 0.8, 0.95, 0.98)):
        yield Setting("pair", Design(n, clusters), accuracy)
    for n, clusters in product((100, 300), CLUSTERS):
        yield Setting("pair", Design(n, clusters, repeats=3, missing=True), 0.8)
        yield Setting("pair", Design(n, clusters, strata=2), 0.8)
        for accuracy in (0.5, 0.8):
            yield Setting("families", Design(n, clusters), accuracy)


def _inferior() -> Iterator[Setting]:
    for n, clusters, accuracy, margin in product(NS, CLUSTERS, (0.5, 0.8, 0.95), (0.02, 0.05, 0.1)):
        yield Setting("inferior", Design(n, clusters), accuracy, -margin)


def _claims() -> Iterator[Setting]:
    margin = 0.05
    for n, clusters in ((300, "single"), (1000, "single"), (1000, "unequal")):
        for truths in (
            (0.0,) * 4,
            (-margin,) * 4,
            (0.0, -margin, 0.12, -0.12),
            (0.12, 0.12, 0.12, 0.0),
            (margin, 0.0, 0.0, -margin),
        ):
            yield Setting("claims", Design(n, clusters), 0.8, margin, truths=truths)
    yield Setting("claims", Design(300), 0.8, margin, truths=(0.0,) * 6 + (-margin,) * 5)
