"""Write a run as the recording of its suite: what was answered, and the report made of it."""

from __future__ import annotations

from pathlib import Path

from phrasing.analysis.locate import suite_above
from phrasing.analysis.run import Run
from phrasing.errors import StoreError
from phrasing.files import write_text
from phrasing.report import markdown, pictures
from phrasing.runs import store

PICTURES = "charts"
"""The folder of a recording's pictures."""


def update_recording(found: Run, folder: Path | None = None) -> Path:
    """Write a run as the recording of its suite, with its report as Markdown and CSV; give its folder.

    The default is ``reports/reference/<suite>`` of the project the run stands in. ``started`` and ``finished`` of a recording are
    the first and the last time at which something was asked, so that a replay recorded again gives equal bytes.
    Raises ``StoreError`` for a run that isn't the whole suite as it is written now, or has trials without an answer.
    """
    record, results = found.record, found.results
    read = suite_above(folder or found.folder, record.suite)
    reasons = {
        f"only a part of the suite was asked ({record.part})": record.part,
        f"{found.unanswered} of {record.trials} trials have no answer": found.unanswered,
        f"it has {len(results)} results for {record.trials} trials": len(results) != record.trials,
        f"evals/{record.suite}.yaml isn't the suite that was asked any more; replay it, and record that": found.suite
        != read.suite,
    }
    for reason, holds in reasons.items():
        if holds:
            raise StoreError(f"can't be the recording of {record.suite!r}: {reason}", where=str(found.folder))
    folder = folder or read.root / store.RECORDINGS / record.suite
    asked = [result.at for result in results.values()]
    kept = record.model_copy(update={"started": min(asked), "finished": max(asked)})
    store.write_recording(folder, kept, results.values())
    write_text(folder / "report.md", [recorded_report(found)])
    pictures.tidy(folder / PICTURES, pictures.draw(found.report(), found.figures(), folder / PICTURES))
    write_text(folder / "trials.csv", [found.trials().to_csv(index=False, lineterminator="\n")])
    return folder


def recorded_report(found: Run) -> str:
    """Write the Markdown that a recording keeps, which shows the pictures beside it."""
    made = found.report()
    return markdown.markdown(made, pictures.named(made, found.figures(), PICTURES))
