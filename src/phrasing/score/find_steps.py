"""The steps that stand in an answer, as a model wrote them: as objects in text, or as calls. What they say is read later.

A call is written as the text that would have said the same, so that there is one way to read both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any

from phrasing.baml.project import Function, StepType
from phrasing.baml.step_schemas import WRAPPER, WRAPPER_OF_MANY
from phrasing.errors import shorten
from phrasing.score.written import Found, drafts, find_objects, loads
from phrasing.types import ToolCall

_FINAL_WORDS = 5
"""How many mentions of a final answer are looked behind."""
_DEPTH = 20
"""How deep steps are looked for in JSON that holds them."""
_TYPE_WORDS = frozenset({"string", "int", "float", "bool", "null", "string or null"})
_NAME, _ARGUMENTS = "name", ("arguments", "parameters")
"""The keys of a tool call that is written as text."""
_WORD = re.compile(r"""\s{0,50}["']?([\w.\- ]{0,200}?)["']?\s{0,50}(?:[],}\n]|\Z)""")
"""The value of a key in an unsound object, where it is a word."""


@dataclass(frozen=True)
class WrittenStep:
    """One step as a model wrote it.

    ``text`` is what BAML is given; ``value`` the same as JSON, ``None`` where it isn't sound; ``name`` the step that it names,
    ``None`` where that can't be seen. ``called``: it is a tool call. ``bare``: nothing stands around it. ``enclosed``: what
    stands around it is part of its JSON. ``extra``: it has an argument that no step can have. ``fault``: why there is nothing to
    read.
    """

    text: str
    value: dict[str, Any] | None
    name: str | None
    called: bool = False
    bare: bool = False
    enclosed: bool = False
    extra: bool = False
    fault: str = ""


@dataclass(frozen=True)
class StepFinder:
    """Finds the steps of a function. ``echoes`` matches a field of its schema that was given back in place of a value."""

    function: Function
    echoes: re.Pattern[str] | None

    @cached_property
    def _tags(self) -> frozenset[str]:
        """What a model may write for the discriminator's name, in lower case."""
        return frozenset(tag.casefold() for tag in self.function.tags)

    @cached_property
    def _wanted(self) -> frozenset[str]:
        """The keys that an object without an end has, if it is a step: tags or, where there are none, fields."""
        steps = self.function.steps.values()
        shown = [step.names[step.model.__name__] for step in steps]
        return self._tags or frozenset(name.casefold() for names in shown for name in names.values())

    def named(self, name: str | None) -> StepType | None:
        """Give the step of a name; BAML takes one in another case as well."""
        if name is None or name in self.function.steps:
            return self.function.steps.get(name or "")
        meant = name.strip(" .\t\n").casefold()
        found = [step for intent, step in self.function.steps.items() if intent.casefold() == meant]
        return found[0] if len(found) == 1 else None

    def whole(self, answer: str) -> WrittenStep | None:
        """Give the step that an answer is, if it is sound JSON and nothing else."""
        value = loads(answer)
        if not isinstance(value, dict) or not self._is_step(value):
            return None
        return WrittenStep(answer, value, self._name(value), bare=True)

    def in_text(self, text: str, *, calls: bool) -> list[WrittenStep]:
        """Find the steps that stand in a text, the first ones first. ``calls``: those that are written as tool calls, too."""
        found: list[WrittenStep] = []
        for one in find_objects(text, self._wanted | ({_NAME} if calls else set())):
            if one.value is not None:
                found += self._in_value(one.value, one.enclosed, calls=calls)
            else:
                found += self._unsound(text, one, calls=calls)
        return self._without_schemas(found)

    def in_calls(self, calls: Iterable[ToolCall]) -> list[WrittenStep]:
        """Write native calls as the texts that say the same, the first ones first."""
        return self._without_schemas([one for call in calls for one in self._in_call(call.name, call.arguments)])

    def _in_value(self, value: Any, enclosed: bool, *, calls: bool, depth: int = _DEPTH) -> Iterator[WrittenStep]:
        """Find the steps in sound JSON: the outermost objects that are some."""
        if isinstance(value, dict):
            name = self._name(value)
            arguments = next((value[key] for key in _ARGUMENTS if key in value), None)
            call = calls and isinstance(value.get(_NAME), str) and isinstance(arguments, dict | str)
            known = not calls or self.named(name) or not self._tags
            if self._is_step(value) and known and not (call and (not self._tags or self._tag(value) == _NAME)):
                yield WrittenStep(json.dumps(value), value, name, bare=True, enclosed=enclosed)
                return
            if call:
                yield from self._in_call(value[_NAME], arguments if isinstance(arguments, str) else json.dumps(arguments))
                return
        if depth and isinstance(value, dict | list):
            for item in value.values() if isinstance(value, dict) else value:
                yield from self._in_value(item, True, calls=calls, depth=depth - 1)

    def _unsound(self, text: str, found: Found, *, calls: bool) -> Iterator[WrittenStep]:
        """Take an object that isn't sound JSON for a step, if it has the keys of one."""
        if not self._tags and self._alike(found.keys) and not (calls and _NAME in found.keys):
            yield WrittenStep(text[found.start : found.end], None, None)
            return
        words = {key: _word(text, place, found.end) for key, place in found.keys.items() if key in {*self._tags, _NAME}}
        tags = [key for key in words if key in self._tags]
        tag = next((key for key in tags if self.named(words[key])), tags[0] if tags else None)
        arguments = next((found.keys[key] for key in _ARGUMENTS if key in found.keys), None) if calls else None
        name = words.get(_NAME)
        if tag and (not calls or self.named(words[tag])) and (arguments is None or tag != _NAME):
            yield WrittenStep(text[found.start : found.end], None, words[tag])
        elif arguments is not None and name is not None:
            yield from self._in_call(name, text[arguments : found.end])

    def _in_call(self, name: str, arguments: str) -> Iterator[WrittenStep]:
        """Write a call as the text that says the same; each of several objects in its arguments is a call of its own."""
        picked = self.named(name)
        tag = picked.tag if picked else next(iter(self.function.tags), None)
        value = loads(arguments.strip() or "{}")
        if isinstance(value, dict):
            yield _sound_call(value, tag, name, bare=True)
            return
        found = value if isinstance(value, list) else _objects(arguments) if value is None else []
        sound = [args for args in found if isinstance(args, dict)]
        if len(sound) == len(found) > 1:
            yield from (_sound_call(args, tag, name, bare=False) for args in sound)
        else:
            yield _unsound_call(arguments, tag, name, found)

    def _tag(self, value: Mapping[str, Any]) -> str | None:
        """Give the key of an object that says which step it is."""
        if meant := self.function.meant(value):
            return meant.tag
        return next((key for key in value if key.casefold() in self._tags), None)

    def _name(self, value: Mapping[str, Any]) -> str | None:
        """Give the name of the step that an object is, where it says one."""
        tag = self._tag(value)
        return _text(value[tag]) if tag else None

    def _is_step(self, value: Mapping[str, Any]) -> bool:
        """Whether an object is one that says which step it is or, where none does, has what a class requires."""
        return self._tag(value) is not None if self._tags else self._alike({key.casefold() for key in value})

    def _alike(self, keys: Collection[str]) -> bool:
        return any(step.is_like(keys) for step in self.function.steps.values())

    def _without_schemas(self, found: list[WrittenStep]) -> list[WrittenStep]:
        """Leave out what is a schema that was given back, if there is anything else."""
        return [one for one in found if not self._is_schema(one)] or found

    def _is_schema(self, written: WrittenStep) -> bool:
        if written.value is None:
            return self.echoes is not None and self.echoes.search(written.text) is not None
        return self.is_json_schema(written)

    def is_json_schema(self, written: WrittenStep) -> bool:
        """Say whether the JSON Schema of a tool stands in place of arguments."""
        step = self.named(written.name)
        found = isinstance((written.value or {}).get("properties"), dict)
        return found and not (step and "properties" in step.names[step.model.__name__].values())


def after_drafts(answer: str, holds: Callable[[str], object]) -> str:
    """Cut off what stands before words such as *final answer*, if what stands behind these ``holds`` a step."""
    for place in islice(drafts(answer), _FINAL_WORDS):
        if holds(answer[place:]):
            return answer[place:].strip()
    return answer


def holds_types(args: Mapping[str, Any]) -> bool:
    """Say whether an argument is the very name of its type: ``"tag": "string"``."""
    return any(value in _TYPE_WORDS for value in args.values() if isinstance(value, str))


def unwrapped(answer: str, function: Function) -> str:
    """Take what a function returns out of the object that outputs with a JSON Schema ask for."""
    values = any(step.value is not None for step in function.steps.values())
    wrapper, kind = (WRAPPER_OF_MANY, list) if function.many else (WRAPPER, dict | str | int if values else dict)
    if f'"{wrapper}"' not in answer:
        return answer
    for found in find_objects(answer, ()):
        if found.value and list(found.value) == [wrapper] and isinstance(found.value[wrapper], kind):
            inner = json.dumps(found.value[wrapper], ensure_ascii=False)
            return answer[: found.start] + inner + answer[found.end :]
    return answer


def _sound_call(args: dict[str, Any], tag: str | None, name: str, *, bare: bool) -> WrittenStep:
    given = args if tag is None else {**args, tag: name}
    extra = tag is not None and args.get(tag, name) != name
    return WrittenStep(json.dumps(given), given, name, called=True, bare=bare, enclosed=not bare, extra=extra)


def _unsound_call(arguments: str, tag: str | None, name: str, found: list[Any]) -> WrittenStep:
    """Put the name of a step into arguments that aren't sound: behind the first bracket, where BAML looks for its fields.

    ``found`` are the objects in them: if it is a sound one, BAML reads that.
    """
    sound = loads(arguments) is not None or arguments.strip() == "null"
    at = 0 if sound and not found else arguments.find("{") + 1
    what = "aren't an object" if sound else "aren't JSON"
    fault = "" if at else f"arguments {what}: {shorten(arguments, 120)!r}"
    text = arguments if tag is None else f"{arguments[:at]}{json.dumps(tag)}: {json.dumps(name)}, {arguments[at:]}"
    if len(found) == 1 and isinstance(found[0], dict):
        return replace(_sound_call(found[0], tag, name, bare=False), text=text)
    return WrittenStep(text, None, name, called=True, fault=fault)


def _objects(arguments: str) -> list[dict[str, Any] | None]:
    """Give the objects in arguments that aren't JSON, from the first bracket on; an unsound one is ``None``."""
    found = list(find_objects(arguments, ()))
    return [one.value for one in found] if found and found[0].start == arguments.find("{") else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _word(text: str, start: int, end: int) -> str | None:
    found = _WORD.match(text, start, end)
    return found[1].strip() or None if found else None
