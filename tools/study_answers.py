"""What the recordings of the study (docs/study.md) show, as tables: rows of texts, the head first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from phrasing.analysis.run import Run
from phrasing.report import text
from phrasing.score import log_odds, no_model
from phrasing.stats import paired
from phrasing.stats.paired import Difference
from phrasing.types import Variant

Row = tuple[str, ...]

Design = tuple[Sequence[Sequence[int]], float]
"""How many cases each conversation of each dataset has, and the level of the first contrast that is called."""

POINTS = 5, 10, 20
"""How long the rulers are."""

WRONG = 0.02, 0.05
"""Shares of labels that may be wrong."""

LENGTHS = {"up to 5 events": (0, 5), "6 to 15": (6, 15), "more": (16, math.inf)}

TAGS = "easy", "long-thread", "error-once", "error-resolved", "approval-missing", "several-requests", "non-english", "finished"
"""Kinds of cases that are shown apart."""

UNREAD = "truncated", "overflow"
"""Stages of failure that say more of the limit of tokens than of the step."""


@dataclass(frozen=True)
class Pairs:
    """The answers of a variant and of its baseline in a table, case by case, sorted by dataset and case.

    ``name`` says which two they are; ``alpha`` is the level of the first contrast that is called after correction.
    """

    run: Run
    variant: str
    baseline: str
    name: str
    alpha: float

    @cached_property
    def table(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The trials of both, of the cases that both have."""
        trials = self.run.trials().set_index(["dataset", "case", "repeat"]).sort_index()
        mine, theirs = (trials[trials["variant"] == name] for name in (self.variant, self.baseline))
        both = mine.index.intersection(theirs.index)
        return mine.loc[both], theirs.loc[both]

    @property
    def cases(self) -> pd.MultiIndex:
        """The dataset, case and repeat of each row."""
        return self.table[0].index

    @property
    def clusters(self) -> NDArray[np.intp]:
        """The number of each row's conversation."""
        found = zip(self.cases.get_level_values("dataset"), self.table[0]["group"], strict=True)
        return np.unique([f"{dataset} {group}" for dataset, group in found], return_inverse=True)[1]

    @property
    def strata(self) -> NDArray[np.intp]:
        """The number of each row's dataset."""
        return np.unique(self.cases.get_level_values("dataset"), return_inverse=True)[1]

    def values(self, column: str = "intent") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give a column of both."""
        mine, theirs = (each[column].to_numpy(dtype=np.float64) for each in self.table)
        return mine, theirs

    def difference(
        self, which: NDArray[np.bool_] | None = None, values: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    ) -> Difference:
        """Compare them on some of the rows, or all; ``values`` from 0 to 1 in place of the intent."""
        mine, theirs = self.values() if values is None else values
        chosen = ~(np.isnan(mine) | np.isnan(theirs)) & (True if which is None else which)
        return paired.difference(mine[chosen], theirs[chosen], self.clusters[chosen], self.strata[chosen])


def contrasts(run: Run) -> list[Pairs]:
    """Give the contrasts of a run, in its order."""
    listed = {one: other for one, other in run.record.baselines.items() if one != other}
    alpha = (1 - run.suite.compare.confidence) / max(1, len(listed))
    return [Pairs(run, one, other, named(Variant.parse(one), Variant.parse(other)), alpha) for one, other in listed.items()]


def named(variant: Variant, baseline: Variant) -> str:
    """Say in which word two variants differ, the baseline's first."""
    both = zip(baseline.axes.values(), variant.axes.values(), strict=True)
    return " → ".join(next((one, other) for one, other in both if one != other))


# ---------------------------------------------------------------------------------------------- the answers


def answers(runs: Mapping[str, Run]) -> Iterator[Row]:
    """The primary contrasts: how often each picked an acceptable step, the difference, and what may be said of it."""
    yield ("contrast", "cases", "before %", "after %", "points", "p, corrected", "verdict", "tokens")
    for name, run in runs.items():
        found = run.comparison()
        for pairs in contrasts(run):
            one = found[pairs.variant]
            yield (
                f"{name}: {pairs.name}",
                f"{one.n}",
                *(f"{100 * each:.0f}" for each in (one.theirs, one.mine)),
                text.span(one),
                text.p_value(one.corrected),
                one.verdict.word(),
                text.ratio(one, "prompt_tokens"),
            )


def odds(runs: Mapping[str, Run]) -> Iterator[Row]:
    """How much surer of an acceptable step a model is, as log-odds, where both answers have some."""
    yield ("contrast", "cases", "log-odds before", "after", "difference", "interval", "p", "p of right or wrong")
    for name, run in runs.items():
        for pairs in contrasts(run):
            if "log_odds" not in pairs.table[0]:
                continue
            mine, theirs = pairs.values("log_odds")
            both = ~(np.isnan(mine) | np.isnan(theirs))
            if not both.any():
                continue
            # between 0 and 1, as the test wants them
            width = 2 * log_odds.LIMIT
            found = pairs.difference(values=(mine / width + 0.5, theirs / width + 0.5))
            low, high = paired.interval(found)
            weights = 1 / np.bincount(pairs.strata[both])[pairs.strata[both]]
            yield (
                f"{name}: {pairs.name}",
                f"{both.sum()}",
                *(f"{np.average(each[both], weights=weights):+.2f}" for each in (theirs, mine)),
                f"{width * found.mean.value:+.2f}",
                "–" if math.isnan(low) else f"{width * low:+.2f} to {width * high:+.2f}",
                text.p_value(paired.p_different(found)),
                text.p_value(paired.p_different(pairs.difference(both))),
            )


def sensitivity(runs: Mapping[str, Run]) -> Iterator[Row]:
    """The same without answers that were cut at the limit of tokens, or whose prompt didn't fit."""
    yield ("contrast", "cut or too long", "points, all", "points, without these")
    for name, run in runs.items():
        for pairs in contrasts(run):
            whole = [~each["stage"].isin(UNREAD).to_numpy() for each in pairs.table]
            kept = whole[0] & whole[1]
            found = pairs.difference(kept)
            yield (
                f"{name}: {pairs.name}",
                f"{sum(int((~each).sum()) for each in whole)}",
                _points(pairs.difference()),
                _points(found),
            )


def parts(runs: Mapping[str, Run]) -> Iterator[Row]:
    """Each contrast in parts of its cases: by dataset, by length of the thread, by kind."""
    yield ("contrast", "part", "cases", "points")
    for name, run in runs.items():
        for pairs in contrasts(run):
            notes = [run.record.cases[dataset][case] for dataset, case, _ in pairs.cases]
            kinds = {
                **{
                    dataset: pairs.cases.get_level_values("dataset") == dataset
                    for dataset in sorted(set(pairs.cases.get_level_values("dataset")))
                },
                **{
                    length: np.array([least <= note.events <= most for note in notes])
                    for length, (least, most) in LENGTHS.items()
                },
                **{tag: np.array([tag in note.tags for note in notes]) for tag in TAGS},
            }
            for kind, chosen in kinds.items():
                if chosen.any():
                    yield (f"{name}: {pairs.name}", kind, f"{chosen.sum()}", _points(pairs.difference(chosen)))


def interaction(runs: Mapping[str, tuple[Run, Run]]) -> Iterator[Row]:
    """How a contrast differs between two models, on the cases that both were asked."""
    yield ("contrast", "cases", "points, smaller", "points, larger", "points more")
    for name, both in runs.items():
        for smaller, larger in zip(*map(contrasts, both), strict=True):
            if not smaller.cases.equals(larger.cases):
                raise ValueError(f"{name}: the two models weren't asked the same cases")
            small, large = (np.subtract(*pairs.values()) for pairs in (smaller, larger))
            # between 0 and 1, as the test wants them
            found = smaller.difference(values=((large + 1) / 2, (small + 1) / 2))
            low, high = paired.interval(found)
            yield (
                f"{name}: {smaller.name}",
                f"{len(smaller.cases)}",
                *(_points(pairs.difference()) for pairs in (smaller, larger)),
                text.interval(2 * found.mean.value, 2 * low, 2 * high),
            )


# ---------------------------------------------------------------------------------------------- doubts


def rulers(runs: Mapping[str, Run]) -> Iterator[Row]:
    """How often a loss that is known to be there is called one, in so many draws of each contrast."""
    yield ("contrast", *(f"{each} points" for each in POINTS))
    for name, run in runs.items():
        for pairs in contrasts(run):
            yield (f"{name}: {pairs.name}", *(_share(detected(pairs, each / 100)) for each in POINTS))


def detected(pairs: Pairs, loss: float, draws: int = 400) -> float:
    """Return how often a loss (of 1) is called one after correction.

    The two variants are exchanged in conversations drawn at random, so that neither is better while they still differ on as
    many cases; then answers of one are replaced by random steps, as many as cost it that much. NaN where even all of its answers
    together don't cost so much.
    """
    chances = no_model.chances(pairs.run.record)
    functions = pairs.table[0]["function"].astype(str)
    listed = zip(pairs.cases, functions, strict=True)
    chance = np.array([chances[dataset, function][case] for (dataset, case, _), function in listed])
    return found_losses(*pairs.values(), chance, pairs.clusters, pairs.strata, loss=loss, alpha=pairs.alpha, draws=draws)


def found_losses(
    mine: NDArray[np.float64],
    theirs: NDArray[np.float64],
    chance: NDArray[np.float64],
    clusters: NDArray[np.intp],
    strata: NDArray[np.intp],
    *,
    loss: float,
    alpha: float,
    draws: int,
    seed: int = 0,
) -> float:
    """Do what ``detected`` says with the scores of two variants, and the chance that a random step is acceptable, by case."""
    rng, found = np.random.default_rng(seed), 0
    weights = 1 / np.bincount(strata)[strata]
    above = float(np.average((mine + theirs) / 2 - chance, weights=weights))
    if loss >= above:
        return math.nan
    for _ in range(draws):
        swap = rng.random(clusters.max() + 1)[clusters] < 0.5
        one, other = np.where(swap, theirs, mine), np.where(swap, mine, theirs)
        by_chance = rng.random(len(one)) < chance
        one = np.where(rng.random(len(one)) < loss / above, by_chance, one)
        made = paired.difference(one, other, clusters, strata)
        found += made.mean.value < 0 and paired.p_different(made) <= alpha
    return found / draws


def simulated(designs: Mapping[str, Design], *, accuracy: float, differ: float, margin: float, draws: int = 200) -> Iterator[Row]:
    """What each design would find of two variants that are equally good: of the rulers, and of themselves, in so many draws.

    ``accuracy`` is how often each is right, ``differ`` on which share of cases one of them alone is; both come from the pilot. A
    random step is taken to be right in one case of ten.
    """
    yield ("design", *(f"{each} points" for each in POINTS), "equal: called different", "equal: called equivalent")
    for name, (sizes, alpha) in designs.items():
        strata = np.repeat(np.arange(len(sizes)), [sum(each) for each in sizes])
        clusters = np.repeat(np.arange(sum(map(len, sizes))), [size for each in sizes for size in each])
        rng, found, different, equivalent = np.random.default_rng(0), dict.fromkeys(POINTS, 0.0), 0, 0
        for _ in range(draws):
            theirs = (rng.random(len(strata)) < accuracy).astype(np.float64)
            lost, won = differ / 2 / accuracy, differ / 2 / (1 - accuracy)
            turned = rng.random(len(strata)) < np.where(theirs == 1, lost, won)
            mine = np.where(turned, 1 - theirs, theirs)
            pair = paired.difference(mine, theirs, clusters, strata)
            different += paired.p_different(pair) <= alpha
            equivalent += paired.level_within(pair, margin) <= alpha
            chance, seed = np.full(len(strata), 0.1), int(rng.integers(2**32))
            for each in POINTS:
                once = found_losses(mine, theirs, chance, clusters, strata, loss=each / 100, alpha=alpha, draws=1, seed=seed)
                found[each] += once / draws
        yield (name, *map(_share, found.values()), _share(different / draws), _share(equivalent / draws))


def wrong_labels(runs: Mapping[str, Run]) -> Iterator[Row]:
    """What would be left of each contrast if some labels were wrong, and all of them to its disadvantage."""
    yield ("contrast", "points", *(f"{share:.0%} wrong: {what}" for share in WRONG for what in ("at worst", "p")))
    for name, run in runs.items():
        for pairs in contrasts(run):
            whole = pairs.difference()
            side = 1 if whole.mean.value > 0 else -1
            cells = []
            for share in WRONG:
                found = pairs.difference(values=against(*pairs.values(), pairs.strata, share=share, side=side))
                p = paired.p_above(found, 0) if side > 0 else paired.p_below(found, 0)
                cells += [text.points(found.mean.value), text.p_value(min(2 * p, 1.0))]
            yield (f"{name}: {pairs.name}", text.points(whole.mean.value), *cells)


def against(
    mine: NDArray[np.float64], theirs: NDArray[np.float64], strata: NDArray[np.intp], *, share: float, side: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give scores as they would be if this share of labels were wrong where that speaks most against a difference.

    ``side``: 1 if the first ones are higher. A wrong label may turn a case around that one variant alone got right, or make one
    right where both were wrong or both right. Cases that weigh most go first.
    """
    better, worse = (mine, theirs) if side > 0 else (theirs, mine)
    weights = 1 / np.bincount(strata)[strata]
    harm = weights * np.where(better > worse, 2, np.where(better == worse, 1, 0))
    chosen = np.argsort(-harm, kind="stable")[: round(share * len(mine))]
    better, worse = better.copy(), worse.copy()
    better[chosen], worse[chosen] = 0, 1
    return (better, worse) if side > 0 else (worse, better)


def to_reread(runs: Iterable[Run], concordant: int = 100) -> list[tuple[str, str]]:
    """List the cases to be read again, dataset and id: all on which variants of a primary contrast differ, and some others."""
    differ: set[tuple[str, str]] = set()
    alike: set[tuple[str, str]] = set()
    for run in runs:
        for pairs in contrasts(run):
            mine, theirs = pairs.values()
            for (dataset, case, _), other in zip(pairs.cases, mine != theirs, strict=True):
                (differ if other else alike).add((dataset, case))
    others = sorted(alike - differ)
    rng = np.random.default_rng(0)
    drawn = rng.permutation(len(others))[:concordant]
    found = sorted([*differ, *(others[place] for place in drawn)])
    return [found[place] for place in rng.permutation(len(found))]


def same(runs: Mapping[str, Run]) -> Iterator[Row]:
    """How many answers of ``controls`` are the same under another name, and when they are asked again in some other way."""
    yield ("asked again", "answers", "the same")
    controls = runs.get("controls")
    if controls is None:
        return
    mine, theirs = (each["answer"] for each in contrasts(controls)[0].table)
    yield ("under another name", f"{len(mine)}", f"{(mine == theirs).sum()}")
    said = controls.trials().set_index("trial")["answer"]
    for name, what in (("reordered", "in another order"), ("cached", "with the prompt cache")):
        if name in runs:
            again = runs[name].trials().set_index("trial")["answer"]
            both = said.index.intersection(again.index)
            yield (what, f"{len(both)}", f"{(said[both] == again[both]).sum()}")


def differences(runs: Mapping[str, Run]) -> Iterator[Row]:
    """Contrasts of which nothing is to be decided: the difference and its interval, without a verdict."""
    yield ("contrast", "cases", "points")
    for name, run in runs.items():
        found = run.comparison()
        for pairs in contrasts(run):
            one = found[pairs.variant]
            yield (f"{name}: {pairs.name}", f"{one.n}", text.span(one))


def _points(found: Difference) -> str:
    """Write a difference with its interval of 95 %."""
    return text.interval(found.mean.value, *paired.interval(found))


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.0%}"
