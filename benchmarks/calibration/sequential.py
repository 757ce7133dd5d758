"""Stopping early: how often it claims what isn't so, and how many calls it saves. Writes ``stopping.csv`` and ``stopping.md``.

A family says how many cases groups have, of which datasets they are, and what a variant gains in each. The order of groups is
drawn as a plan does, and after each group the tests of ``stats.anytime`` look at all so far. What is measured is the first look
that claims something: ``interval`` says the same at the same look.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import special

from benchmarks.calibration.draw import SIZES, Array, Labels, generator
from benchmarks.calibration.measure import ALPHA, Row
from benchmarks.calibration.tables import percent, read, write
from phrasing.stats.anytime import Progress, evidence
from phrasing.stats.means import upper_bound

GROUPS = (30, 100, 300)
MARGIN, DEFAULT_MARGIN = 0.05, 0.02
CHUNK = 500
NOISE, DISCORDANCE = 0.15, 0.2
"""How much the effects of groups vary around what their family says, and on what share of the cases variants differ at least."""

Effects = Callable[[np.random.Generator, int, float], Array]
"""What a variant gains in each group: (random numbers, draws, the mean over cases) to draws x groups."""


@dataclass(frozen=True)
class Family:
    """Groups of a kind: their numbers of cases, their datasets, and the effects in them; ``exact`` where answers have no luck."""

    sizes: Labels
    datasets: Labels
    effects: Effects
    exact: bool = False

    @property
    def shares(self) -> Array:
        """What each group weighs in the mean over cases, with equal weight of the datasets."""
        cases = np.bincount(self.datasets, self.sizes)
        return self.sizes / (cases * len(cases))[self.datasets]


def families(count: int) -> dict[str, Family]:
    unequal = np.resize(SIZES, count).astype(np.intp)
    one, none = np.ones(count, dtype=np.intp), np.zeros(count, dtype=np.intp)
    short = np.arange(count) < 0.7 * count
    tied = np.where(short, one, 5)
    tail = np.minimum(100, np.ceil(generator("tail").pareto(1.2, count))).astype(np.intp)
    three, two = np.digitize(np.arange(count), [0.1 * count, 0.4 * count]), np.digitize(np.arange(count), [0.2 * count])
    return {
        "equal: 1 case": Family(one, none, _around(np.zeros(count))),
        "equal: 4 cases": Family(4 * one, none, _around(np.zeros(count))),
        "unequal: 1 to 13 cases": Family(unequal, none, _around(np.zeros(count))),
        "short ones win, long ones lose": Family(tied, none, _around(_balanced(tied, np.where(short, 0.6, -1.0)))),
        "short ones lose, long ones win": Family(tied, none, _around(_balanced(tied, np.where(short, -0.6, 1.0)))),
        "3 % fail wholly": Family(6 * one, none, _failing(np.full(count, 0.03), 6 * one)),
        "30 % of the longest fail wholly": Family(unequal, none, _failing(np.where(unequal == max(SIZES), 0.3, 0.0), unequal)),
        "few fail wholly, the rest win alike": Family(one, none, _failing(np.full(count, 4 / count), one), exact=True),
        "heavy tail: 1 to 100 cases": Family(tail, none, _around(np.zeros(count))),
        "three datasets, of 10, 30 and 60 %": Family(unequal, three, _around(np.zeros(count))),
        "two datasets at odds, of 20 and 80 %": Family(4 * one, two, _around(np.where(two == 0, 0.4, -0.4))),
    }


def _balanced(sizes: Labels, effects: Array) -> Array:
    """Scale what is lost so that the mean over cases is 0."""
    gained, lost = (sizes @ np.maximum(0, side) for side in (effects, -effects))
    return np.where(effects > 0, effects * min(1, lost / gained), effects * min(1, gained / lost))


def _around(means: Array) -> Effects:
    def draw(rng: np.random.Generator, draws: int, shift: float) -> Array:
        return np.clip(means + shift + NOISE * rng.standard_normal((draws, len(means))), -1, 1)

    return draw


def _failing(chances: Array, sizes: Labels) -> Effects:
    """In a group all is lost with its chance; otherwise what makes up for it is won, everywhere alike."""

    def draw(rng: np.random.Generator, draws: int, shift: float) -> Array:
        lost = sizes @ chances
        won = min(1.0, (lost + shift * sizes.sum()) / (sizes.sum() - lost))
        return np.where(rng.random((draws, len(sizes))) < chances, -1.0, won)

    return draw


def answers(family: Family, rng: np.random.Generator, draws: int, shift: float) -> Array:
    """Draw the mean difference of each group: a case is won, lost or neither, by its group's effect."""
    effects = family.effects(rng, draws, shift)
    if family.exact:
        return effects
    differ = np.maximum(DISCORDANCE, np.abs(effects))
    wins = rng.binomial(family.sizes, (differ + effects) / 2)
    with np.errstate(invalid="ignore"):
        chance = np.nan_to_num((differ - effects) / 2 / (1 - (differ + effects) / 2))
    losses = rng.binomial(family.sizes - wins, np.minimum(1, chance))
    return (wins - losses) / family.sizes


def order(family: Family, rng: np.random.Generator) -> Labels:
    """Draw the order of groups, as ``plan.grid`` does."""
    listed = [rng.permutation(np.flatnonzero(family.datasets == dataset)) for dataset in range(family.datasets.max() + 1)]
    drawn: list[NDArray[np.intp]] = []
    while listed:
        size = min(map(len, listed))
        drawn.append(rng.permutation(np.concatenate([groups[:size] for groups in listed])))
        listed = [groups[size:] for groups in listed if len(groups) > size]
    return np.concatenate(drawn)


def detectable(family: Family, rng: np.random.Generator) -> float:
    """Return the difference that the whole plan, looked at once, shows with a chance of 80 %, by the normal approximation."""
    difference = 0.1
    for _ in range(4):
        difference = 2.8 * float((answers(family, rng, 2000, difference) @ family.shares).std())
    return difference


def games(family: Family, drawn: Labels) -> tuple[Array, Array]:
    """Return what is at stake on each group and what its side bet pays, in each drawn order: draws x groups x bets.

    Where there is one dataset these belong to the group, wherever it stands.
    """

    def game(one: Labels) -> tuple[Array, Array]:
        sizes = family.sizes[one]
        places = np.repeat(np.arange(len(sizes)), sizes)
        found = evidence(np.zeros(len(places)), Progress(sizes, family.datasets[one], len(sizes), places))
        return found.stakes, found.sides

    if family.datasets.any():
        stakes, sides = zip(*map(game, drawn), strict=True)
        return np.stack(stakes), np.stack(sides)
    stakes, sides = game(np.arange(len(family.sizes)))
    return stakes[drawn], sides[drawn]


def looks(values: Array, stakes: Array, sides: Array, bound: float) -> Array:
    """Return the logarithm of what the gambler has after each group: ``p_above`` of that look is its inverse, at most 1."""
    pays = (1 + values) / (1 + bound) - 1
    wealth = np.log1p(sides + stakes * pays[..., None]).cumsum(axis=1)
    return special.logsumexp(wealth, axis=2) - np.log(stakes.shape[2])


def measure(simulations: int, cell: tuple[str, int, str]) -> Row:
    """Return what was found in one cell: how often something is claimed, and what share of the cases was asked by then.

    ``alike``: the mean over cases is 0, and a claim is "better" or "worse". ``margin``: it is -``MARGIN``, and a claim is "not
    worse". ``apart``: it is twice what the whole plan detects, and a claim is any verdict that stops a run with the default
    margin: "better", or before that "not worse"; ``better`` is how often it is, or would be in the end, the former.
    """
    name, count, kind = cell
    family, rng = families(count)[name], generator(*cell)
    shift = {"alike": 0.0, "margin": -MARGIN, "apart": 0.0 if kind != "apart" else 2 * detectable(family, rng)}[kind]
    threshold, margin = np.log(2 / ALPHA), -MARGIN if kind == "margin" else -DEFAULT_MARGIN
    called, better, asked, total = 0, 0, 0.0, 0.0
    for start in range(0, simulations, CHUNK):
        every = answers(family, rng, min(CHUNK, simulations - start), shift)
        drawn = np.stack([order(family, rng) for _ in every])
        values, game = np.take_along_axis(every, drawn, axis=1), games(family, drawn)
        ahead = looks(values, *game, 0.0)
        other = looks(-values, *game, 0.0) if kind == "alike" else looks(values, *game, margin)
        claims = (np.maximum(ahead, other) if kind == "alike" else other) >= threshold
        ends = np.cumsum(family.sizes[drawn], axis=1) / family.sizes.sum()
        called += int(claims.any(axis=1).sum())
        better += int((ahead >= threshold).any(axis=1).sum())
        asked += float(np.where(claims.any(axis=1), ends[np.arange(len(ends)), claims.argmax(axis=1)], 1.0).sum())
        total += float((every @ family.shares).sum())
    return {
        "family": name,
        "groups": count,
        "cases": int(family.sizes.sum()),
        "kind": kind,
        "difference": total / simulations,
        "simulations": simulations,
        "rate": called / simulations,
        "bound": upper_bound(called, simulations),
        "asked": asked / simulations,
        "better": better / simulations,
    }


def cells() -> list[tuple[str, int, str]]:
    return [(name, count, kind) for count in GROUPS for name in families(count) for kind in ("alike", "margin", "apart")]


INTRODUCTION = """\
# Stopping early

Written by `python -m benchmarks.calibration.sequential`; every cell is in `stopping.csv`. Each cell draws {simulations:,} runs of
two variants whose true difference is known, with a look after each group. "False claims" are runs that ever say "better" or
"worse" at 95 % though the mean over cases is 0; "false not worse" are runs that ever say "not worse by 5 points" though the
variant is worse by exactly that. The target is at most 5 % of runs, whatever sizes, datasets and effects have to do with each
other; the error of a cell is about 0.3 points.

"Apart" is twice the difference that the whole plan, looked at once, shows with a chance of 80 %. "Decided" are runs that stop
with a verdict, "better" or before that "not worse by 2 points", and "asked" is the share of all calls that this took on average,
runs without a verdict included. "Better" are runs that say so if nothing stops them before.
"""


def text(rows: Sequence[Row]) -> str:
    head = ["family", "groups", "cases", "false claims", "false not worse", "apart", "better", "decided", "asked"]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *_lines(rows)]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    false = max((row for row in rows if row["kind"] != "apart"), key=lambda row: row["rate"])
    apart = [row for row in rows if row["kind"] == "apart"]
    saving = [row for row in apart if row["asked"] <= 0.6]
    said = (
        f"The most false claims in a cell are {percent(false['rate'])} of its runs (upper 95 % bound {percent(false['bound'])}): "
        f"{false['family']}, {false['groups']} groups. {len(saving)} of {len(apart)} cells save 40 % of the calls or more. Those "
        "that don't are plans in which few groups decide: there are few, or a few of them hold most of the weight. No test that "
        "holds for all of these families can know early that none of those still to come is lost wholly."
    )
    return "\n".join([INTRODUCTION.format(simulations=rows[0]["simulations"]), table, "", said, ""])


def _lines(rows: Sequence[Row]) -> Iterator[list[str]]:
    by_cell = {(row["family"], row["groups"], row["kind"]): row for row in rows}
    for family, count in dict.fromkeys((row["family"], row["groups"]) for row in rows):
        alike, margin, apart = (by_cell[family, count, kind] for kind in ("alike", "margin", "apart"))
        shares = (alike["rate"], margin["rate"], apart["difference"], apart["better"], apart["rate"], apart["asked"])
        yield [family, str(count), f"{alike['cases']:,}", *map(percent, shares)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration.sequential", description=__doc__)
    parser.add_argument("--simulations", type=int, default=10_000, help="runs a cell")
    parser.add_argument("--every", type=int, default=1, help="only every so many-th family, for a quick look")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--tables", action="store_true", help="simulate nothing, only write the text of stopping.csv again")
    parser.add_argument("--to", type=Path, default=Path("benchmarks"), help="the folder to write to")
    options = parser.parse_args()
    table = options.to / "stopping.csv"
    if not options.tables:
        kept = list(families(GROUPS[0]))[:: options.every]
        with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
            asked = [cell for cell in cells() if cell[0] in kept]
            write(table, pool.map(partial(measure, options.simulations), asked, chunksize=1))
    (options.to / "stopping.md").write_text(text(read(table)), "utf-8")


if __name__ == "__main__":
    main()
