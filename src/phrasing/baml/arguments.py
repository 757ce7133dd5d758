"""What a function takes: its thread, its examples, and arguments that a suite fixes."""

from __future__ import annotations

import ast
import json
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError

from phrasing.baml import generated
from phrasing.errors import BamlError, shorten, unknown
from phrasing.types import Message

THREAD, EXAMPLES = "thread", "examples"

_SINGLE = frozenset({"str", "int", "float", "bool", "NoneType", "Any", "Literal"})
_SPEAKERS = {
    "user": ("user", "human"),
    "assistant": ("assistant", "ai", "agent", "bot", "model"),
    "system": ("system", "developer"),
}
"""What classes of messages call the roles, in lower case."""


@dataclass(frozen=True)
class MessageList:
    """The type of a list of messages: a class with ``role`` and ``content``. ``roles`` are those it has; ``None``: any."""

    roles: tuple[str, ...] | None

    def value(self, messages: Sequence[Message]) -> list[dict[str, JsonValue]]:
        """Write messages as the class has them; empty ones, which BAML drops, are left out. Raises ``BamlError``."""
        return [
            {"role": self._role(message["role"]), "content": text}
            for message in messages
            if (text := (message.get("content") or "").strip())
        ]

    def _role(self, role: str) -> str:
        if self.roles is None:
            return role
        for name in _SPEAKERS.get(role, (role,)):
            if found := next((each for each in self.roles if each.casefold() == name), None):
                return found
        raise BamlError(unknown("role", role, self.roles))


@dataclass(frozen=True)
class Parameter:
    """One parameter. ``kind``: its type as BAML writes it; ``fixed``: a suite may give its value; ``optional``: or it is null.

    ``choices`` are the values of enums. ``whole``: a class or a map is in it, whose parts BAML writes in any order where a prompt
    shows it as a whole. ``messages``: it is a list of messages, which can be the thread.
    """

    name: str
    kind: str
    text: bool
    fixed: bool
    optional: bool
    choices: tuple[str, ...] = field(repr=False)
    type: Any = field(repr=False)
    whole: bool = False
    messages: MessageList | None = None

    @property
    def takes_thread(self) -> bool:
        """Whether a thread can fill it."""
        return self.text or self.messages is not None

    def check(self, value: JsonValue) -> None:
        """Raise ``ValueError`` where a value isn't of the parameter's type, or is one that no suite can give."""
        if not self.fixed and value is not None:
            raise ValueError(f"{self.kind} can't be given: no suite can give media; without a value it is null")
        try:
            TypeAdapter(self.type).validate_json(json.dumps(value), strict=True)
        except ValidationError:
            choices = f" ({', '.join(self.choices)})" if self.choices else ""
            raise ValueError(f"wanted {self.kind}{choices}, got {shorten(json.dumps(value, ensure_ascii=False), 80)}") from None


def parameters(found: Mapping[str, ast.expr], own: ModuleType, types: generated.Declared) -> dict[str, Parameter]:
    """Read a function's parameters off its signature. ``types`` are the project's.

    Raises ``BamlError``, with what to change, where no suite can fill them.
    """
    made = {name: _parameter(name, annotation, own, types) for name, annotation in found.items()}
    if THREAD in made and not made[THREAD].takes_thread:
        raise BamlError(
            f"takes thread: {made[THREAD].kind}, so its prompt writes the thread itself, which is for formats to do; "
            "declare thread: string, and write {{ thread }} where it stands in the prompt, or take a list of messages: "
            "a class of role and content"
        )
    for each in made.values():
        if not each.fixed and not each.optional:
            raise BamlError(f"takes {each.name}: {each.kind}; no suite can give media. Make it optional: then it is null")
    if not any(each.takes_thread for each in made.values()):
        raise BamlError(
            f"takes ({_listed(made.values())}), none of which can be the thread: a string, or a list of a class that has "
            "role and content; declare thread: string"
        )
    return made


def _parameter(name: str, annotation: ast.expr, own: ModuleType, types: generated.Declared) -> Parameter:
    kinds = [generated.type_name(member) for member in generated.union_members(annotation)]
    fixed = not generated.holds_media(annotation, types)
    return Parameter(
        name=name,
        kind=generated.spelled(annotation),
        text="str" in kinds and set(kinds) <= {"str", "NoneType"},
        fixed=fixed,
        optional="NoneType" in kinds or "Any" in kinds,
        choices=tuple(_choices(annotation, own)),
        type=_type(annotation, own) if fixed else None,
        whole=not _single(annotation, own),
        messages=_messages(annotation, own) if fixed else None,
    )


def _single(annotation: ast.expr, own: ModuleType) -> bool:
    """Whether a type is a single value, or a list of such: Jinja writes those the same every time."""
    for member in generated.union_members(annotation):
        name = generated.type_name(member)
        if name == "List":
            if not _single(generated.type_arguments(member)[0], own):
                return False
        elif name not in _SINGLE and not generated.is_enum_type(getattr(own, name, None)):
            return False
    return True


def _messages(annotation: ast.expr, own: ModuleType) -> MessageList | None:
    """Read a list of a class that has ``role`` and ``content``, and requires nothing else."""
    (member,) = [one for one in generated.union_members(annotation) if generated.type_name(one) != "NoneType"][:1] or [annotation]
    if generated.type_name(member) != "List" or not isinstance(member, ast.Subscript):
        return None
    model = getattr(own, generated.type_name(generated.type_arguments(member)[0]), None)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return None
    infos = {generated.baml_name(model, name): info for name, info in model.model_fields.items()}
    needed = {name for name, info in infos.items() if info.is_required()}
    if not needed <= {"role", "content"} <= infos.keys() or not _takes_text(infos["content"].annotation):
        return None
    role = infos["role"].annotation
    if generated.is_enum_type(role):
        return MessageList(tuple(role.__members__))
    if _takes_text(role):
        return MessageList(None)
    literals = [
        value for each in (role, *typing.get_args(role)) if typing.get_origin(each) is Literal for value in typing.get_args(each)
    ]
    return MessageList(tuple(value for value in literals if isinstance(value, str))) if literals else None


def _takes_text(kind: Any) -> bool:
    return kind is str or str in typing.get_args(kind)


def _choices(annotation: ast.expr, own: ModuleType) -> Iterator[str]:
    for member in generated.union_members(annotation):
        kind = getattr(own, generated.type_name(member), None)
        if generated.type_name(member) == "List":
            yield from _choices(generated.type_arguments(member)[0], own)
        elif generated.is_enum_type(kind):
            yield from kind.__members__


def _type(annotation: ast.expr, own: ModuleType) -> Any:
    """Make a type of an annotation that BAML wrote over its own types."""
    text = ast.unparse(generated.unquoted(annotation))
    namespace = {"typing": typing, "typing_extensions": typing, "types": own}
    return None if text == "typing.Any" else eval(text, {**vars(own), **namespace})


@dataclass(frozen=True)
class Filling:
    """What fills a function's parameters: the names of the thread's, and the values that are fixed.

    ``messages``: the thread's is a list of messages.
    """

    thread: str
    takes_examples: bool
    given: Mapping[str, JsonValue] = field(default_factory=dict)
    messages: MessageList | None = None

    def values(self, thread: str | Sequence[Message], examples: str) -> dict[str, JsonValue]:
        """Give a value to each parameter. A text is one message of the user's, where messages are taken. Raises ``BamlError``."""
        filled: JsonValue = thread if isinstance(thread, str) else None
        if self.messages is not None:
            filled = list(self.messages.value([{"role": "user", "content": thread}] if isinstance(thread, str) else thread))
        return {**self.given, self.thread: filled, **({EXAMPLES: examples} if self.takes_examples else {})}


def fill(declared: Mapping[str, Parameter], thread: str | None, given: Mapping[str, JsonValue]) -> Filling:
    """Decide what fills each parameter: ``thread`` names that of the thread, ``given`` has values for others.

    Left out, the thread is the parameter ``thread``, or the only list of messages without a value, or else the only string.
    Optional ones without a value are null. What isn't a parameter here is left alone: it may be one of another function's. Raises
    ``BamlError`` where something lacks.
    """
    mine = {name: value for name, value in given.items() if name in declared}
    texts = [name for name, each in declared.items() if each.takes_thread and name not in mine]
    chosen = _thread(declared, thread, texts)
    takes_examples = EXAMPLES in texts and chosen != EXAMPLES and declared[EXAMPLES].text
    filled = {chosen, EXAMPLES} if takes_examples else {chosen}
    rest = [name for name in declared if name not in filled]
    lacking = [declared[name] for name in rest if name not in mine and not declared[name].optional]
    if lacking:
        raise BamlError(f"needs values for {_listed(lacking)}; give them as arguments: {{{lacking[0].name}: …}}")
    return Filling(chosen, takes_examples, {name: mine.get(name) for name in rest}, declared[chosen].messages)


def _thread(declared: Mapping[str, Parameter], wanted: str | None, texts: Sequence[str]) -> str:
    """Choose the thread's parameter among ``texts``: strings, and lists of messages, without a value."""
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
    """Give the one without a value: a list of messages, or else a string. Examples and optional ones come last."""
    texts = [name for name in texts if declared[name].messages] or texts
    free = [name for name in texts if name != EXAMPLES and not declared[name].optional] or texts
    if len(free) != 1:
        raise BamlError(
            f"takes {_listed(declared.values())}; say which is the thread "
            f"(thread: NAME), and the values of the others (arguments); strings without a value: {', '.join(free) or 'none'}"
        )
    return free[0]


def _listed(parameters: Iterable[Parameter]) -> str:
    return ", ".join(f"{each.name}: {each.kind}" for each in parameters)
