"""Whether the intervals of quantiles of latency hold, and how often equal ones are called different. Writes ``latency.md``.

A latency is a product: of its conversation, of its case, which both variants share, and of its own. Families differ in its
shape. The two variants have the same quantile at what is measured, however unlike their shapes are.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import special

from benchmarks.calibration.draw import Array, Design, generator, labels
from benchmarks.calibration.measure import ALPHA
from benchmarks.calibration.tables import percent
from phrasing.stats import quantiles
from phrasing.stats.quantiles import Sample

AT = (0.5, 0.95)
CASES = (20, 60, 200, 1000)
CLUSTERED = ("single", "equal", "unequal")
CONVERSATION, CASE = 0.3, 0.4
"""How much of the variance of a latency's normal score lies in its conversation, and in its case."""

Shape = Callable[[Array], Array]
"""The latencies of shares of answers: from 0 to 1, to seconds."""


def _log_normal(spread: float) -> Shape:
    return lambda share: np.exp(spread * special.ndtri(share))


def _mixed(share: Array) -> Array:
    """A quarter of the answers come from a cache, ten times as fast."""
    return np.where(share < 0.25, 0.1 * _log_normal(0.3)(4 * share), _log_normal(0.3)((share - 0.25) / 0.75))


def _heavy(share: Array) -> Array:
    """A tail of Pareto's kind: one answer in a hundred takes eight times the usual."""
    return (1 - share) ** (-1 / 2.2)


FAMILIES: dict[str, tuple[Shape, Shape]] = {
    "log-normal, both alike": (_log_normal(0.5), _log_normal(0.5)),
    "log-normal, one twice as spread": (_log_normal(0.5), _log_normal(1.0)),
    "a quarter from a cache, both alike": (_mixed, _mixed),
    "heavy tail, both alike": (_heavy, _heavy),
    "heavy tail against log-normal": (_heavy, _log_normal(0.3)),
}


@dataclass(frozen=True)
class Cell:
    family: str
    n: int
    clusters: str


class Found(NamedTuple):
    """Of one cell and quantile: the shares of data sets."""

    cell: Cell
    at: float
    covered: float
    bounded: float
    ratio: float
    different: float


def measure(simulations: int, cell: Cell) -> list[Found]:
    groups, strata = labels(Design(cell.n, cell.clusters))
    shapes, rng = FAMILIES[cell.family], generator("latency", cell)
    hits = np.zeros((len(AT), 4))
    for _ in range(simulations):
        scores = _scores(rng, groups)
        samples = [Sample(shape(special.ndtr(score)), groups, strata) for shape, score in zip(shapes, scores, strict=True)]
        found = quantiles.intervals(samples[:1], AT)[0]
        for j, share in enumerate(AT):
            true, other = (float(shape(np.array([share]))[0]) for shape in shapes)
            # scaled so that the quantiles are equal, whatever the shapes
            scaled = Sample(samples[1].values * true / other, groups, strata)
            [[ratio]] = quantiles.ratios([(samples[0], scaled)], [share], margin=0.1)
            one = found[j]
            hits[j] += (one.low <= true <= one.high, np.isfinite(one.high), ratio.low <= 1 <= ratio.high, ratio.p <= ALPHA)
    return [Found(cell, share, *map(float, hits[j] / simulations)) for j, share in enumerate(AT)]


def _scores(rng: np.random.Generator, groups: np.ndarray) -> Array:
    conversation, case = rng.standard_normal(groups[-1] + 1)[groups], rng.standard_normal(len(groups))
    own = rng.standard_normal((2, len(groups)))
    return np.sqrt(CONVERSATION) * conversation + np.sqrt(CASE) * case + np.sqrt(1 - CONVERSATION - CASE) * own


INTRODUCTION = """\
# Latencies

Written by `python -m benchmarks.calibration.latency`. Each cell draws {simulations:,} data sets of two variants whose true
quantiles are equal, where latencies lean on the conversation and the case, and measures how often the interval of one variant's
quantile holds the true one, how often that of the ratio of both holds 1, and how often the ratio is called different at 95 %.
The target is at least 95 % and at most 5 %; the error of a cell is about 1 point. "bounded" is how often the interval of a
quantile has an upper end at all.
"""


def text(found: Sequence[Found], simulations: int) -> Iterator[str]:
    yield INTRODUCTION.format(simulations=simulations)
    least, ratio = min(one.covered for one in found), min(one.ratio for one in found)
    worst = max(one.different for one in found)
    yield f"The least coverage of a cell is {percent(least)} for a quantile and {percent(ratio)} for a ratio; equal ones are"
    yield f"called different in at most {percent(worst)} of the data sets."
    yield ""
    yield "| family | cases | conversations | quantile | covered | bounded | ratio covered | called different |"
    yield "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |"
    for cell, at, *shares in found:
        yield f"| {cell.family} | {cell.n} | {cell.clusters} | p{100 * at:g} | " + " | ".join(map(percent, shares)) + " |"
    yield ""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration.latency", description=__doc__)
    parser.add_argument("--simulations", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--to", type=Path, default=Path("benchmarks"), help="the folder to write to")
    options = parser.parse_args()
    cells = [Cell(family, n, clusters) for family in FAMILIES for n in CASES for clusters in CLUSTERED]
    found: list[Found] = []
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        for done, rows in enumerate(pool.imap(partial(measure, options.simulations), cells), start=1):
            found += rows
            print(f"{done} of {len(cells)} cells", flush=True)
    (options.to / "latency.md").write_text("\n".join(text(found, options.simulations)), "utf-8")


if __name__ == "__main__":
    main()
