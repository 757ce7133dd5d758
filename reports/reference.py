"""Rebuild what is made of the recorded answers: the reports in reports/reference, and the marked parts of the README.

``python reports/reference.py`` rebuilds by replay, ``--ask SUITE…`` asks the models of these suites first, ``--check`` only says
what is stale (exit code 1).
A test runs the check, so a report or a figure in the README can't drift from the answers it was made of.
"""

from __future__ import annotations

import gzip
import re
import sys
import tempfile
from pathlib import Path

import phrasing
from phrasing import report, store
from phrasing.api import Run

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "reports" / "reference"
SUITES = ("quickstart", "difficulty")

SIDE_BY_SIDE = ("quickstart.yaml", "calculator", "three-operations-subtracted", "messages_text", "xml_yaml")
"""Suite, dataset, case and the two formats that the README shows."""


def ask(name: str) -> None:
    """Ask a suite's models anew and keep the answers."""
    run = phrasing.run(ROOT / "evals" / f"{name}.yaml", runs=ROOT / "runs", report=lambda result: print(result.trial, flush=True))
    assert run.outcome is not None
    if run.outcome.errors or run.outcome.unasked:
        raise SystemExit(f"{name}: {run.outcome}")
    keep(name, run)


def keep(name: str, run: Run) -> None:
    """Keep a run's answers as the recorded ones, sorted, so that equal answers give equal bytes."""
    lines = [store.line(result) + "\n" for _, result in sorted(run.results.items())]
    folder = REFERENCE / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "results.jsonl.gz").open("wb") as file, gzip.GzipFile("", "wb", mtime=0, fileobj=file) as packed:
        packed.writelines(line.encode() for line in lines)


def rebuild() -> dict[Path, str]:
    """Make every file anew from the recorded answers: path to text."""
    made = {}
    with tempfile.TemporaryDirectory() as runs:
        for name in SUITES:
            recorded = REFERENCE / name / "results.jsonl.gz"
            run = phrasing.run(ROOT / "evals" / f"{name}.yaml", runs=Path(runs), replay=recorded)
            assert run.outcome is not None
            if run.outcome.errors:
                raise SystemExit(f"{recorded}: {run.outcome.errors} requests have changed since; make reference asks anew")
            made[REFERENCE / name / "report.md"] = report.markdown(run.report())
            made[REFERENCE / name / "trials.csv"] = run.trials().to_csv(index=False, lineterminator="\n")
            if name == "quickstart":
                made[ROOT / "README.md"] = readme((ROOT / "README.md").read_text("utf-8"), run)
            if name == "difficulty":
                page = ROOT / "datasets" / "README.md"
                made[page] = _between(page.read_text("utf-8"), "difficulty", _table(run.report()), where="datasets/README.md")
    return made


def readme(text: str, run: Run) -> str:
    """Fill the marked parts of the README."""
    found = run.report()
    minutes = run.trials()["latency"].sum() / 60
    asked = f"{len(run.results)} answers took the model {minutes:.1f} minutes on 2 cores."
    text = _between(text, "table", f"{_table(found)}\n\nAll arms: {found.common}.\n\n{report.answer(found)} {asked}")
    suite, dataset, case, *formats = SIDE_BY_SIDE
    plan = phrasing.resolve(phrasing.load_suite(ROOT / "evals" / suite), formats=formats)
    for format in formats:
        text = _between(text, format, f"```\n{_written(plan.render(dataset, case, format))}\n```")
    return text


def _table(found: report.Report) -> str:
    rows = [(found.label(row["arm"]), *report.cells(row)) for row in found.arms]
    return "\n".join(report.table(("arm", *report.HEADERS), rows))


def _written(rendering: object) -> str:
    if isinstance(rendering, str):
        return rendering
    assert isinstance(rendering, list)
    return "\n".join(f"{message['role']}: {message['content']}" for message in rendering)


def _between(text: str, name: str, content: str, *, where: str = "README.md") -> str:
    """Replace what stands between the marks of a part."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if text.count(start) != 1 or text.count(end) != 1:
        raise SystemExit(f"{where}: the marks {start} and {end} must stand once each")
    return re.sub(f"{start}.*{end}", lambda match: f"{start}\n{content}\n{end}", text, flags=re.DOTALL)


def main(arguments: list[str]) -> int:
    if "--ask" in arguments:
        for name in arguments[arguments.index("--ask") + 1 :]:
            ask(name)
    stale = 0
    for path, text in rebuild().items():
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale += 1
        print(f"{'stale' if '--check' in arguments else 'wrote'}: {path.relative_to(ROOT)}")
        if "--check" not in arguments:
            store.replace(path, [text])
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
