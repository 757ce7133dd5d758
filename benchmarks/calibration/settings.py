"""What is simulated: every setting, by kind."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from benchmarks.calibration.draw import Design
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
        for accuracy, apart in APART.items():
            yield Setting("coverage", Design(n, clusters), accuracy)
            yield Setting("coverage", Design(n, clusters), accuracy, apart)
        for accuracy in (0.5, 0.8, 0.95):
            yield Setting("coverage", Design(n, clusters, repeats=3), accuracy, APART[accuracy])
        for accuracy, repeats in product((0.8, 0.95), (1, 3)):
            yield Setting("coverage", Design(n, clusters, repeats, missing=True), accuracy, APART[accuracy])
            if n > 30:  # so that no stratum is a single cluster
                yield Setting("coverage", Design(n, clusters, repeats, repeats > 1, strata=2), accuracy, APART[accuracy])


def _families() -> Iterator[Setting]:
    for kind in ("pair", "families"):
        for n, clusters in product(NS, CLUSTERS):
            for accuracy in (0.5, 0.8, 0.95, 0.98):
                yield Setting(kind, Design(n, clusters), accuracy)
        for n, clusters in product((100, 300), CLUSTERS):
            yield Setting(kind, Design(n, clusters, repeats=3, missing=True), 0.8)
            yield Setting(kind, Design(n, clusters, strata=2), 0.8)


def _inferior() -> Iterator[Setting]:
    for n, clusters, accuracy, margin in product(NS, CLUSTERS, (0.5, 0.8, 0.95), (0.02, 0.05, 0.1)):
        yield Setting("inferior", Design(n, clusters), accuracy, -margin)
