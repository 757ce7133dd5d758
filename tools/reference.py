"""Rebuild what is made of recorded answers and of datasets: reports/reference, and the marked parts of README and other pages.

``python tools/reference.py`` rebuilds by replay, ``--ask SUITE…`` asks the models of these suites first, ``--check`` only says
what is stale (exit code 1).
A test runs the check, so a report or a figure in the README can't drift from the answers it was made of.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import answers
import counts
import index
import slide
import talk
import your_model
from pages import fill

import phrasing
from phrasing.analysis.report_data import Report
from phrasing.analysis.run import Run
from phrasing.errors import StoreError
from phrasing.files import write_text
from phrasing.plan.selection import Selection
from phrasing.report import columns, recording, text
from phrasing.report.markdown import written
from phrasing.runs import run_folders, store
from phrasing.suite.schema import Suite

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "reports" / "reference"
README, DATASETS, STATISTICS = ROOT / "README.md", ROOT / "datasets" / "README.md", ROOT / "docs" / "statistics.md"
SLIDE, SCORERS = ROOT / "docs" / "slide.md", ROOT / answers.PAGE
TALK, YOUR_MODEL = ROOT / "docs" / "talk.md", ROOT / your_model.PAGE

SIDE_BY_SIDE = ("quickstart.yaml", "calculator", "three-operations-subtracted", "messages_text", "xml_yaml")
"""Suite, dataset, case and the two formats that the README shows."""

STEPS = {f"Router{n}": f"{n} tools" for n in (6, 20, 50, 100)}
"""What the README calls the variants of ``tools``."""


def ask(name: str) -> None:
    """Ask a suite's models anew and keep the answers."""
    run = phrasing.run(ROOT / "evals" / f"{name}.yaml", runs=ROOT / "runs", report=lambda result: print(result.trial, flush=True))
    recording.update_recording(run)


def rebuild(*, check: bool) -> list[Path]:
    """Make everything anew from the recorded answers, and say what was stale; with ``check``, only that."""
    stale, seen = [], []
    pages = {
        DATASETS: fill(DATASETS, counts.parts(ROOT)),
        SLIDE: fill(SLIDE, slide.parts(ROOT)),
        SCORERS: fill(SCORERS, answers.parts(ROOT)),
        YOUR_MODEL: fill(YOUR_MODEL, your_model.parts(ROOT)),
    }
    with tempfile.TemporaryDirectory() as runs:
        for name in run_folders.recorded(REFERENCE):
            folder = REFERENCE / name
            run = phrasing.run(ROOT / "evals" / f"{name}.yaml", runs=Path(runs), replay=folder)
            if run.unanswered:
                raise SystemExit(f"{folder}: {run.unanswered} requests have changed since; make reference asks anew")
            found = run.report()
            seen.append((run, found))
            if not _fresh(folder, run):
                stale.append(folder)
                if not check:
                    recording.update_recording(run, folder)
            pages |= _shown(name, run, found, pages)
        pages[REFERENCE / "README.md"] = index.page(seen)
        pages[TALK] = fill(TALK, talk.parts(ROOT, {run.record.suite: found for run, found in seen}))
    for path, page in pages.items():
        if not path.exists() or path.read_text("utf-8") != page:
            stale.append(path)
            if not check:
                write_text(path, [page])
    return stale


def _shown(suite: str, run: Run, found: Report, pages: Mapping[Path, str]) -> dict[Path, str]:
    """Fill the pages that show a run of this suite; ``pages`` are those that were filled before."""
    if suite == "quickstart":
        return {README: fill(README, side_by_side() | readme(run, found, {}), pages.get(README))}
    if suite == "difficulty":
        return {DATASETS: fill(DATASETS, {"difficulty": _table(found)}, pages[DATASETS])}
    if suite == "tools":
        return {
            STATISTICS: fill(STATISTICS, {"compare": _worked(found)}),
            README: fill(README, readme(run, found, STEPS), pages.get(README)),
        }
    return {}


def _fresh(folder: Path, run: Run) -> bool:
    """Whether a recording is what ``run``, a replay of it, would make: scores, digests, versions and reports of now."""
    try:
        before = store.read_run(folder)
    except StoreError:
        return False
    # the commit is the one before the recording was committed; times are those of the answers, which a replay copies
    same = {name: getattr(before, name) for name in ("commit", "started", "finished")}
    # a key that suites have got since, at its default, changes nothing
    before = before.model_copy(update={"resolved": Suite.model_validate(before.resolved).stored})
    made = recording.texts(run)
    pictures = [path for _, path in re.findall(r"^!\[(.*)\]\((charts/[^)]*)\)$", made["report.md"], re.M)]
    return (
        all((folder / path).exists() for path in pictures)
        and before == run.record.model_copy(update=same)
        and store.results(folder) == run.results
        and all((folder / name).exists() and (folder / name).read_text("utf-8") == text for name, text in made.items())
    )


def readme(run: Run, found: Report, shown: Mapping[str, str]) -> dict[str, str]:
    """Write the part of the README that shows a run: what is ``shown`` of its variants, by label, and what they come to."""
    contrasts = {one.variant: one for one in found.comparison.contrasts}
    head = ("", f"{found.variants[0]['n']} threads: right %", "points", "context tokens", "verdict")
    rows = []
    for row in found.variants:
        one = contrasts.get(row["variant"])
        right = f"{text.percent(row['step'])} ({text.percent(row['step_low'])}–{text.percent(row['step_high'])})"
        tokens = f"{text.number(row['prompt_tokens'])}" + (f" ×{row['prompt_ratio']:.2f}" if one else "")
        name = shown.get(found.label(row["variant"]), found.label(row["variant"]))
        rows.append((name, right, text.span(one) if one else "", tokens, one.verdict.word() if one else ""))
    return {run.record.suite: "\n".join(text.table(head, rows))}


def side_by_side() -> dict[str, str]:
    """Write a case in the two formats that the README shows."""
    file, dataset, case, *formats = SIDE_BY_SIDE
    plan = phrasing.resolve(phrasing.load_suite(ROOT / "evals" / file), Selection(formats=formats))
    return {format: f"```\n{_written(plan.render(dataset, case, format))}\n```" for format in formats}


def _table(found: Report) -> str:
    return "\n".join(written(columns.summary(found, found.label)))


WORKED = "DetermineNextStepRouter100,none,xml_yaml,prompted,qwen2.5-coder-0.5b"
"""The variant of ``tools`` that docs/statistics.md goes through."""


def _worked(found: Report) -> str:
    """Write the comparison of a run, and how one row of it comes about."""
    comparison = found.comparison
    one, others = comparison[WORKED], sorted(c.p for c in comparison.contrasts)
    assert one.found is not None
    rank = others.index(one.p)
    name, losses, wins = found.label(one.variant), one.found.losses, one.found.wins
    sentences = (
        f"Take {name}: it loses {losses} cases to the baseline and wins {wins}. Weigh these conversations at random, and with",
        f"them one that nobody has seen and that it wins whole: {_share(one.p / 2)} of all weightings make it no worse than the",
        f"baseline. Twice that, for a difference in either direction, is p = {one.p:.4f}.",
        f"{len(others)} comparisons were made, and {rank} of them {'has' if rank == 1 else 'have'} a smaller p,",
        f"so Holm's correction multiplies by {len(others) - rank}: {one.corrected:.4f}.",
        f"That {'is' if one.corrected < 0.05 else 'is not'} below 0.05: *{text.conclusion(one, comparison.settings)}*.",
        f"The interval, {text.span(one, 'points')}, is of this pair alone and not corrected.",
    )
    return "\n".join([*written(columns.comparison(comparison, found.label)), "", " ".join(sentences)])


def _share(p: float) -> str:
    return f"{100 * p:.2g} %"


def _written(rendering: object) -> str:
    if isinstance(rendering, str):
        return rendering
    assert isinstance(rendering, list)
    return "\n".join(f"{message['role']}: {message['content']}" for message in rendering)


def main(arguments: list[str]) -> int:
    if "--ask" in arguments:
        for name in arguments[arguments.index("--ask") + 1 :]:
            ask(name)
    check = "--check" in arguments
    stale = rebuild(check=check)
    for path in stale:
        print(f"{'stale' if check else 'wrote'}: {path.relative_to(ROOT)}")
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
