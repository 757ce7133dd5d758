"""Whether single steps predict runs: the same changes, paired by what they change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import phrasing
from phrasing import cli
from phrasing.analysis import steps_and_runs
from phrasing.analysis.run import Run
from phrasing.errors import StoreError
from phrasing.types import Completion, Request
from support.mailbox import TASKS, lines_of, mailbox, right, says
from support.tiny_runs import cache, case, obey, world

__all__ = ["cache"]

FORMATS = ["lines", "tags"]


def broken(format: str, ask: Callable[[Request], Awaitable[Completion]]) -> Callable[[Request], Awaitable[Completion]]:
    """Make a model that only gives up where a thread is written in a format."""

    async def complete(request: Request) -> Completion:
        tagged = "</" in str(request.messages)
        return says(("finish", {})) if tagged == (format == "tags") else await ask(request)

    return complete


async def works(request: Request) -> Completion:
    lines = lines_of(request)
    if "</" in str(request.messages):
        kinds = [line.strip("<>/") for line in lines if line.startswith("</")]
        said = [line for line in lines if not line.startswith("<")]
        lines = [f"{kind} {text}" for kind, text in zip(kinds, said, strict=False)]
    return says(right(lines))


def both(root: Path, monkeypatch: pytest.MonkeyPatch, *, worse_in_steps: str) -> tuple[Run, Run]:
    """Run the mail agent in the mailbox, where it gives up on tags, and ask it for single steps, where it gives up on a
    format."""
    monkeypatch.setenv("PHRASING_TRUST", "1")
    cases = [case(f"c-{number}", reply="ask", expect="ask") for number in range(12)]
    tasks = [{**task, "id": f"{task['id']}-{number}"} for number in range(4) for task in TASKS]
    runs = phrasing.run(mailbox(root, tasks=tasks, formats=FORMATS), complete=broken("tags", works))
    steps = phrasing.run(world(root, cases=cases, formats=FORMATS), complete=broken(worse_in_steps, obey))
    return runs, steps


@pytest.mark.parametrize(("worse", "sign"), [("tags", "same"), ("lines", "opposite")])
def test_changes_are_paired_and_their_signs_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worse: str, sign: str
) -> None:
    runs, steps = both(tmp_path, monkeypatch, worse_in_steps=worse)
    found = steps_and_runs.compare(runs, steps)
    (change,) = found.changes
    assert (change.sign, change.decided) == (sign, True)
    assert change.runs.difference == -1
    assert change.steps.difference == (-1 if worse == "tags" else 1)
    assert (found.variants, found.correlation) == (2, None)
    told = CliRunner().invoke(cli.main, ["compare", str(runs.folder), str(steps.folder)], catch_exceptions=False)
    other = CliRunner().invoke(cli.main, ["compare", str(steps.folder), str(runs.folder)], catch_exceptions=False)
    assert told.exit_code == 0
    assert told.output == other.output
    said = " ".join(told.output.split())
    ways = {"same": "1 of 1; the other way: 0.", "opposite": "0 of 1; the other way: 1."}
    assert f"Changes that go the same way by single steps and by runs: {ways[sign]}" in said
    assert "2 variants are too few, or too alike, for a correlation of their scores (12 at least)" in said


def test_runs_without_a_common_change_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHRASING_TRUST", "1")
    runs = phrasing.run(mailbox(tmp_path, formats=FORMATS), complete=works)
    steps = phrasing.run(world(tmp_path, formats=["lines"]), complete=obey)
    with pytest.raises(StoreError, match="was measured by single steps too; there are: none"):
        steps_and_runs.compare(runs, steps)
