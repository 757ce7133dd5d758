"""What a recording keeps of a run: its results, its report as Markdown with pictures, and a row a trial as CSV."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from phrasing.analysis import dataframes
from phrasing.analysis.locate import suite_above
from phrasing.analysis.run import Run
from phrasing.errors import StoreError
from phrasing.files import write_text
from phrasing.report.charts.run import draw, pictures, tidy
from phrasing.report.markdown import markdown
from phrasing.runs import run_folders, store
from phrasing.suite.schema import Suite

PICTURES = "charts"
"""The folder of a recording's pictures."""


def update_recording(found: Run, folder: Path | None = None) -> Path:
    """Write a run as the recording of its suite, with its report as Markdown and CSV; give its folder.

    The default is ``reports/reference/<suite>`` of the project the run stands in. Raises ``StoreError`` for a run that isn't the
    whole suite as it is written now, or has trials without an answer.
    """
    read = suite_above(folder or found.folder, found.record.suite)
    _check(found, read.suite)
    folder = folder or read.root / run_folders.RECORDINGS / found.record.suite
    _write(found, folder)
    return folder


def record(found: Run, folder: Path) -> None:
    """Write a run as a recording into a folder of its own, whatever models and parameters its suite was asked with.

    Raises ``StoreError`` for a run that isn't whole, and for a folder with other files in it.
    """
    _check(found, found.suite)
    if folder.exists() and not run_folders.is_recording(folder) and any(folder.iterdir()):
        raise StoreError("holds other files; name a new folder", where=str(folder))
    _write(found, folder)


def _check(found: Run, suite: Suite) -> None:
    """Raise ``StoreError`` for a run that isn't the whole of ``suite``, or has trials without an answer."""
    record, results = found.record, found.results
    reasons = {
        f"only a part of the suite was asked ({record.part})": record.part,
        f"{found.unanswered} of {record.trials} trials have no answer": found.unanswered,
        f"it has {len(results)} results for {record.trials} trials": len(results) != record.trials,
        f"evals/{record.suite}.yaml isn't the suite that was asked any more; replay it, and record that": found.suite != suite,
    }
    for reason, holds in reasons.items():
        if holds:
            raise StoreError(f"can't be the recording of {record.suite!r}: {reason}", where=str(found.folder))


def _write(found: Run, folder: Path) -> None:
    """Write all that a recording keeps.

    Its ``started`` and ``finished`` are the first and the last time at which something was asked, so that a replay recorded again
    gives equal bytes.
    """
    asked = [result.at for result in found.results.values()]
    kept = found.record.model_copy(update={"started": min(asked), "finished": max(asked)})
    steps = found.steps.values() if found.record.loops else ()
    store.write_recording(folder, kept, chain(found.results.values(), steps))
    for name, text in texts(found).items():
        write_text(folder / name, [text])
    tidy(folder / PICTURES, draw(found.report(), found.figures(), folder / PICTURES))


def texts(found: Run) -> dict[str, str]:
    """Write the files that are made of a recording's results: the report, which shows the pictures beside it, and the trials."""
    return {
        "report.md": recorded_report(found),
        "trials.csv": dataframes.csv(found.trials()),
    }


def recorded_report(found: Run) -> str:
    """Write the Markdown that a recording keeps, which shows the pictures beside it."""
    made = found.report()
    return markdown(made, pictures(made, found.figures(), PICTURES))
