"""What part of a suite is asked: the eight options that narrow it, from a notebook or the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from phrasing.errors import SuiteError, shorten
from phrasing.suite import outputs
from phrasing.suite.schema import Suite


@dataclass(frozen=True, slots=True)
class Selection:
    """What part of a suite is asked; without options, all of it.

    ``models``, ``formats``, ``edits`` and ``outputs`` are asked instead of the suite's, and ``repeats`` times each. ``cases`` is
    how many cases, sampled by the suite's seed; ``select`` an expression over the ids and tags of trials; ``shard`` (``2/5``) the
    share of what is left.
    """

    models: Sequence[str] = ()
    formats: Sequence[str] = ()
    edits: Sequence[str] = ()
    outputs: Sequence[str] = ()
    select: str | None = None
    cases: int | None = None
    repeats: int | None = None
    shard: str | None = None

    def __post_init__(self) -> None:
        for name in ("models", "formats", "edits", "outputs"):  # so that lists are taken too, and equal selections are equal
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def words(self) -> list[str]:
        """The options as the command line writes them, each before its value."""
        several = (("-m", self.models), ("-f", self.formats), ("-e", self.edits), ("-o", self.outputs))
        single = (("-k", self.select), ("-n", self.cases), ("--repeats", self.repeats), ("--shard", self.shard))
        words = [word for flag, values in several for value in values for word in (flag, value)]
        return words + [word for flag, value in single if value is not None for word in (flag, str(value))]


WHOLE = Selection()
"""All of a suite."""


def override(suite: Suite, selection: Selection) -> Suite:
    """Put the models, formats, edits, output modes and repeats of a selection in place of the suite's. Raises ``SuiteError``."""
    for name in selection.outputs:
        try:
            outputs.check(name)
        except ValueError as error:
            raise SuiteError(str(error), where="--output") from None
    changes: dict[str, object] = {}
    if selection.models:
        known = {model.label: model for model in suite.models} | {model.id: model for model in suite.models}
        changes["models"] = [known.get(name) or {"id": name} for name in dict.fromkeys(selection.models)]
    for axis in ("formats", "edits", "outputs"):
        if chosen := getattr(selection, axis):
            changes[axis] = list(dict.fromkeys(chosen))
    if selection.repeats is not None:
        changes["repeats"] = selection.repeats
    try:
        return Suite.model_validate({**dict(suite), **changes}) if changes else suite
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        keys = ".".join(map(str, first["loc"])) or "models"
        raise SuiteError(f"{keys}: {first['msg']}, got {shorten(repr(first['input']), 80)}", where="command line") from None
