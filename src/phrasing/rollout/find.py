"""Find an environment by the name that a suite gives: a file of the project's, or else a package that is known."""

from __future__ import annotations

from pathlib import Path

from phrasing.errors import unknown
from phrasing.rollout import environment, packaged
from phrasing.rollout.environment import Environment


def find(project: Path, name: str) -> Environment:
    """Load an environment. Raises ``ValueError`` for one that isn't here, ``UserError`` where its file is wrong."""
    files = environment.available(project / environment.FOLDER)
    if name in files:
        return environment.load(project, name)
    if name not in packaged.KNOWN:
        raise ValueError(unknown("environment", name, [*files, *packaged.KNOWN]))
    if not packaged.is_there(packaged.KNOWN[name]):
        raise ValueError(f"environment {name!r} isn't here yet; run: phrasing environments add {name}")
    return packaged.load(name)
