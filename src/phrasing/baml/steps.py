"""Steps: the members of a function's union, by BAML's names and by a model's.

Classes are told apart by a field of one literal that all of them have, or else by what BAML takes an answer for. The values of
enums, and literals, are steps without arguments.
"""

from __future__ import annotations

import ast
import json
import typing
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import combinations
from types import ModuleType, UnionType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from phrasing.baml import generated
from phrasing.baml.generated import Names
from phrasing.errors import BamlError
from phrasing.types import Step

USUAL = "intent"
"""The field that tells steps apart where several could."""

_SAYS_NOTHING = frozenset({"title", "description", "default"})

_TO_DO = {
    "null": "null is no step: take it out of the return type, and give doing nothing a class of its own",
    "list": "a list among steps is none: return a list of all of them, (A | B)[], or its members",
    "type": "a step is a class, a value of an enum or a literal: give each choice one",
}


@dataclass(frozen=True)
class StepType:
    """One member of a function's union: what a model may pick. ``model`` has BAML's names, ``wire`` what the model writes.

    ``discriminator`` is BAML's name of the field that tells the steps apart; its literal is the ``intent``. ``None``: no field
    does, and the ``intent`` is the class's name, or its ``@@alias``. ``shape`` is the type of what a model writes. A step that is
    a ``value``, which it writes as a whole, has no fields.
    """

    intent: str
    model: type[BaseModel]
    wire: type[BaseModel]
    discriminator: str | None
    names: Names
    shape: Any
    value: str | int | bool | None = None

    @property
    def tag(self) -> str | None:
        """What a model writes for the discriminator's name."""
        return None if self.discriminator is None else self.names[self.model.__name__][self.discriminator]

    @property
    def description(self) -> str | None:
        """The class's description, or its literal's."""
        return self.model.__doc__ or (self._infos[self.discriminator].description if self.discriminator else None)

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
        return self.model.model_validate_json(json.dumps(self.tagged(args)), strict=True)

    def tagged(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Add the discriminator to arguments by BAML's names, if there is one."""
        return {**args} if self.discriminator is None else {**args, self.discriminator: self.intent}

    def is_like(self, keys: Collection[str]) -> bool:
        """Whether an object with these keys, in lower case, may be meant for this step: none that it requires is missing.

        Of several keys, one at least has to be one of the class's: BAML would take an object with any.
        """
        shown = self.names[self.model.__name__]
        known = {shown[name].casefold(): info for name, info in self._infos.items() if name in shown}
        required = {name for name, info in known.items() if info.is_required()}
        return self.value is None and required <= {*keys} and (not keys or not known.keys().isdisjoint(keys))

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

    def written(self, args: Mapping[str, Any]) -> Any:
        """Write arguments by BAML's names, which fit the step, as a model would, with its discriminator first."""
        if self.value is not None:
            return self.value
        typed = self.read(args)
        written = typing.cast(dict[str, Any], _written(dict(args), typed, self.names))
        return written if self.tag is None else {self.tag: self.intent, **written}

    def named(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Write a label's arguments by BAML's names, where it has those that a model writes. Matchers keep their shape."""
        return typing.cast(dict[str, Any], _named(dict(args), self.model, self.names))


def make_steps(
    returns: ast.expr, own: ModuleType, wire: ModuleType, names: Names, aliases: Mapping[str, str]
) -> dict[str, StepType]:
    """Make the steps of a function from its return type. ``aliases`` are those of whole classes.

    Raises ``BamlError`` with what to change where that can't be.
    """
    listed = [_member(member, returns, own) for member in generated.union_members(returns)]
    classes = [each for each in listed if isinstance(each, type) and issubclass(each, BaseModel)]
    field = _discriminator(classes) if len(classes) == len(listed) else None
    if field is None:
        _check_told_apart([getattr(wire, model.__name__) for model in classes])
    made: list[StepType] = []
    for each in listed:
        if isinstance(each, list):
            made += (_value(value, _spelled(value), Literal[value], names) for value in each)
        elif issubclass(each, Enum):
            shape, shown = getattr(wire, each.__name__), names[each.__name__]
            made += (_value(shown[name], name, shape, names) for name in each.__members__ if name in shown)
        else:
            intent = _tags(each)[field] if field else aliases.get(each.__name__, each.__name__)
            model = getattr(wire, each.__name__)
            made.append(StepType(intent, each, model, field, names, model))
    if not made:
        raise BamlError(f"returns {generated.spelled(returns)}, which has no value that a model is shown")
    steps = {step.intent: step for step in made}
    if len(steps) < len(made):
        twice = next(intent for intent, count in Counter(step.intent for step in made).items() if count > 1)
        raise BamlError(f"returns two steps that are called {twice!r}; give each a name of its own")
    return steps


def _value(value: str | int | bool, intent: str, shape: Any, names: Names) -> StepType:
    """Make the step that a value is: a class without fields stands for it."""
    return StepType(intent, _Value, _Value, None, {**names, _Value.__name__: {}}, shape, value)


def _spelled(value: str | int | bool) -> str:
    """Name a literal."""
    return value if isinstance(value, str) else json.dumps(value)


class _Value(BaseModel):
    __doc__ = None  # a tool's description would say it


def _member(member: ast.expr, returns: ast.expr, own: ModuleType) -> type[BaseModel] | type[Enum] | list[str | int | bool]:
    """Give a class, an enum, or the values of a literal type."""
    model = getattr(own, generated.type_name(member), None)
    if isinstance(model, type) and issubclass(model, BaseModel | Enum) and not generated.type_arguments(member):
        return model
    if values := generated.literal_values(member):
        return values
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


def _discriminator(classes: list[type[BaseModel]]) -> str | None:
    """Find the field that tells classes apart; ``None``: there is none. Raises ``BamlError`` where several do, or one is torn."""
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
    if shared:
        raise _same_literal(tags, shared)
    counts = Counter(name for found in tags.values() for name in found)
    meant = max(counts, key=lambda name: (name == USUAL, counts[name]), default=None)
    if meant is not None and (meant == USUAL or counts[meant] > 1):
        raise _torn(tags, meant)
    return None


def _torn(tags: Mapping[str, Mapping[str, str]], meant: str) -> BamlError:
    """Name a class that lacks the field which tells others apart: that is a slip more often than it is meant."""
    lacking = next(name for name, found in tags.items() if meant not in found)
    example = next(found[meant] for found in tags.values() if meant in found)
    return BamlError(
        f"returns class {lacking}, which has no field `{meant}` of one literal, as others have; give each one, such as "
        f'{meant} "{example}", or none: then steps are told apart by their classes'
    )


def _check_told_apart(classes: Sequence[type[BaseModel]]) -> None:
    """Refuse two classes whose fields look the same to a model: no answer in text can say which of them is meant."""
    shapes = {model.__name__: _shape(generated.json_schema(model)) for model in classes}
    for one, other in combinations(shapes, 2):
        if shapes[one] == shapes[other]:
            raise BamlError(
                f"returns {one} and {other}, whose fields are the same, so no answer says which of them is meant; "
                f'give each a field of one literal, such as {USUAL} "{one}"'
            )


def _shape(schema: Any) -> Any:
    """Leave out of a JSON Schema what says nothing of an answer, such as descriptions, or in which order fields are required."""
    if isinstance(schema, list):
        return [_shape(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _shape(value) for key, value in schema.items() if isinstance(value, dict) or key not in _SAYS_NOTHING}
    return {**kept, "required": sorted(schema["required"])} if isinstance(schema.get("required"), list) else kept


def _same_literal(tags: Mapping[str, Mapping[str, str]], shared: Sequence[str]) -> BamlError:
    """Name the first two classes that have the same literal in a field that all of them have."""
    name, one, other = next(
        (name, one, other) for name in shared for one, other in combinations(tags, 2) if tags[one][name] == tags[other][name]
    )
    text = tags[one][name]
    return BamlError(f"returns two classes with {name} {text!r}: {one} and {other}; give each a literal of its own")


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
