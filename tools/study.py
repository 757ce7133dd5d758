"""Ask what the study (docs/study.md) still lacks, for so many minutes: ``make study MINUTES=100``.

Answers are kept in ``reports/study/<suite>`` every ``SLICE`` minutes, to be committed; whoever goes on, here or elsewhere, asks
the rest. A suite that is whole becomes a recording, ``reports/reference/study/<suite>``. ``--check`` only says whether the tables
of docs/study.md are those of the files (exit code 1 where they aren't).
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from statistics import NormalDist
from time import monotonic

import numpy as np
import pages
import study_answers
from numpy.typing import NDArray
from study_answers import Row

import phrasing
from phrasing.analysis.compare import Comparison
from phrasing.analysis.run import Run
from phrasing.models.local import weights
from phrasing.models.local.catalogue import KNOWN, PREFIX
from phrasing.plan.resolve import Plan, lay_out
from phrasing.plan.selection import Selection
from phrasing.records import Result
from phrasing.report import recording, text
from phrasing.runs import run_folders, store
from phrasing.stats import power
from phrasing.suite.file import SuiteFile
from phrasing.types import Variant

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "study.md"
CHECKPOINTS = ROOT / "reports" / "study"

PRIMARY = ("steps", "phrasing", "enforcement", "noise")
"""The suites whose contrasts were declared to be decided."""

CHECKS = ("controls", "reordered", "cached", "temperature", "coarse")
"""The suites that hold the instrument itself to what it should show."""

LARGE = tuple(f"large/{name}" for name in PRIMARY)
"""The same as ``PRIMARY``, of a larger model."""

SUITES = ("steps", "controls", "reordered", "cached", "phrasing", "enforcement", "noise", "temperature", "coarse", *LARGE)
"""In the order in which they are asked."""

SLICE = 12
"""How many minutes of answers may be lost when the machine goes away."""

THREADS = "2"
"""On how many threads the model runs: another number would give other answers."""

PILOT = ("formats", "human", "quickstart", "outputs", "tools", "noise")
"""Recordings of contrasts like these, whose model was asked greedily."""

LIKE = {"steps": "tools", "enforcement": "outputs", "noise": "noise"}
"""Which recording shows how long prompts and answers of a suite are; of the others ``formats`` does."""

MODELS = "models"
"""The recording that shows how much longer a larger model takes for the same."""

CLEARED = "clear_resolved_errors"

DISCORDANCES = (0.1, 0.2, 0.3, 0.4)
"""On what share of cases two variants may differ."""

MARGIN = 0.1
"""Within which two variants are called equivalent; the suites say the same."""

DIFFER = 0.25
"""The largest share in the pilot's comparisons of formats."""


# ---------------------------------------------------------------------------------------------- asking


def ask(minutes: float) -> None:
    """Ask for so many minutes what is lacking, suite by suite."""
    end = monotonic() + 60 * minutes
    for name in SUITES:
        while not is_whole(name):
            if (left := end - monotonic()) < 60:
                return
            for model in load(name).suite.models:
                if model.id.removeprefix(PREFIX) in KNOWN:
                    weights.add(model.id)
            begun, slice_ = monotonic(), min(60 * SLICE, left)
            keep(name, slice_ / 60)
            if not is_whole(name) and monotonic() - begun < slice_:
                return  # interrupted, or the model has stopped


def keep(name: str, minutes: float) -> None:
    """Ask a suite for so many minutes, and keep all its answers until now: also those of a slice that is interrupted."""
    checkpoint, begun = CHECKPOINTS / name, []
    try:
        phrasing.run(
            path(name),
            runs=ROOT / "runs",
            replay=checkpoint if run_folders.is_run(checkpoint) else None,
            missing="ask",
            max_minutes=minutes,
            started=lambda folder, plan: begun.append(folder),
            say=lambda line: print(line, flush=True),
        )
    finally:
        for folder in begun:
            run = phrasing.load(folder)
            answered = [result for result in run.results.values() if result.completion is not None]
            print(f"{name}: {len(answered)} of {run.record.trials}", flush=True)
            if len(answered) == run.record.trials:
                recording.update_recording(run, recorded(name))
                shutil.rmtree(checkpoint, ignore_errors=True)
            elif len(answered) > len(answers(name)):
                store.write_recording(checkpoint, run.record, answered)


def path(name: str) -> Path:
    """Where a suite of the study is."""
    return ROOT / "evals" / "study" / f"{name}.yaml"


def load(name: str) -> SuiteFile:
    """Read a suite of the study."""
    return phrasing.load_suite(path(name))


def recorded(name: str) -> Path:
    """Where the recording of a suite is, once it is whole."""
    return ROOT / run_folders.RECORDINGS / "study" / name


def is_whole(name: str) -> bool:
    """Whether all of a suite was asked."""
    return run_folders.is_run(recorded(name))


@cache
def recording_of(name: str) -> Run:
    """Read the recording of a suite that is whole."""
    return phrasing.load(recorded(name))


def whole(names: Iterable[str]) -> dict[str, Run]:
    """Read the recordings of those suites that are whole."""
    return {name: recording_of(name) for name in names if is_whole(name)}


def answers(name: str) -> list[Result]:
    """The answers of a suite until now."""
    folder = next((each for each in (recorded(name), CHECKPOINTS / name) if run_folders.is_run(each)), None)
    return list(store.results(folder).values()) if folder else []


# ---------------------------------------------------------------------------------------------- the page


def parts() -> dict[str, str]:
    """Write the tables of the page."""
    plans = {name: lay_out(load(name)) for name in SUITES}
    primary, large = whole(PRIMARY), whole(LARGE)
    both = {name: (run, large[f"large/{name}"]) for name, run in primary.items() if f"large/{name}" in large}
    tables = {
        "pilot": pilot(),
        "power": power_table({name: plans[name] for name in PRIMARY}),
        "simulated": simulated({name: plans[name] for name in PRIMARY}),
        "budget": budget(plans),
        "answers": study_answers.answers(primary),
        "log-odds": study_answers.odds(primary),
        "larger": study_answers.differences(large),
        "interaction": study_answers.interaction(both),
        "parts": study_answers.parts(primary),
        "sensitivity": study_answers.sensitivity(primary),
        "wrong labels": study_answers.wrong_labels(primary),
        "same": study_answers.same(whole(CHECKS)),
        "checks": study_answers.differences(whole(CHECKS)),
        "rulers": study_answers.rulers(primary),
        "digests": digests(plans),
        "progress": progress(plans),
    }
    return {"not asked": not_asked(), **{name: table(rows) for name, rows in tables.items()}}


def table(rows: Iterator[Row]) -> str:
    """Write a table whose first row is its head; a sentence where it has no other."""
    head, found = next(rows), list(rows)
    return "\n".join(text.table(head, found)) if found else "*Not asked yet.*"


def pilot() -> Iterator[Row]:
    """Say of recordings that were there before how many cases two variants of theirs did otherwise, one of them right."""
    yield ("recording", "cases", "comparisons", "right %", "differ, least %", "differ, most %")
    for name in PILOT:
        found = [one for one in by_intent(name).contrasts if one.found]
        shares = [(one.found.wins + one.found.losses) / one.n for one in found if one.found]
        cases = sum(map(len, phrasing.load(ROOT / run_folders.RECORDINGS / name).record.cases.values()))
        numbers = [np.mean([one.theirs for one in found]), min(shares), max(shares)]
        yield (name, f"{cases}", f"{len(shares)}", *(f"{100 * each:.0f}" for each in numbers))


def not_asked() -> str:
    """Say why errors kept or cleared aren't compared: in how many cases there is one to clear, and what those could show."""
    file = load("noise")
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


def power_table(plans: Mapping[str, Plan]) -> Iterator[Row]:
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
        sizes, alpha = design(made)
        size, added = power.guess(sizes)
        shown = [power.detectable(size, share, alpha=alpha, added=added) or 1 for share in DISCORDANCES]
        equal = [margin(size, share, alpha=alpha, added=added) for share in DISCORDANCES]
        numbers = [f"{sum(map(sum, sizes))}", f"{sum(map(len, sizes))}", f"{alpha:.4f}"]
        points = [f"{100 * each:.0f}" for each in (*shown, *equal)]
        for variant, baseline in contrasts(made):
            yield (f"{name}: {study_answers.named(variant, baseline)}", *numbers, *points)


def contrasts(plan: Plan) -> list[tuple[Variant, Variant]]:
    """List the variants that are compared, each with its baseline."""
    return [(variant, baseline) for variant, baseline in plan.baselines.items() if variant != baseline]


def design(plan: Plan) -> study_answers.Design:
    """Give how many cases each conversation of each dataset has, and the level of the first contrast that is called."""
    groups = [Counter(note.group or case for case, note in agent.notes.items()) for agent in plan.agents.values()]
    return [list(found.values()) for found in groups], (1 - plan.suite.compare.confidence) / len(contrasts(plan))


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


def simulated(plans: Mapping[str, Plan]) -> Iterator[Row]:
    """Say what the designs find of a known loss and of equally good variants, at the accuracy and differences of the pilot."""
    right = [one.theirs for name in PILOT for one in by_intent(name).contrasts]
    designs = {name: design(made) for name, made in plans.items()}
    return study_answers.simulated(designs, accuracy=float(np.mean(right)), differ=DIFFER, margin=MARGIN)


@cache
def by_intent(name: str) -> Comparison:
    """Compare the variants of a recording of the pilot by how often an acceptable step was picked."""
    run = phrasing.load(ROOT / run_folders.RECORDINGS / name)
    return run.comparison(settings=run.suite.compare.model_copy(update={"score": "intent"}))


def budget(plans: Mapping[str, Plan]) -> Iterator[Row]:
    """Say how long it takes to ask all, by what a token took the model in the answers that there are."""
    yield ("suite", "model", "trials", "tokens of a prompt", "seconds each", "hours")
    of_prompt, of_answer = seconds_a_token()
    usual, *_ = models = longer()
    for name, made in plans.items():
        prompt, answer = tokens(LIKE.get(name.removeprefix("large/"), "formats"))
        for model, trials in Counter(trial.variant.model for trial in made.trials).items():
            each = (of_prompt * prompt + of_answer * answer) * models[model] / models[usual]
            yield (name, model, f"{trials:,}", f"{prompt:,.0f}", f"{each:.1f}", f"{trials * each / 3600:.1f}")


def seconds_a_token() -> NDArray[np.float64]:
    """Give how long a token of a prompt and one of an answer took the smaller model in the study's answers, by least squares."""
    kept = [result.completion for name in PRIMARY for result in answers(name) if result.completion]
    used = np.array([(done.usage.prompt, done.usage.completion) for done in kept], dtype=np.float64)
    return (
        np.linalg.lstsq(used, np.array([done.latency for done in kept], dtype=np.float64), rcond=None)[0]
        if kept
        else np.full(2, np.nan)
    )


@cache
def tokens(name: str) -> tuple[float, float]:
    """Give how many tokens prompts and answers have in a recording, on average."""
    trials = phrasing.load(ROOT / run_folders.RECORDINGS / name).trials()
    return float(trials["prompt_tokens"].mean()), float(trials["answer_tokens"].mean())


def longer() -> dict[str, float]:
    """Give how long an answer took each model in the recording that asks all of them the same, the usual one first."""
    trials = phrasing.load(ROOT / run_folders.RECORDINGS / MODELS).trials()
    return {str(model): float(found) for model, found in trials.groupby("model", observed=True)["latency"].mean().items()}


def digests(plans: Mapping[str, Plan]) -> Iterator[Row]:
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


def progress(plans: Mapping[str, Plan]) -> Iterator[Row]:
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
    parser.add_argument("--reread", action="store_true", help="list the cases whose labels are to be read again, without answers")
    given = parser.parse_args()
    if given.reread:
        print(*(f"{dataset}::{case}" for dataset, case in study_answers.to_reread(whole(PRIMARY).values())), sep="\n")
        return 0
    if given.minutes:
        os.environ["PHRASING_THREADS"] = THREADS
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # a slice that is ended keeps its answers
        ask(given.minutes)
    return pages.keep(PAGE, pages.fill(PAGE, parts()), ["--check"] if given.check else [])


if __name__ == "__main__":
    sys.exit(main())
