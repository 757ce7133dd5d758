"""What a function takes: its thread, its examples, and arguments that a suite fixes."""

from __future__ import annotations

import ast
import json
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from pydantic import JsonValue, TypeAdapter, ValidationError

from phrasing.baml import generated
from phrasing.errors import BamlError, shorten

THREAD, EXAMPLES = "thread", "examples"

_MEDIA = frozenset({"image", "audio", "pdf", "video"})
_SINGLE = frozenset({"str", "int", "float", "bool", "NoneType", "Any", "Literal"})


@dataclass(frozen=True)
class Parameter:
    """One parameter. ``kind``: its type as BAML writes it; ``fixed``: a suite may give its value; ``optional``: or it is null.

    ``choices`` are the values of enums.
    """

    name: str
    kind: str
    text: bool
    fixed: bool
    optional: bool
    choices: tuple[str, ...] = field(repr=False)
    type: Any = field(repr=False)

    def check(self, value: JsonValue) -> None:
        """Raise ``ValueError`` where a value isn't of the parameter's type, or is one that no suite can give."""
        if not self.fixed and value is not None:
            raise ValueError(f"{self.kind} can't be given, only single values and lists of them; without a value it is null")
        try:
            TypeAdapter(self.type).validate_json(json.dumps(value), strict=True)
        except ValidationError:
            choices = f" ({', '.join(self.choices)})" if self.choices else ""
            raise ValueError(f"wanted {self.kind}{choices}, got {shorten(json.dumps(value, ensure_ascii=False), 80)}") from None


def parameters(found: Mapping[str, ast.expr], own: ModuleType) -> dict[str, Parameter]:
    """Read a function's parameters off its signature. Raises ``BamlError``, with what to change, where no suite can fill them."""
    made = {name: _parameter(name, annotation, own) for name, annotation in found.items()}
    if THREAD in made and not made[THREAD].text:
        raise BamlError(
            f"takes thread: {made[THREAD].kind}, so its prompt writes the thread itself, which is for formats to do; "
            "declare thread: string, and write {{ thread }} where it stands in the prompt"
        )
    for each in made.values():
        if not each.fixed and not each.optional:
            why = (
                "no suite can give media"
                if each.kind in _MEDIA
                else "a prompt writes classes and maps in another order each time"
            )
            raise BamlError(
                f"takes {each.name}: {each.kind}; {why}. If it is the thread, declare thread: string and write {{{{ thread }}}}; "
                "else declare single values for what the prompt shows of it, or make it optional"
            )
    if not any(each.text for each in made.values()):
        raise BamlError(
            f"takes ({_listed(made.values())}), none of which is a string that can be the thread; declare thread: string"
        )
    return made


def _parameter(name: str, annotation: ast.expr, own: ModuleType) -> Parameter:
    kinds = [generated.type_name(member) for member in generated.union_members(annotation)]
    fixed = _fixed(annotation, own)
    return Parameter(
        name=name,
        kind=generated.spelled(annotation),
        text="str" in kinds and set(kinds) <= {"str", "NoneType"},
        fixed=fixed,
        optional="NoneType" in kinds or "Any" in kinds,
        choices=tuple(_choices(annotation, own)),
        type=_type(annotation, own) if fixed else None,
    )


def _fixed(annotation: ast.expr, own: ModuleType) -> bool:
    """Whether a type is a single value, or a list of such: Jinja writes those the same every time."""
    for member in generated.union_members(annotation):
        name = generated.type_name(member)
        if name == "List":
            if not _fixed(generated.type_arguments(member)[0], own):
                return False
        elif name not in _SINGLE and not generated.is_enum_type(getattr(own, name, None)):
            return False
    return True


def _choices(annotation: ast.expr, own: ModuleType) -> Iterator[str]:
    for member in generated.union_members(annotation):
        kind = getattr(own, generated.type_name(member), None)
        if generated.type_name(member) == "List":
            yield from _choices(generated.type_arguments(member)[0], own)
        elif generated.is_enum_type(kind):
            yield from kind.__members__


def _type(annotation: ast.expr, own: ModuleType) -> Any:
    """Make a type of an annotation that BAML wrote over its own types."""
    text = ast.unparse(annotation).replace("'types.", "'")
    namespace = {"typing": typing, "typing_extensions": typing, "types": own}
    return None if text == "typing.Any" else eval(text, {**vars(own), **namespace})


@dataclass(frozen=True)
class Filling:
    """What fills a function's parameters: the names of the thread's, and the values that are fixed."""

    thread: str
    takes_examples: bool
    given: Mapping[str, JsonValue] = field(default_factory=dict)

    def values(self, thread: str, examples: str) -> dict[str, JsonValue]:
        """Give a value to each parameter."""
        return {**self.given, self.thread: thread, **({EXAMPLES: examples} if self.takes_examples else {})}


def fill(declared: Mapping[str, Parameter], thread: str | None, given: Mapping[str, JsonValue]) -> Filling:
    """Decide what fills each parameter: ``thread`` names that of the thread, ``given`` has values for others.

    Left out, the thread is the parameter ``thread``, or the only string without a value. Optional ones without a value are null.
    What isn't a parameter here is left alone: it may be one of another function's. Raises ``BamlError`` where something lacks.
    """
    mine = {name: value for name, value in given.items() if name in declared}
    texts = [name for name, each in declared.items() if each.text and name not in mine]
    chosen = _thread(declared, thread, texts)
    takes_examples = EXAMPLES in texts and chosen != EXAMPLES
    filled = {chosen, EXAMPLES} if takes_examples else {chosen}
    rest = [name for name in declared if name not in filled]
    lacking = [declared[name] for name in rest if name not in mine and not declared[name].optional]
    if lacking:
        raise BamlError(f"needs values for {_listed(lacking)}; give them as arguments: {{{lacking[0].name}: …}}")
    return Filling(chosen, takes_examples, {name: mine.get(name) for name in rest})


def _thread(declared: Mapping[str, Parameter], wanted: str | None, texts: Sequence[str]) -> str:
    """Choose the thread's parameter among ``texts``, the strings without a value."""
    if wanted is not None and wanted in declared:
        chosen = wanted
    elif THREAD in texts:
        return THREAD
    else:
        chosen = _only_text(declared, texts)
    if chosen not in texts:
        left = ", ".join(texts) or "none"
        raise BamlError(f"takes {chosen}: {declared[chosen].kind}, which can't be the thread; strings without a value: {left}")
    return chosen


def _only_text(declared: Mapping[str, Parameter], texts: Sequence[str]) -> str:
    """Give the one string without a value, leaving examples and optional ones aside where there are others."""
    free = [name for name in texts if name != EXAMPLES and not declared[name].optional] or texts
    if len(free) != 1:
        raise BamlError(
            f"takes {_listed(declared.values())}; say which is the thread "
            f"(thread: NAME), and the values of the others (arguments); strings without a value: {', '.join(free) or 'none'}"
        )
    return free[0]


def _listed(parameters: Iterable[Parameter]) -> str:
    return ", ".join(f"{each.name}: {each.kind}" for each in parameters)
