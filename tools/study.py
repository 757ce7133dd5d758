"""Ask what the study (docs/study.md) still lacks, for so many minutes: ``make study MINUTES=100``.

Answers are kept in ``reports/study/<suite>`` every ``SLICE`` minutes, to be committed; whoever goes on, here or elsewhere, asks
the rest. A suite that is whole becomes a recording, ``reports/reference/study/<suite>``. ``--check`` only says whether the tables
of docs/study.md are those of the files (exit code 1 where they aren't).
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from time import monotonic
from typing import NamedTuple

import numpy as np
import pages
from numpy.typing import NDArray

import phrasing
from phrasing.analysis.run import Run
from phrasing.plan.resolve import Plan, lay_out
from phrasing.plan.selection import Selection
from phrasing.records import Result
from phrasing.report import recording, text
from phrasing.runs import run_folders, store
from phrasing.score import no_model
from phrasing.stats import paired, power

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "study.md"
CHECKPOINTS = ROOT / "reports" / "study"
SUITES = ("steps", "phrasing", "controls", "enforcement", "noise")
"""In the order in which they are asked."""

CONTROLS = "controls"
"""The suite that asks the same twice, and decides nothing."""

SLICE = 12
"""How many minutes of answers may be lost when the machine goes away."""

THREADS = "2"
"""On how many threads the model runs: another number would give other answers."""

POINTS = 5, 10, 20
"""How long the rulers are."""

PILOT = ("formats", "human", "quickstart", "outputs", "tools", "noise")
"""Recordings of contrasts like these, whose model was asked greedily."""

CLEARED = "clear_resolved_errors"

DISCORDANCES = (0.1, 0.2, 0.3, 0.4)
"""On what share of cases two variants may differ."""


# ---------------------------------------------------------------------------------------------- asking


def ask(minutes: float) -> None:
    """Ask for so many minutes what is lacking, suite by suite."""
    os.environ["PHRASING_THREADS"] = THREADS
    end = monotonic() + 60 * minutes
    for name in SUITES:
        while not is_whole(name) and (left := (end - monotonic()) / 60) > 1:
            keep(name, min(SLICE, left))


def keep(name: str, minutes: float) -> None:
    """Ask a suite for so many minutes, and keep all its answers until now."""
    folder = CHECKPOINTS / name
    run = phrasing.run(
        suite(name),
        runs=ROOT / "runs",
        replay=folder if run_folders.is_run(folder) else None,
        missing="ask",
        max_minutes=minutes,
        say=lambda line: print(line, flush=True),
    )
    answered = [result for result in run.results.values() if result.completion is not None]
    print(f"{name}: {len(answered)} of {run.record.trials}", flush=True)
    if len(answered) == run.record.trials:
        recording.update_recording(run, recorded(name))
        shutil.rmtree(folder, ignore_errors=True)
    else:
        store.write_recording(folder, run.record, answered)


def suite(name: str) -> Path:
    """Where a suite of the study is."""
    return ROOT / "evals" / "study" / f"{name}.yaml"


def recorded(name: str) -> Path:
    """Where the recording of a suite is, once it is whole."""
    return ROOT / run_folders.RECORDINGS / "study" / name


def is_whole(name: str) -> bool:
    """Whether all of a suite was asked."""
    return run_folders.is_run(recorded(name))


def answers(name: str) -> list[Result]:
    """The answers of a suite until now."""
    folder = next((each for each in (recorded(name), CHECKPOINTS / name) if run_folders.is_run(each)), None)
    return list(store.results(folder).values()) if folder else []


# ---------------------------------------------------------------------------------------------- the page


def parts() -> dict[str, str]:
    """Write the tables of the page."""
    plans = {name: lay_out(phrasing.load_suite(suite(name))) for name in SUITES}
    return {
        "not asked": not_asked(),
        "pilot": table(pilot()),
        "power": table(power_table(plans)),
        "rulers": table(rulers()),
        "digests": table(digests(plans)),
        "progress": table(progress(plans)),
    }


def table(rows: Iterator[Sequence[str]]) -> str:
    """Write a table whose first row is its head."""
    return "\n".join(text.table(next(rows), rows))


def pilot() -> Iterator[tuple[str, ...]]:
    """Say of recordings that were there before how many cases two variants of theirs did otherwise, one of them right."""
    yield ("recording", "cases", "comparisons", "least %", "most %")
    for name in PILOT:
        run = phrasing.load(ROOT / run_folders.RECORDINGS / name)
        by_intent = run.comparison(settings=run.suite.compare.model_copy(update={"score": "intent"}))
        shares = [100 * (one.found.wins + one.found.losses) / one.n for one in by_intent.contrasts if one.found]
        cases = sum(map(len, run.record.cases.values()))
        yield (name, f"{cases}", f"{len(shares)}", f"{min(shares):.0f}", f"{max(shares):.0f}")


def not_asked() -> str:
    """Say why errors kept or cleared aren't compared: in how many cases there is one to clear, and what those could show."""
    file = phrasing.load_suite(suite("noise"))
    made = lay_out(file, Selection(edits=["none", CLEARED]))
    changed = [
        [agent.notes[case].group or case for case in agent.cases if agent.edited[CLEARED][case] != agent.threads[case]]
        for agent in made.agents.values()
    ]
    size, added = power.guess([list(Counter(groups).values()) for groups in changed if groups])
    alpha = 0.05 / 3  # it would be the third contrast of its family
    share = DISCORDANCES[1]
    shown = power.detectable(size, share, alpha=alpha, added=added) or 1
    return (
        f"*Errors kept or cleared* would rest on the {sum(map(len, changed))} cases in which `{CLEARED}` finds something to\n"
        f"clear. If variants differ on {share:.0%} of them, a difference of {100 * shown:.0f} points is the smallest that would\n"
        "show four times out of five."
    )


def power_table(plans: Mapping[str, Plan]) -> Iterator[tuple[str, ...]]:
    """Say what each contrast can show after correction, four times out of five."""
    shares = [f"{100 * share:.0f} %" for share in DISCORDANCES]
    yield (
        "contrast",
        "cases",
        "conversations",
        "α",
        *(f"difference, {each}" for each in shares),
        *(f"margin, {each}" for each in shares),
    )
    for name, made in plans.items():
        if name == CONTROLS:
            continue
        groups = [Counter(note.group or case for case, note in agent.notes.items()) for agent in made.agents.values()]
        size, added = power.guess([list(found.values()) for found in groups])
        contrasts = {variant: baseline for variant, baseline in made.baselines.items() if variant != baseline}
        alpha = (1 - made.suite.compare.confidence) / len(contrasts)
        shown = [power.detectable(size, share, alpha=alpha, added=added) or 1 for share in DISCORDANCES]
        equal = [margin(size, share, alpha=alpha, added=added) for share in DISCORDANCES]
        numbers = [f"{sum(map(Counter.total, groups))}", f"{sum(map(len, groups))}", f"{alpha:.4f}"]
        for variant, baseline in contrasts.items():
            said = next(
                (one, other) for one, other in zip(baseline.axes.values(), variant.axes.values(), strict=True) if one != other
            )
            yield (f"{name}: {' → '.join(said)}", *numbers, *(f"{100 * each:.0f}" for each in (*shown, *equal)))


def margin(size: float, discordance: float, *, alpha: float, added: float) -> float:
    """Return the smallest margin within which two equal variants are shown to be equal, four times out of five.

    Each of the two sides has to be shown, so each with a chance of 90 %: ``size_to_clear`` has 80 %, and as many cases more as
    the squares of the normal quantiles' sums are apart.
    """
    quantile = NormalDist().inv_cdf
    more = ((quantile(1 - alpha / 2) + quantile(0.9)) / (quantile(1 - alpha / 2) + quantile(power.CHANCE))) ** 2
    return next(
        each / 1000
        for each in range(1, 1001)
        if (needed := power.size_to_clear(each / 1000, discordance, alpha=alpha / 2, added=added)) and needed * more <= size
    )


def rulers() -> Iterator[tuple[str, ...]]:
    """Say of each contrast how often a loss that is known to be there is called one, in so many draws of it."""
    yield ("contrast", *(f"{points} points" for points in POINTS))
    for name in SUITES:
        if name == CONTROLS or not is_whole(name):
            continue
        run = phrasing.load(recorded(name))
        contrasts = {one: other for one, other in run.record.baselines.items() if one != other}
        alpha = (1 - run.suite.compare.confidence) / len(contrasts)
        for variant, baseline in contrasts.items():
            pair = paired_scores(run, variant, baseline)
            yield (f"{name}: {variant}", *(f"{detected(pair, points / 100, alpha):.0%}" for points in POINTS))


class Pair(NamedTuple):
    """The scores of two variants, case by case, the chance of a random step, and the conversation and dataset of each case."""

    mine: NDArray[np.float64]
    theirs: NDArray[np.float64]
    chance: NDArray[np.float64]
    clusters: NDArray[np.intp]
    strata: NDArray[np.intp]


def paired_scores(run: Run, variant: str, baseline: str) -> Pair:
    """Gather what a ruler is made of."""
    trials = run.trials().set_index(["dataset", "case"]).sort_index()
    one, other = (trials[trials["variant"] == name] for name in (variant, baseline))
    both = one.index.intersection(other.index)
    one, other = one.loc[both], other.loc[both]
    chances = no_model.chances(run.record)
    chance = [chances[dataset, function][case] for (dataset, case), function in zip(both, one["function"], strict=True)]
    _, clusters = np.unique(
        [f"{dataset} {group}" for (dataset, _), group in zip(both, one["cluster"], strict=True)], return_inverse=True
    )
    _, strata = np.unique(both.get_level_values("dataset"), return_inverse=True)
    mine, theirs = (found["intent"].to_numpy(np.float64) for found in (one, other))
    return Pair(mine, theirs, np.array(chance), clusters, strata)


def detected(pair: Pair, points: float, alpha: float, draws: int = 400) -> float:
    """Return how often a loss of ``points`` (of 1) is called one at level ``alpha``.

    The two variants are exchanged in conversations drawn at random, so that neither is better while they still differ on as
    many cases; then answers of one are replaced by random steps, as many as cost it ``points``. NaN where even all of its
    answers together don't cost as much.
    """
    rng, found = np.random.default_rng(0), 0
    weights = 1 / np.bincount(pair.strata)[pair.strata]
    above = float(np.average((pair.mine + pair.theirs) / 2 - pair.chance, weights=weights))
    if points >= above:
        return float("nan")
    for _ in range(draws):
        swap = rng.random(pair.clusters.max() + 1)[pair.clusters] < 0.5
        one, other = np.where(swap, pair.theirs, pair.mine), np.where(swap, pair.mine, pair.theirs)
        by_chance = rng.random(len(one)) < pair.chance
        one = np.where(rng.random(len(one)) < points / above, by_chance, one)
        made = paired.difference(one, other, pair.clusters, pair.strata)
        found += made.mean.value < 0 and paired.p_different(made) <= alpha
    return found / draws


def digests(plans: Mapping[str, Plan]) -> Iterator[tuple[str, ...]]:
    """List the files that prompts and labels are made of."""
    found: dict[str, str] = {}
    for made in plans.values():
        found |= {f"baml_src/{name}": each for name, each in made.project.digests.items()}
        found |= {f"datasets/{agent.dataset.name}.jsonl": agent.dataset.digest for agent in made.agents.values()}
        found |= {
            f"{each.path.relative_to(made.file.root)}": each.digest for each in (*made.formats.values(), *made.edits.values())
        }
        found |= {each.shown: each.digest for each in made.rewrites.values()}
    yield ("file", "SHA-256, the first 16 digits")
    yield from ((name, each[:16]) for name, each in sorted(found.items()))


def progress(plans: Mapping[str, Plan]) -> Iterator[tuple[str, ...]]:
    """Say how far each suite is, and nothing of scores."""
    yield ("suite", "answers", "of", "minutes of the model")
    for name, made in plans.items():
        kept = answers(name)
        spent = sum(result.completion.latency or 0 for result in kept if result.completion)
        yield (name, f"{len(kept):,}", f"{len(made.trials):,}", f"{spent / 60:.0f}")


def main() -> int:
    """Ask, if there is time for it, and write the tables of the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=0, help="how long to ask; 0: not at all")
    parser.add_argument("--check", action="store_true", help="only say whether the page is as it should be")
    given = parser.parse_args()
    if given.minutes:
        ask(given.minutes)
    return pages.keep(PAGE, pages.fill(PAGE, parts()), ["--check"] if given.check else [])


if __name__ == "__main__":
    sys.exit(main())
