"""Steps: the classes of a function's union, told apart by a field of one literal, by BAML's names and by a model's."""

from __future__ import annotations

import ast
import json
import typing
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import combinations
from types import ModuleType, UnionType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from phrasing.baml import generated
from phrasing.baml.generated import Names
from phrasing.errors import BamlError
from phrasing.types import Step

USUAL = "intent"
"""The field that tells steps apart where several could."""

_TO_DO = {
    "null": "null is no step: take it out of the return type, and give doing nothing a class of its own",
    "list": "a list is no single next step: return its members, and let the agent ask again after each",
    "type": 'a step is a class: give each choice one, with a field of one literal, such as intent "look_up"',
}


@dataclass(frozen=True)
class StepType:
    """One member of a function's union: what a model may pick. ``model`` has BAML's names, ``wire`` what the model writes.

    ``discriminator`` is BAML's name of the field that tells the steps apart; its literal is the ``intent``.
    """

    intent: str
    model: type[BaseModel]
    wire: type[BaseModel]
    discriminator: str
    names: Names

    @property
    def tag(self) -> str:
        """What a model writes for the discriminator's name."""
        return self.names[self.model.__name__][self.discriminator]

    @property
    def description(self) -> str | None:
        """The class's description, or its literal's."""
        return self.model.__doc__ or self._infos[self.discriminator].description

    @property
    def _infos(self) -> dict[str, Any]:
        return {generated.baml_name(self.model, name): info for name, info in self.model.model_fields.items()}

    @property
    def fields(self) -> dict[str, str | None]:
        """Field names with their descriptions, without the discriminator."""
        return {name: info.description for name, info in self._infos.items() if name != self.discriminator}

    @property
    def text_field(self) -> str | None:
        """The field that takes a text which stands for the whole step: its only required one, if that is a string."""
        required = [(name, info) for name, info in self._infos.items() if name != self.discriminator and info.is_required()]
        return required[0][0] if len(required) == 1 and required[0][1].annotation is str else None

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the step by BAML's names, its discriminator and all."""
        return generated.json_schema(self.model)

    def read(self, args: Mapping[str, Any]) -> BaseModel:
        """Read arguments, by BAML's names, as a call of this step, with no leniency. Raises pydantic's ``ValidationError``."""
        # As text, because only there does strict mode take a name for an enum's value and an object for a nested class.
        return self.model.model_validate_json(json.dumps({**args, self.discriminator: self.intent}), strict=True)

    def answered(self, value: Mapping[str, Any], *, strict: bool) -> Step:
        """Read what a model wrote as this step. Raises pydantic's ``ValidationError``."""
        if strict:
            return self.step(generated.as_json(self.wire.model_validate_json(json.dumps(value), strict=True)))
        return self.step(generated.as_json(self.wire.model_validate(value)))

    def undeclared(self, value: Mapping[str, Any], args: Mapping[str, Any]) -> bool:
        """Whether a model wrote a field that no class declares; ``args`` are what was read of it, by BAML's names."""
        try:
            return _undeclared({**value}, self.read(args), self.names)
        except ValidationError:  # repaired into what the class doesn't take: then there is nothing to compare with
            return False

    def step(self, value: Mapping[str, Any]) -> Step:
        """Take the discriminator out of a step's fields."""
        return Step(intent=self.intent, args={name: item for name, item in value.items() if name != self.discriminator})

    def written(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Write arguments by BAML's names, which fit the step, as a model would, with its discriminator first."""
        typed = self.read(args)
        written = typing.cast(dict[str, Any], _written(dict(args), typed, self.names))
        return {self.tag: self.intent, **written}

    def named(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Write a label's arguments by BAML's names, where it has those that a model writes. Matchers keep their shape."""
        return typing.cast(dict[str, Any], _named(dict(args), self.model, self.names))


def make_steps(returns: ast.expr, own: ModuleType, wire: ModuleType, names: Names) -> dict[str, StepType]:
    """Make the steps of a function from its return type. Raises ``BamlError`` with what to change where that can't be."""
    classes = [_class(member, returns, own) for member in generated.union_members(returns)]
    field = _discriminator(classes)
    steps: dict[str, StepType] = {}
    for model in classes:
        intent = _tags(model)[field]
        steps[intent] = StepType(intent, model, getattr(wire, model.__name__), field, names)
    return steps


def _class(member: ast.expr, returns: ast.expr, own: ModuleType) -> type[BaseModel]:
    model = getattr(own, generated.type_name(member), None)
    if isinstance(model, type) and issubclass(model, BaseModel) and not generated.type_arguments(member):
        return model
    shown = generated.spelled(member)
    why = {"null": "null", "List": "list"}.get("null" if shown == "null" else generated.type_name(member), "type")
    whole = f", in {generated.spelled(returns)}" if member is not returns else ""
    raise BamlError(f"returns {shown}{whole}; {_TO_DO[why]}")


def _tags(model: type[BaseModel]) -> dict[str, str]:
    """Give the fields of a class that are one literal text, with that."""
    found = {}
    for name, info in model.model_fields.items():
        values = get_args(info.annotation) if get_origin(info.annotation) is typing.Literal else ()
        if len(values) == 1 and isinstance(values[0], str) and info.is_required():
            found[generated.baml_name(model, name)] = values[0]
    return found


def _discriminator(classes: list[type[BaseModel]]) -> str:
    """Find the field that tells classes apart. Raises ``BamlError`` where none does, or several do."""
    tags = {model.__name__: _tags(model) for model in classes}
    shared = [name for name in tags[classes[0].__name__] if all(name in found for found in tags.values())]
    apart = [name for name in shared if len({found[name] for found in tags.values()}) == len(classes)]
    if USUAL in apart or len(apart) == 1:
        return USUAL if USUAL in apart else apart[0]
    if apart:
        raise BamlError(
            f"returns classes that {' and '.join(apart)} both tell apart; name the one that counts `{USUAL}`, "
            "or give the others a type that isn't one literal"
        )
    raise _same_literal(tags, shared) if shared else _no_discriminator(tags)


def _same_literal(tags: Mapping[str, Mapping[str, str]], shared: Sequence[str]) -> BamlError:
    """Name the first two classes that have the same literal in a field that all of them have."""
    name, one, other = next(
        (name, one, other) for name in shared for one, other in combinations(tags, 2) if tags[one][name] == tags[other][name]
    )
    text = tags[one][name]
    return BamlError(f"returns two classes with {name} {text!r}: {one} and {other}; give each a literal of its own")


def _no_discriminator(tags: Mapping[str, Mapping[str, str]]) -> BamlError:
    """Name a class that lacks the field that most of them have, which is the one that was meant."""
    counts = Counter(name for found in tags.values() for name in found)
    meant = max(counts, key=lambda name: (name == USUAL, counts[name]), default=USUAL)
    lacking = next(name for name, found in tags.items() if meant not in found)
    example = next((found[meant] for found in tags.values() if meant in found), "look_up")
    return BamlError(
        f"returns class {lacking}, which has no field `{meant}` of one literal; steps are told apart by a field that is one "
        f'literal text in each of them, such as {meant} "{example}"'
    )


# ---------------------------------------------------------------------------------------------- one name for another


def _written(value: Any, typed: Any, names: Names) -> Any:
    """Write JSON by BAML's names as a model would; ``typed`` is the same, read, and knows what each part is."""
    if isinstance(typed, BaseModel) and isinstance(value, dict):
        shown = names[type(typed).__name__]
        parts = {generated.baml_name(typed, name): getattr(typed, name) for name in type(typed).model_fields}
        return {shown[name]: _written(item, parts[name], names) for name, item in value.items() if name in shown}
    if isinstance(typed, Enum):
        return names[type(typed).__name__][typed.name]
    if isinstance(typed, dict) and isinstance(value, dict):
        pairs = zip(value.items(), typed.items(), strict=True)
        return {_written(key, kept, names): _written(item, other, names) for (key, item), (kept, other) in pairs}
    if isinstance(typed, list) and isinstance(value, list):
        return [_written(item, other, names) for item, other in zip(value, typed, strict=True)]
    return value


def _undeclared(value: Any, typed: Any, names: Names) -> bool:
    """Whether JSON that a model wrote has a field which its type doesn't; ``typed`` is what was read of it."""
    if isinstance(typed, BaseModel) and isinstance(value, dict):
        shown = names[type(typed).__name__]
        parts = {generated.baml_name(typed, name): getattr(typed, name) for name in type(typed).model_fields}
        known = {shown[name].casefold(): part for name, part in parts.items() if name in shown}
        return any(key.casefold() not in known or _undeclared(item, known[key.casefold()], names) for key, item in value.items())
    if isinstance(typed, dict) and isinstance(value, dict) and len(typed) == len(value):
        return any(_undeclared(item, kept, names) for item, kept in zip(value.values(), typed.values(), strict=True))
    if isinstance(typed, list) and isinstance(value, list) and len(typed) == len(value):
        return any(_undeclared(item, kept, names) for item, kept in zip(value, typed, strict=True))
    return False


def _named(value: Any, kind: Any, names: Names) -> Any:
    """Write part of a label by BAML's names; ``kind`` is its type. What fits no type stays as it is."""
    if isinstance(value, dict) and any(key.startswith("$") for key in value):
        return _named_matcher(value, kind, names)
    kind = next((branch for branch in _branches(kind) if _suits(value, branch, names)), None)
    match get_origin(kind), value:
        case (origin, list()) if origin is list:
            return [_named(item, get_args(kind)[0], names) for item in value]
        case (origin, dict()) if origin is dict:
            keys, items = get_args(kind)
            return {_named(key, keys, names): _named(item, items, names) for key, item in value.items()}
        case _, dict() if kind is not None:
            return _named_object(value, kind, names)
        case _, str() if kind is not None and kind.__name__ in names:
            return _real(value, names[kind.__name__])
    return value


def _named_matcher(matcher: dict[str, Any], kind: Any, names: Names) -> dict[str, Any]:
    """Write what a matcher holds; numbers, texts to contain and the like have no names."""
    found: dict[str, Any] = {}
    for key, item in matcher.items():
        if key == "$any_of" and isinstance(item, list):
            found[key] = [_named(one, kind, names) for one in item]
        else:
            found[key] = _named(item, kind, names) if key in ("$set", "$only", "$any_case", "$loose") else item
    return found


def _named_object(value: dict[str, Any], model: type[BaseModel], names: Names) -> dict[str, Any]:
    types_ = {generated.baml_name(model, name): info.annotation for name, info in model.model_fields.items()}
    real = {_real(key, names[model.__name__]): item for key, item in value.items()}
    if len(real) < len(value):
        raise ValueError(f"a field is given by its name and by its alias: {', '.join(value)}")
    return {key: _named(item, types_.get(key), names) for key, item in real.items()}


def _real(name: str, shown: Mapping[str, str]) -> str:
    """Give BAML's name for one that a model writes; BAML's own wins."""
    return name if name in shown else next((own for own, alias in shown.items() if alias == name), name)


def _branches(kind: Any) -> Iterator[Any]:
    """Give the alternatives of a type."""
    if isinstance(kind, UnionType) or get_origin(kind) is typing.Union:
        for member in get_args(kind):
            yield from _branches(member)
    else:
        yield kind


def _suits(value: Any, kind: Any, names: Names) -> bool:
    """Whether a label's value may be one of a type, as far as names go."""
    origin = get_origin(kind)
    if isinstance(value, list):
        return origin is list
    if isinstance(kind, type) and kind.__name__ in names:
        shown = names[kind.__name__]
        known = {*shown, *shown.values()}
        if issubclass(kind, Enum):
            return isinstance(value, str) and value in known
        return isinstance(value, dict) and value.keys() <= known
    return isinstance(value, dict) and origin is dict
