"""Rewrites: what a file in ``prompts/`` says of a function. ``docs/prompts.md`` explains every key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue, field_validator, model_validator

from phrasing.errors import SuiteError, unknown
from phrasing.suite.file import load_yaml, where_in
from phrasing.suite.functions import NAME
from phrasing.types import Record, digest

FOLDER = "prompts"
"""Where the rewrites of a project are."""

ALL = "*"
"""Stands for all steps of a function."""


class Replaced(Record):
    """A ``text`` of a prompt, and what stands in its place."""

    text: str
    by: str

    @field_validator("text")
    @classmethod
    def _not_blank(cls, value: str) -> str:
        if not value.strip():
            raise ValueError(f"wanted a text with a word in it, got {value!r}")
        return value


class StepOrder(Record):
    """In which order steps are shown: as ``order`` names them, ``...`` for the others, or drawn by the seed ``shuffle``."""

    order: tuple[str, ...] = ()
    shuffle: int | None = None


class Rewrite(Record):
    """What a rewrite changes of a function.

    ``template_strings`` are texts by name; ``arguments`` are values of parameters; ``replace`` are texts in the function's
    prompt; ``steps`` is the order of steps. ``fields`` are orders of fields, by class; under ``ALL``, which a list alone means,
    that of all steps. ``...`` stands for the fields that aren't named. ``descriptions`` are those of ``Class``, ``Class.field``,
    ``Enum`` and ``Enum.Value``; ``None`` takes one away.
    """

    template_strings: dict[str, str] = {}
    arguments: dict[str, JsonValue] = {}
    replace: tuple[Replaced, ...] = ()
    steps: StepOrder | None = None
    fields: dict[str, tuple[str, ...]] = {}
    descriptions: dict[str, str | None] = {}

    @field_validator("steps", mode="before")
    @classmethod
    def _ordered(cls, value: object) -> object:
        if isinstance(value, list) and value:
            for name in value:
                if value.count(name) > 1:
                    raise ValueError(f"{name!r} is named twice")
            return {"order": value}
        if isinstance(value, dict) and [*value] == ["shuffle"]:
            return value
        raise ValueError(f"wanted a list of steps, or a seed such as {{shuffle: 1}}, got {value!r}")

    @field_validator("fields", mode="before")
    @classmethod
    def _of_all(cls, value: object) -> object:
        if not isinstance(value, list | dict):
            raise ValueError(f"wanted a list of fields, or one for each class, got {value!r}")
        return {ALL: value} if isinstance(value, list) else value

    @field_validator("fields")
    @classmethod
    def _once(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for names in value.values():
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"{name!r} is named twice")
            if not names:
                raise ValueError("wanted at least one")
        return value

    @field_validator("descriptions")
    @classmethod
    def _said(cls, value: dict[str, str | None]) -> dict[str, str | None]:
        for name, text in value.items():
            if text is not None and not text.strip():
                raise ValueError(f"{name} is {text!r}; wanted a text, or null for no description")
        return value

    @model_validator(mode="after")
    def _something(self) -> Rewrite:
        if not any(getattr(self, name) for name in type(self).model_fields):
            raise ValueError(f"changes nothing; it may say: {', '.join(type(self).model_fields)}")
        return self


@dataclass(frozen=True)
class RewriteFile:
    """A rewrite with the file it came from, and that file's digest."""

    name: str
    path: Path
    text: str
    rewrite: Rewrite

    @property
    def shown(self) -> str:
        """The file as its project names it."""
        return f"{FOLDER}/{self.path.name}"

    @property
    def digest(self) -> str:
        """SHA-256 of the file's text."""
        return digest(self.text)

    def error(self, message: object, *keys: str | int) -> SuiteError:
        """Make the error that names a key of the file, with its line."""
        named = f"{'.'.join(map(str, keys))}: " if keys else ""
        return SuiteError(f"{named}{message}", where=where_in(self.path, self.text, keys) if keys else str(self.path))


def available(root: Path) -> dict[str, Path]:
    """Map the names of a project's rewrites to their files, sorted.

    A file that begins with ``_``, or whose name holds anything but letters, digits, ``_`` and ``-``, is no rewrite.
    """
    return {path.stem: path for path in sorted((root / FOLDER).glob("*.yaml")) if NAME.fullmatch(path.stem)}


def load(root: Path, name: str) -> RewriteFile:
    """Load a rewrite of a project. Raises ``ValueError`` where there is none, ``SuiteError`` where its file is wrong."""
    known = available(root)
    if name not in known:
        hint = "" if known else f"; write {FOLDER}/{name}.yaml"
        raise ValueError(unknown("rewrite", name, known) + hint)
    rewrite, text = load_yaml(known[name], Rewrite, f"is empty; it may say: {', '.join(Rewrite.model_fields)}")
    return RewriteFile(name, known[name], text, rewrite)
