"""Conditions of BAML's tests as labels: ``this.intent == "search" and this.limit == 3``.

Read are ``==``, ``in``, ``>=`` with ``<=``, ``is none`` and the like, joined by ``and`` and ``or``, over fields of ``this`` (or
``_.result``) and constants. A part that no label can say is counted, and left out only where that accepts more steps, never
other ones.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pydantic import JsonValue

from phrasing.score.matchers import DEFAULT_TOLERANCE
from phrasing.types import canonical_json

if TYPE_CHECKING:
    from jinja2 import nodes

UNREAD_CONDITION = "a condition that no label can say"
NO_STEP = "no assertion names the step"
CONTRADICTING = "assertions that contradict each other"

_MOST = 1_000
"""Alternatives, and elements of a list: a test that a person wrote has a few."""

Path = tuple[str | int, ...]


class Fact(NamedTuple):
    """What is known of a field: its ``value`` (or a matcher), the ``least`` or ``most`` it is, its ``length``, its ``kind``."""

    path: Path
    about: str
    value: JsonValue


Alternative = tuple[Fact, ...]
"""Facts of a step that hold at once."""


class _Unread(Exception):
    """A condition, or a part of one, that no label can say."""


def read_labels(conditions: Iterable[str], field: str) -> tuple[list[dict[str, JsonValue]], int]:
    """Give the steps that meet all conditions, as a dataset has them, and how many parts of conditions they don't hold.

    ``field`` tells steps apart. Raises ``ValueError`` where any step could meet the conditions, or none can.
    """
    reader = _Reader(field)
    met: list[Alternative] = [()]
    for condition in conditions:
        try:
            met = reader.all([met, reader.read(_parse(condition))])
        except (_Unread, RecursionError):
            reader.unread += 1
    if not met:
        raise ValueError(CONTRADICTING)
    return [reader.label(facts) for facts in met], reader.unread


def _parse(condition: str) -> nodes.Expr:
    """Parse with Jinja, in which BAML's tests have no escapes: a backslash is a backslash, and a CR stays one."""
    import jinja2
    from jinja2.parser import Parser
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment()  # nothing is run, only constants are worked out: of a file that somebody else wrote
    try:
        parser = Parser(environment, condition.replace("\\", "\\\\").replace("\r", "\\r"), state="variable")
        expression = parser.parse_expression()
    except (jinja2.TemplateSyntaxError, ValueError):
        raise _Unread from None
    if not parser.stream.eos:
        raise _Unread
    expression.set_environment(environment)
    return expression


class _Reader:
    """Reads conditions on steps that ``field`` tells apart, and counts what no label can say."""

    def __init__(self, field: str) -> None:
        self.unread = 0
        self._field = field

    def read(self, node: nodes.Expr) -> list[Alternative]:
        """Give the alternatives, any of which meets a condition."""
        from jinja2 import nodes

        match node:
            case nodes.And():
                parts, missed = [], 0
                for each in _operands(node, nodes.And):
                    try:
                        parts.append(self.read(each))
                    except _Unread:
                        missed += 1
                if not parts:
                    raise _Unread
                self.unread += missed
                return self.all(parts)
            case nodes.Or():
                return self._any([facts for each in _operands(node, nodes.Or) for facts in self.read(each)])
            case nodes.Compare(expr=left, ops=[nodes.Operand(op=operator, expr=right)]):
                return self._any(_compared(left, operator, right))
            case nodes.Test(name="none" | "undefined"):
                return [(Fact(_path(node.node), "value", None),)]
            case nodes.Test(name="mapping" | "sequence" | "string" | "number" | "integer"):
                return [(Fact(_path(node.node), "kind", node.name),)]
        raise _Unread

    def all(self, parts: Sequence[Sequence[Alternative]]) -> list[Alternative]:
        """Join conditions that hold at once."""
        if math.prod(map(len, parts)) > _MOST:
            raise _Unread
        joined = (tuple(itertools.chain.from_iterable(chosen)) for chosen in itertools.product(*parts))
        return [facts for facts in joined if len({fact.value for fact in facts if self._names_step(fact)}) <= 1]

    def _any(self, alternatives: list[Alternative]) -> list[Alternative]:
        """Join alternatives: those of one argument into one of several values."""
        paths = [fact.path for facts in alternatives for fact in facts]
        shared = paths[0] if paths else ()
        while any(path[: len(shared)] != shared for path in paths):
            shared = shared[:-1]
        if len(alternatives) == 1 or shared in ((), (self._field,)):
            return alternatives
        return [(Fact(shared, "value", _one_of([_value(_below(facts, shared)) for facts in alternatives])),)]

    def _names_step(self, fact: Fact) -> bool:
        return fact.path == (self._field,) and isinstance(fact.value, str) and fact.about == "value"

    def label(self, facts: Alternative) -> dict[str, JsonValue]:
        """Write a step. Raises ``ValueError`` where the facts don't name it."""
        intent = next((fact.value for fact in facts if self._names_step(fact)), None)
        if intent is None:
            raise ValueError(NO_STEP)
        args: dict[str, JsonValue] = {}
        for name in dict.fromkeys(str(fact.path[0]) for fact in facts if fact.path[0] != self._field):
            try:
                args[name] = _value(_below(facts, (name,)))
            except _Unread:
                self.unread += 1
        return {"intent": intent, "args": args} if args else {"intent": intent}


# ---------------------------------------------------------------------------------------------- facts


def _operands(node: nodes.Expr, kind: type[nodes.BinExpr]) -> list[nodes.Expr]:
    return [*_operands(node.left, kind), *_operands(node.right, kind)] if isinstance(node, kind) else [node]


def _compared(left: nodes.Expr, operator: str, right: nodes.Expr) -> list[Alternative]:
    from jinja2 import nodes

    if operator == "in":
        return _contained(left, right)
    if not isinstance(left, (nodes.Getattr, nodes.Getitem, nodes.Filter)):
        left, right = right, left
        operator = {"gteq": "lteq", "lteq": "gteq"}.get(operator, operator)
    value = _constant(right)
    about = {"eq": "value", "gteq": "least", "lteq": "most"}.get(operator, "")
    if isinstance(left, nodes.Filter) and left.name == "length" and about == "value":
        return [(Fact(_path(left.node), "length", value),)]
    if isinstance(left, nodes.Filter) and left.name == "lower" and about == "value":
        if not isinstance(value, str) or value != value.lower():
            raise _Unread
        return [(Fact(_path(left.node), "value", {"$any_case": value}),)]
    if not about or (about != "value" and (isinstance(value, bool) or not isinstance(value, (int, float)))):
        raise _Unread
    return [(Fact(_path(left), about, value),)]


def _contained(part: nodes.Expr, whole: nodes.Expr) -> list[Alternative]:
    """Read ``this.place in [...]``, and ``"text" in this.place``, also in lower case."""
    from jinja2 import nodes

    if isinstance(whole, (nodes.List, nodes.Tuple)):
        return [(Fact(_path(part), "value", _constant(value)),) for value in whole.items]
    path, text = _path(whole.node if isinstance(whole, nodes.Filter) and whole.name == "lower" else whole), _constant(part)
    if not isinstance(text, str):
        raise _Unread
    return [(Fact(path, "value", {"$contains": text}),)]


def _path(node: nodes.Node | None) -> Path:
    """Read ``this.place.name``."""
    from jinja2 import nodes

    match node:
        case nodes.Name(name="this") | nodes.Getattr(node=nodes.Name(name="_"), attr="result"):
            return ()
        case nodes.Getattr() if path := (*_path(node.node), node.attr):
            return path
        case nodes.Getitem(arg=nodes.Const(value=str() | int() as key)) if not isinstance(key, bool):
            return (*_path(node.node), key)
    raise _Unread


def _constant(node: nodes.Expr) -> JsonValue:
    from jinja2 import nodes

    plain = (nodes.Const, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Neg, nodes.Concat)
    if not all(isinstance(each, plain) for each in (node, *node.find_all(nodes.Node))):
        raise _Unread  # a power takes forever
    try:
        text = json.dumps(node.as_const(), allow_nan=False)
    except (nodes.Impossible, ValueError, TypeError):
        raise _Unread from None
    value: JsonValue = json.loads(text, object_pairs_hook=lambda pairs: {_name(key): each for key, each in pairs})
    return value


def _name(key: str) -> str:
    if key.startswith("$"):
        raise _Unread  # would be read as a matcher
    return key


# ---------------------------------------------------------------------------------------------- values


def _below(facts: Alternative, path: Path) -> Alternative:
    return tuple(fact._replace(path=fact.path[len(path) :]) for fact in facts if fact.path[: len(path)] == path)


def _value(facts: Alternative) -> JsonValue:
    """Give the value, or the matcher, for what is known of a field and of what is in it."""
    known: dict[str, list[JsonValue]] = {}
    for fact in facts:
        if not fact.path:
            known.setdefault(fact.about, []).append(fact.value)
    inside = list(dict.fromkeys(fact.path[0] for fact in facts if fact.path))
    kinds, about = known.pop("kind", []), known.keys()
    if about == {"value"} and not inside:
        value = _only(known["value"])
        if not all(_is_of_kind(value, str(kind)) for kind in kinds):
            raise _Unread
        return {"$int": value} if "integer" in kinds and isinstance(value, int) and not isinstance(value, bool) else value
    if about == {"least", "most"} and not inside:
        return _around(max(map(_number, known["least"])), min(map(_number, known["most"])))
    if about == {"length"} and "sequence" in kinds:
        return _list(facts, inside, known["length"][0])
    if not about and (inside or "mapping" in kinds):
        return _object(facts, inside)
    raise _Unread


def _is_of_kind(value: JsonValue, kind: str) -> bool:
    """Tell whether a value can be of one of Jinja's kinds; of a matcher nothing is known."""
    if isinstance(value, dict) and any(key.startswith("$") for key in value):
        return True
    of: dict[str, type | tuple[type, ...]] = {"mapping": dict, "sequence": (list, str, dict), "string": str, "integer": int}
    return isinstance(value, of.get(kind, (int, float)))


def _only(values: Sequence[JsonValue]) -> JsonValue:
    """Give the value that all of these are."""
    if len(set(map(canonical_json, values))) > 1:
        raise _Unread
    return values[0]


def _list(facts: Alternative, inside: Sequence[str | int], length: JsonValue) -> list[JsonValue]:
    """Give a list of so many elements, of which some are known."""
    if not isinstance(length, int) or length > _MOST or not set(inside) <= set(range(length)):
        raise _Unread
    return [_value(_below(facts, (i,))) if i in inside else {"$ignore": True} for i in range(length)]


def _object(facts: Alternative, inside: Sequence[str | int]) -> dict[str, JsonValue]:
    """Give an object of which these fields are known."""
    if not all(isinstance(key, str) for key in inside):
        raise _Unread
    return {_name(str(key)): _value(_below(facts, (key,))) for key in inside}


def _number(value: JsonValue) -> float:
    assert isinstance(value, (int, float))
    return value


def _around(least: float, most: float) -> dict[str, JsonValue]:
    """Give the matcher for a range, in as few digits as its borders allow."""
    half, room = (most - least) / 2, 4 * math.ulp(max(abs(least), abs(most)))
    if half < 0 or math.isinf(half):
        raise _Unread
    number, tolerance = _short(least + half, room), _short(half, room + half * 2 * DEFAULT_TOLERANCE)
    found: dict[str, JsonValue] = {"$number": int(number) if number.is_integer() else number}
    return found if tolerance == DEFAULT_TOLERANCE else {**found, "$tolerance": tolerance}


def _short(value: float, room: float) -> float:
    written = (float(f"{value:.{digits}g}") for digits in range(1, 18))
    return next(short for short in written if abs(short - value) <= room)


def _one_of(values: Sequence[JsonValue]) -> JsonValue:
    different: dict[str, JsonValue] = {}
    for value in values:
        part = value.get("$contains") if isinstance(value, dict) else None
        # texts are held to it in any case, so the same in another case says no more
        different[f"$contains {part.casefold()}" if isinstance(part, str) else canonical_json(value)] = value
    return next(iter(different.values())) if len(different) == 1 else {"$any_of": list(different.values())}
