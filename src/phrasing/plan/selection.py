"""What part of a suite is asked: the nine options that narrow it, from a notebook or the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue, ValidationError

from phrasing.errors import SuiteError, shorten
from phrasing.suite import outputs
from phrasing.suite.schema import Suite
from phrasing.types import canonical_json


@dataclass(frozen=True, slots=True)
class Selection:
    """What part of a suite is asked; without options, all of it.

    ``models``, ``formats``, ``edits`` and ``outputs`` are asked instead of the suite's, and ``repeats`` times each. ``cases`` is
    how many cases, sampled by the suite's seed; ``select`` an expression over the ids and tags of trials; ``shard`` (``2/5``) the
    share of what is left. ``params`` are sent instead of the suite's and its models' own of these names; ``None`` leaves one out.
    """

    models: Sequence[str] = ()
    formats: Sequence[str] = ()
    edits: Sequence[str] = ()
    outputs: Sequence[str] = ()
    select: str | None = None
    cases: int | None = None
    repeats: int | None = None
    shard: str | None = None
    params: Mapping[str, JsonValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("models", "formats", "edits", "outputs"):  # so that lists are taken too, and equal selections are equal
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def words(self) -> list[str]:
        """The options as the command line writes them, each before its value."""
        several = (("-m", self.models), ("-f", self.formats), ("-e", self.edits), ("-o", self.outputs))
        single = (("-k", self.select), ("-n", self.cases), ("--repeats", self.repeats), ("--shard", self.shard))
        words = [word for flag, values in several for value in values for word in (flag, value)]
        words += [word for name, value in self.params.items() for word in ("-p", f"{name}={canonical_json(value)}")]
        return words + [word for flag, value in single if value is not None for word in (flag, str(value))]


WHOLE = Selection()
"""All of a suite."""


def override(suite: Suite, selection: Selection) -> Suite:
    """Put the models, formats, edits, output modes, repeats and parameters of a selection in place of the suite's.

    Raises ``SuiteError``.
    """
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
        made = Suite.model_validate({**dict(suite), **changes}) if changes else suite
        return _with_params(made, selection.params) if selection.params else made
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        keys = ".".join(map(str, first["loc"])) or "models"
        raise SuiteError(f"{keys}: {first['msg']}, got {shorten(repr(first['input']), 80)}", where="command line") from None


def _with_params(suite: Suite, given: Mapping[str, JsonValue]) -> Suite:
    models = [
        model.model_copy(update={"params": {name: value for name, value in model.params.items() if name not in given}})
        for model in suite.models
    ]
    return Suite.model_validate({**dict(suite), "params": {**suite.params, **given}, "models": models})
