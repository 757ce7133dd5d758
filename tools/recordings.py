"""Hold recordings of other models, ``reports/recordings/<model>/<suite>``, against the suites as they are: ``[FOLDER…]``.

Each is replayed, so that every request is composed again and every answer scored again. Says of each what is wrong with it; the
exit code is 1 if anything is. A test runs it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import phrasing
from phrasing.analysis.locate import suite_above
from phrasing.errors import UserError
from phrasing.plan.resolve import resolve
from phrasing.runs import run_folders, store

ROOT = Path(__file__).parent.parent
RECORDINGS = ROOT / "reports" / "recordings"

OTHERWISE = {"models", "params"}
"""What of a suite a recording of another model may have otherwise."""


def problems(folder: Path) -> Iterator[str]:
    """Say what is wrong with a recording."""
    kept = phrasing.load(folder)
    file = suite_above(folder, kept.record.suite)
    for name in sorted(kept.suite.model_fields_set | file.suite.model_fields_set):
        if name not in OTHERWISE and getattr(kept.suite, name) != getattr(file.suite, name):
            yield f"evals/{kept.record.suite}.yaml has other {name}"
    if kept.record.part:
        yield f"only a part of the suite was asked ({kept.record.part})"
    with tempfile.TemporaryDirectory() as runs:
        run = phrasing.run(resolve(file, asked=kept.suite), runs=Path(runs), replay=folder)
        if run.unanswered:
            yield f"{run.unanswered} of {run.record.trials} trials have no answer to the request of now"
        else:
            differ = sum(run.results[trial] != result for trial, result in store.results(folder).items())
            if differ:
                yield f"{differ} of its answers score otherwise now; replay it with --record"


def main(arguments: list[str]) -> int:
    """Print a line a recording."""
    folders = [Path(each) for each in arguments] or [RECORDINGS / name for name in run_folders.recorded(RECORDINGS)]
    wrong = 0
    for folder in folders:
        try:
            found = list(problems(folder))
        except UserError as error:
            found = [str(error)]
        print(f"{folder}: {'; '.join(found) or 'good'}")
        wrong += bool(found)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
