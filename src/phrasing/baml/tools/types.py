"""JSON Schemas as BAML types: what BAML can say becomes a type, the rest is said in a description, and reported.

What is read is JSON Schema as it is used for tools, with the sloppy names of types that are about (``dict``, ``float``, ``any``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from phrasing.baml.tools.json_schema import (
    SHAPING,
    TYPE_KEYWORDS,
    combined,
    description_of,
    is_class,
    kinds_of,
    merged,
    other_keywords,
    properties_of,
    reachable,
    required_of,
    target,
)
from phrasing.baml.tools.lists import Tool
from phrasing.baml.tools.names import field_name, free_name, tool_name
from phrasing.errors import UserError, shorten
from phrasing.types import canonical_json

ANY = "AnyJson"

# Names that the types generated from BAML have for themselves, or Python or BAML has.
_RESERVED = frozenset(("BaseModel", "ConfigDict", "Field", "Enum", "Check", "CheckT", "CheckName", "Checked", "Json"))
_RESERVED |= {"True", "False", "None", "List", "Dict", "Literal", "Union", "Optional"}
_RESERVED |= {"BigInt", "Boolean", "Bytes", "Float", "Int", "String"}


@dataclass(frozen=True)
class _Type:
    """A union of BAML types, in order; ``null``: or nothing. Without members it is null alone."""

    members: tuple[str, ...]
    null: bool = False

    def __str__(self) -> str:
        union = " | ".join(self.members) or "null"
        if not self.null:
            return union
        return f"({union})?" if len(self.members) > 1 else f"{union}?"

    @property
    def listed(self) -> str:
        """A list of these. BAML takes no list of lists of a bare literal."""
        bare = len(self.members) == 1 and not self.null and re.match(r"[A-Za-z]", self.members[0])
        return f"{self}[]" if bare else f"({self})[]"


@dataclass(frozen=True)
class _Place:
    """Where a schema stands: in which tool, field and class. ``said`` collects what the field's description is to say."""

    tool: Tool
    owner: str
    path: tuple[str, ...] = ()
    said: list[str] = field(default_factory=list)
    inside: str = ""
    refs: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return ": ".join(filter(None, [self.tool.name, ".".join(self.path)]))

    def say(self, text: str) -> None:
        self.said.extend([f"{self.inside}{text}"] if text else [])

    def within(self, what: str) -> _Place:
        """Go into what has no description of its own: the items of a list, the values of a map."""
        return replace(self, inside=f"{self.inside}{what}: ")


class Types:
    """The BAML classes of some tools, as they are written. ``prefix`` goes before a name that is ``taken`` elsewhere; the field
    ``tag`` tells the steps apart, which models read and write as ``shown`` (left out: as it is called).

    ``blocks`` are their texts by name, ``renamed`` and ``unsaid`` what a person should know, a line each.
    """

    def __init__(self, taken: Collection[str], prefix: str, tag: str, shown: str | None = None) -> None:
        self.blocks: dict[str, str] = {}
        self.renamed: list[str] = []
        self.unsaid: list[str] = []
        self._taken = frozenset(taken) | _RESERVED
        self._prefix, self._tags = prefix, (tag, shown or tag)
        self._shared: dict[str, str] = {}
        self._any = ""

    @property
    def text(self) -> str:
        """All of them."""
        return "\n".join(sorted(self.blocks.values(), key=lambda block: not block.startswith("class")))

    def step(self, wanted: str, intent: str, description: str, fields: Sequence[str]) -> str:
        """Write the class of a step, given its fields; return its name."""
        return self._write(self.name(wanted), [self._intent(intent, described(description)), *fields])

    def tool(self, tool: Tool) -> str:
        """Write the class of a tool; return its name. Raises ``UserError`` where its arguments aren't an object."""
        name, intent = self.name(tool.name), tool_name(tool.name)
        if intent != tool.name:
            self.renamed.append(f"tool {tool.name!r} is {intent!r}")
        at = _Place(tool, name)
        self._unsaid(at, [f"{key} can't be said, left out" for key in tool.unread])
        schema = self._arguments(at)
        texts = [description_of({"description": tool.description}), description_of(schema)]
        about = "\n".join(dict.fromkeys(filter(None, texts)))
        fields = self._fields(schema, at, avoid=self._tags)
        return self._write(name, [self._intent(intent, described(about, at.said)), *fields])

    def _intent(self, intent: str, description: str) -> str:
        """Write the field that names a step."""
        tag, shown = self._tags
        alias = "" if shown == tag else f" @alias({literal(shown, ()) or raw(shown)})"
        return f'{tag} "{intent}"{alias}{description}'

    def name(self, wanted: str) -> str:
        """Find a free name for a class, and keep its place before the classes that it needs."""
        wanted = "".join(part[0].upper() + part[1:] for part in re.findall(r"[A-Za-z0-9]+", wanted))
        wanted = wanted if wanted[:1].isalpha() else f"Step{wanted}"
        wanted = f"{self._prefix}{wanted}" if wanted in self._taken else wanted
        name = free_name(wanted, {*self.blocks, *self._taken})
        self.blocks[name] = ""
        return name

    def _write(self, name: str, lines: Sequence[str]) -> str:
        self.blocks[name] = "\n  ".join([f"class {name} {{", *lines]) + "\n}\n"
        return name

    def _unsaid(self, at: _Place, what: Sequence[str]) -> None:
        self.unsaid += [f"{at.label}: {text}" for text in what]

    # ------------------------------------------------------------------------------------------ objects

    def _arguments(self, at: _Place) -> Mapping[str, Any]:
        """Give a tool's parameters as one object with properties."""
        root, lost = at.tool.parameters, list[str]()
        schema = dict(merged(root, root, lost, []))
        for key in ("anyOf", "oneOf"):
            if isinstance(branches := schema.pop(key, None), list):
                self._unsaid(
                    at, [f"{key} of the arguments can't be checked: all are there, and required where every branch does"]
                )
                common = combined([merged(branch, root, lost, []) for branch in branches], every=False, lost=lost)
                schema = combined([schema, common], every=True, lost=lost)
        self._unsaid(at, [f"{what} can't be said, left out" for what in lost])
        if kinds_of(schema) not in (("object",), ()) or "enum" in schema:
            raise UserError(
                f"tool {at.tool.name!r} takes no object of named arguments: {shorten(json.dumps(schema), 80)}",
                where=at.tool.where,
            )
        self._keywords(schema, at)
        return schema

    def _fields(self, schema: Mapping[str, Any], at: _Place, *, avoid: Collection[str] = ()) -> list[str]:
        properties, required = properties_of(schema), required_of(schema)
        if schema.get("additionalProperties"):
            self._unsaid(at, ["other arguments than those named can't be said, left out"])
        self._unsaid(at, [f"required {key!r} isn't among the properties, left out" for key in required if key not in properties])
        names = self._names(properties, at, avoid)
        lines = []
        for key, value in properties.items():
            place = replace(at, path=(*at.path, key), said=[], inside="", refs=())
            plain = {part: kept for part, kept in value.items() if part != "description"} if isinstance(value, dict) else value
            kind = self._value(plain, place)
            if kind.null and key in required:
                self._unsaid(place, ["required but may be null, BAML makes it optional"])
            kind = replace(kind, null=kind.null or key not in required)
            alias = f" @alias({literal(key, ()) or raw(key)})" if names[key] != key and key not in avoid else ""
            lines.append(f"{names[key]} {kind}{alias}{described(description_of(value), place.said)}")
        return lines

    def _names(self, properties: Mapping[str, Any], at: _Place, avoid: Collection[str]) -> dict[str, str]:
        """Name the fields of a class: those that BAML takes as they are keep their names."""
        names = {key: key for key in properties if field_name(key) == key and key not in avoid}
        for key in properties:
            if key in names:
                continue
            if re.search(r"[\r\n]", key):
                raise UserError(
                    f"{at.label}: {key!r} can't be the name of an argument in BAML: it has two lines", where=at.tool.where
                )
            names[key] = free_name(f"{key}_argument" if key in avoid else field_name(key), set(names.values()), "_")
            self.renamed.append(f"{at.label}: {key!r} is {names[key]!r}" + ("" if key in avoid else f", with @alias({key!r})"))
        return names

    # ------------------------------------------------------------------------------------------ types

    def _value(self, schema: Any, at: _Place) -> _Type:
        """Give the type of a value that is no branch of a union."""
        kind = self._type(schema, at)
        if kind.members:
            return kind
        self._unsaid(at, ["null alone can't be said: any value"])
        return self._json()

    def _type(self, schema: Any, at: _Place) -> _Type:
        """Give the type of a value, and write the classes that it needs."""
        if not isinstance(schema, dict):
            self._unsaid(at, [] if schema is True else [f"{shorten(repr(schema), 60)} is no JSON Schema: any value"])
            return self._json()
        if "$ref" not in schema and "allOf" not in schema:
            return self._whole(schema, at)
        parts, alone = schema.get("allOf"), SHAPING.isdisjoint(schema.keys() - {"$ref", "allOf"})
        if alone and "allOf" not in schema:
            self._keywords(schema, at)
            return self._referred(schema, at)
        if alone and "$ref" not in schema and isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], dict):
            return self._type({**parts[0], **{key: value for key, value in schema.items() if key != "allOf"}}, at)
        return self._whole(*self._merged(schema, at))

    def _whole(self, schema: Mapping[str, Any], at: _Place) -> _Type:
        """Give the type of a value whose schema neither refers to another nor has to be put combined."""
        self._keywords(schema, at)
        if not is_class(schema):
            at.say(description_of(schema))
        for key in ("anyOf", "oneOf"):
            if isinstance(schema.get(key), list):
                return self._union(key, schema, at)
        return self._literals(schema, at) if "enum" in schema or "const" in schema else self._plain(schema, at)

    def _merged(self, schema: Mapping[str, Any], at: _Place) -> tuple[Mapping[str, Any], _Place]:
        """Put the parts of a schema combined; the place then knows which references were followed."""
        lost: list[str] = []
        seen: list[Any] = [*at.refs]
        whole = merged(schema, at.tool.parameters, lost, seen)
        self._unsaid(at, [f"{what} can't be said, left out" for what in lost])
        return whole, replace(at, refs=tuple(seen))

    def _keywords(self, schema: Mapping[str, Any], at: _Place) -> None:
        """Say what BAML can't check, and report what can't be said at all."""
        for key, text, known in other_keywords(schema):
            if known:
                at.say(f"{key}: {text}")
            if known != "hint":
                self._unsaid(at, [f"{key} can't be {'checked, said in the description' if known else 'said, left out'}"])

    def _plain(self, schema: Mapping[str, Any], at: _Place) -> _Type:
        kinds = kinds_of(schema)
        members: list[str] = []
        for kind in kinds:
            if kind == "array":
                members.append(self._list(schema, at))
            elif kind == "object":
                members.append(self._object(schema, at))
            elif kind in ("string", "int", "float", "bool"):
                members.append(kind)
            elif kind != "null":
                members.append(str(self._json()))
                self._unsaid(at, [] if kind == "any" else [f"{kind!r} is no type of JSON Schema: any value"])
        return self._either([_Type(tuple(members or ([] if kinds else [str(self._json())])), "null" in kinds)], schema)

    def _either(self, kinds: Sequence[_Type], schema: Mapping[str, Any]) -> _Type:
        """Join types; any value takes in all others."""
        members = tuple(dict.fromkeys(member for kind in kinds for member in kind.members))
        null = any(kind.null or not kind.members for kind in kinds) or schema.get("nullable") is True
        return _Type((self._any,)) if self._any in members else _Type(members, null and bool(members))

    def _json(self) -> _Type:
        """Give the type of any value, which is written once it is needed."""
        if not self._any:
            self._any = self.name(ANY)
            union = f"string | int | float | bool | null | {self._any}[] | map<string, {self._any}>"
            self.blocks[self._any] = f"// Any value.\ntype {self._any} = {union}\n"
        return _Type((self._any,))

    def _union(self, key: str, schema: Mapping[str, Any], at: _Place) -> _Type:
        """Give the type of ``anyOf`` and ``oneOf``. What stands beside them holds for every branch."""
        branches = [branch if isinstance(branch, dict) else {} for branch in schema[key]]
        rest = {name: value for name, value in schema.items() if name in TYPE_KEYWORDS - {key, "description"}}
        if not SHAPING.isdisjoint(rest) and any(SHAPING.isdisjoint(branch) for branch in branches):
            self._unsaid(at, [f"{key} of conditions can't be said, left out"])
            return self._type(rest, at)
        return self._either([self._branch(branch, rest, at) for branch in branches], schema)

    def _branch(self, branch: Mapping[str, Any], rest: Mapping[str, Any], at: _Place) -> _Type:
        """Give the type of a branch, for which ``rest`` holds, too. What it says of itself goes to the field's description."""
        lost: list[str] = []
        own = {name: value for name, value in rest.items() if name != "type" or not branch.keys() & {"type", "$ref"}}
        whole = combined([branch, own], every=True, lost=lost)
        self._unsaid(at, [f"{what} can't be said, left out" for what in lost])
        about = "" if is_class(whole) else description_of(whole)
        kind = self._type({name: value for name, value in whole.items() if name != "description" or not about}, at)
        if about:
            at.say(f"{kind}: {about}")
        return kind

    def _literals(self, schema: Mapping[str, Any], at: _Place) -> _Type:
        """Give the type of ``enum`` and ``const``: literals, where BAML has them."""
        key = "enum" if "enum" in schema else "const"
        values = schema[key] if isinstance(schema[key], list) and key == "enum" else [schema[key]]
        kinds = kinds_of(schema)
        written = [literal(value, kinds) for value in values if value is not None]
        if values and None not in written:
            return self._either([_Type(tuple(text for text in written if text), None in values)], schema)
        at.say(f"one of: {json.dumps(values, ensure_ascii=False)}")
        self._unsaid(at, [f"{key} can't be checked, said in the description"])
        return self._plain({name: value for name, value in schema.items() if name != key}, at)

    def _list(self, schema: Mapping[str, Any], at: _Place) -> str:
        items = schema.get("items", True)
        places = items if isinstance(items, list) else schema.get("prefixItems")
        if not isinstance(places, list):
            return self._value(items, at.within("items")).listed
        kinds = [self._type(place, at.within(f"item {i}")) for i, place in enumerate(places, 1)]
        at.say(f"items in order: {', '.join(map(str, kinds))}")
        self._unsaid(at, ["the order of items can't be checked, said in the description"])
        return self._either(kinds or [self._json()], {}).listed

    def _object(self, schema: Mapping[str, Any], at: _Place) -> str:
        values = schema.get("additionalProperties", True)
        if properties_of(schema) or values is False:
            # a class that what it was made of refers to is made once, or there would be no end
            shared = self._key(schema, at) if at.refs else ""
            return self._shared.get(shared) or self._class(f"{at.owner}_{at.path[-1]}", schema, at, shared)
        return f"map<string, {self._value(values, at.within('values'))}>"

    def _key(self, schema: Mapping[str, Any], at: _Place) -> str:
        return canonical_json([schema, reachable(schema, at.tool.parameters)])

    def _class(self, wanted: str, schema: Mapping[str, Any], at: _Place, shared: str) -> str:
        """Write a class of an object's properties; return its name."""
        name = self.name(wanted)
        if shared:
            self._shared[shared] = name
        about = description_of(schema) if is_class(schema) else ""
        fields = self._fields(schema, replace(at, owner=name))
        return self._write(name, [*fields, *([f"@@description({raw(about)})"] if about else [])])

    def _referred(self, schema: Mapping[str, Any], at: _Place) -> _Type:
        """Give the type of what a ``$ref`` points to. An object with properties is a class, which tools share."""
        ref, found = schema["$ref"], target(schema["$ref"], at.tool.parameters)
        at.say(description_of(schema))
        if found is None or ref in at.refs:
            why = "points to nothing here" if found is None else "refers to itself with no object between"
            self._unsaid(at, [f"$ref {ref!r} {why}: any value"])
            return self._json()
        whole, _ = self._merged(found, at)
        if not is_class(whole):
            return self._either([self._type(found, replace(at, refs=(*at.refs, ref)))], schema)
        self._keywords(whole, at)
        shared = f"{ref} {self._key(whole, at)}"
        wanted = ref.rsplit("/", 1)[-1].strip("#") or f"{at.tool.name}_arguments"
        name = self._shared.get(shared) or self._class(wanted, whole, at, shared)
        return self._either([_Type((name,), "null" in kinds_of(whole) or whole.get("nullable") is True)], schema)


# ---------------------------------------------------------------------------------------------- pieces of BAML's language


def described(text: str, said: Sequence[str] = ()) -> str:
    """Write an attribute for a description and what else it is to say, if there is anything."""
    whole = f"{text} ({'; '.join(said)})" if text and said else text or "; ".join(said)
    return f" @description({raw(whole)})" if whole else ""


def raw(text: str) -> str:
    """Write a text of BAML in which nothing needs an escape."""
    marks = "#"
    while f'"{marks}' in text:
        marks += "#"
    return f'{marks}"{text}"{marks}'


def literal(value: object, kinds: Collection[str]) -> str | None:
    """Write a value as a literal of BAML, which has no escapes in texts and no fractions; ``None`` where that can't be."""
    if isinstance(value, bool):
        kind, text = {"bool"}, json.dumps(value)
    elif isinstance(value, int) and abs(value) < 2**63:
        kind, text = {"int", "float"}, str(value)
    elif isinstance(value, str) and not re.search(r'["\\\x00-\x1f\x7f]', value):
        kind, text = {"string"}, f'"{value}"'
    else:
        return None
    return text if not kinds or kind & set(kinds) else None
