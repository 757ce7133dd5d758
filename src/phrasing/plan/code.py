"""The Python of a project that a suite runs: named, without running any of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from phrasing import trust
from phrasing.prompts import edits, formats, notations
from phrasing.rollout import control as controls
from phrasing.rollout import environment as environments
from phrasing.suite.file import SuiteFile
from phrasing.suite.outputs import notations_of
from phrasing.suite.schema import Suite


def foreign(file: SuiteFile, suite: Suite) -> list[Path]:
    """List the files of Python that a suite runs and that don't ship with the package, each once."""
    named = dict.fromkeys(path for path in _named(file, suite) if path.suffix == ".py" and path.is_file())
    return [path for path in named if not trust.ships(path.read_bytes())]


def _named(file: SuiteFile, suite: Suite) -> Iterator[Path]:
    """Give the files that a suite names, of whatever kind. What isn't there, or is named wrongly, is told where it is loaded."""
    for folder, names, available in (
        (file.root / "formats", suite.formats, formats.available),
        (file.root / edits.FOLDER, suite.edits, edits.available),
        (
            file.root / environments.FOLDER,
            [agent.environment for agent in suite.agents if agent.environment],
            environments.available,
        ),
        (file.root / controls.FOLDER, suite.control, controls.available),
        (file.root, [name for output in suite.outputs for name in notations_of(output)], notations.available),
    ):
        there = available(folder) if folder.is_dir() else {}
        yield from (there[name] for name in (written.partition("(")[0] for written in names) if name in there)
    yield from (file.root / entry.rpartition(":")[0] for entry in suite.scorers)


def text(file: SuiteFile) -> str:
    """Say which Python of its project a suite runs; nothing, where that is none."""
    found = foreign(file, file.suite)
    return f"{file.path} runs Python of this project: {', '.join(map(str, found))}" if found else ""
