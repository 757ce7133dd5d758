"""Words of a suite that have changed: the old ones are understood, and ``check`` says what they are called now.

What a run stores keeps the words it always had, so that recordings stay what they are: a suite in memory names scores as they are
stored, whichever word its file uses.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from phrasing import scores

KEYS = {"undecided": "inconclusive", "observed": "logged"}
"""Keys of a suite by their old words; ``observed`` is also what a case's ``strength`` was called."""


def stored_scores(suite: Mapping[str, Any]) -> dict[str, Any]:
    """Name the scores in ``compare`` and ``require`` as they are stored. A suite's own scorer keeps its name."""
    own = _own(suite.get("scorers"))
    changed = dict(suite)
    compare, require = suite.get("compare"), suite.get("require")
    if isinstance(compare, Mapping):
        changed["compare"] = stored_score(compare, own)
    if isinstance(require, list):
        changed["require"] = [stored_score(gate, own) if isinstance(gate, Mapping) else gate for gate in require]
    return changed


def stored_score(entry: Mapping[str, Any], own: Collection[str] = ()) -> dict[str, Any]:
    """Name the score of one entry as it is stored."""
    name = entry.get("score")
    return {**entry, "score": scores.stored(name)} if isinstance(name, str) and name not in own else dict(entry)


def renamed(old: str, new: str) -> str:
    """Say that a word is another now."""
    return f"`{old}` is now called `{new}`"


def _own(entries: object) -> set[str]:
    listed = entries if isinstance(entries, list | tuple) else ()
    return {entry.rpartition(":")[2] for entry in listed if isinstance(entry, str)}
