"""Conditions of BAML's tests as labels: ``this.intent == "search" and this.limit <= 3``.

Read are ``==``, ``in``, ``<=`` with ``>=``, ``is none`` and the like, joined by ``and`` and ``or``, over fields of ``this`` (or
``_.result``) and constants. Jinja's grammar of these is Python's but for what ``_python`` changes, so Python parses them. What no
label can say is told, and left out only where that accepts more steps, never other ones.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic import JsonValue

from phrasing.scorers import DEFAULT_TOLERANCE
from phrasing.types import canonical_json

Path = tuple[str | int, ...]
Facts = Mapping[Path, tuple[tuple[str, JsonValue], ...]]
"""What a step must have to meet a condition: by the path of a field, what is known of its value."""

UNREAD = "a condition that no label can say"
NO_STEP = "no assertion names the step"

_MOST = 1_000
"""Alternatives, and elements of a list: a test that a person wrote has a few."""

_TOKEN = re.compile(r""""([^"]*)"|'([^']*)'|\.\s*([A-Za-z_]\w*)|~""")
_CONSTANTS: dict[str, JsonValue] = {"true": True, "false": False, "none": None}
_KINDS = frozenset({"mapping", "sequence", "string", "number"})


class _Unread(Exception):
    """A condition, or a part of one, that no label can say."""


def labels(conditions: Iterable[str], field: str) -> tuple[list[dict[str, JsonValue]], int]:
    """Give the steps that meet all conditions, as a dataset has them, and how many parts of conditions they don't hold.

    ``field`` tells steps apart. Raises ``ValueError`` where any step could meet the conditions, or none can.
    """
    unread: list[_Unread] = []
    met: list[Facts] = [{}]
    for condition in conditions:
        try:
            met = _all([met, _read(_parse(condition), field, unread)], field)
        except _Unread as why:
            unread.append(why)
    if not met:
        raise ValueError("assertions that contradict each other")
    return [_label(facts, field, unread) for facts in met], len(unread)


def _label(facts: Facts, field: str, unread: list[_Unread]) -> dict[str, JsonValue]:
    intent = next((value for kind, value in facts.get((field,), ()) if kind == "value"), None)
    if not isinstance(intent, str):
        raise ValueError(NO_STEP)
    args: dict[str, JsonValue] = {}
    for name in dict.fromkeys(path[0] for path in facts if path[:1] != (field,)):
        try:
            args[str(name)] = _value(_below(facts, (name,)))
        except _Unread as why:
            unread.append(why)
    return {"intent": intent, "args": args} if args else {"intent": intent}


# ---------------------------------------------------------------------------------------------- to alternatives


def _parse(condition: str) -> ast.expr:
    try:
        return ast.parse(f"({_TOKEN.sub(_python, condition)})", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _Unread from None


def _python(token: re.Match[str]) -> str:
    """Write for Python: texts have no escapes, a field may be called ``from``, and ``~`` joins texts."""
    if token[3] is not None:
        return f"[{token[3]!r}]"
    return "@" if token[0] == "~" else repr(token[1] if token[1] is not None else token[2])


def _read(node: ast.expr, field: str, unread: list[_Unread]) -> list[Facts]:
    """Give the alternatives, any of which meets a condition."""
    match node:
        case ast.BoolOp(op=ast.And()):
            parts, failed = [], []
            for each in node.values:
                try:
                    parts.append(_read(each, field, unread))
                except _Unread as why:
                    failed.append(why)
            if not parts:
                raise failed[0]
            unread += failed
            return _all(parts, field)
        case ast.BoolOp(op=ast.Or()):
            return _any([facts for each in node.values for facts in _read(each, field, unread)], field)
        case ast.Compare(ops=[op], comparators=[right]):
            return _any(list(_compared(node.left, op, right)), field)
    raise _Unread


def _all(parts: Sequence[Sequence[Facts]], field: str) -> list[Facts]:
    """Join conditions that hold at once."""
    joined: list[Facts] = [{}]
    for part in parts:
        if len(joined) * len(part) > _MOST:
            raise _Unread
        both = [
            {path: (*one.get(path, ()), *other.get(path, ())) for path in {**one, **other}} for one in joined for other in part
        ]
        joined = [facts for facts in both if len(set(facts.get((field,), ()))) <= 1]
    return joined


def _any(alternatives: Sequence[Facts], field: str) -> list[Facts]:
    """Join alternatives: those of one field into one of several values."""
    paths = [path for facts in alternatives for path in facts]
    shared = _shared(paths)
    if len(alternatives) == 1 or not shared or shared[0] == field:
        return list(alternatives)
    return [{shared: (("value", _one_of([_value(_below(facts, shared)) for facts in alternatives])),)}]


def _shared(paths: Sequence[Path]) -> Path:
    """Give how all paths begin."""
    length = next((i for i, keys in enumerate(zip(*paths, strict=False)) if len(set(keys)) > 1), min(map(len, paths), default=0))
    return paths[0][:length] if paths else ()


def _compared(left: ast.expr, op: ast.cmpop, right: ast.expr) -> Iterator[Facts]:
    match op:
        case ast.Eq():
            path, filter = _field(left if _is_field(left) else right)
            value = _constant(right if _is_field(left) else left)
            if filter not in ("", "length"):
                raise _Unread
            yield {path: (("length" if filter else "value", value),)}
        case ast.In() if _is_field(left):
            values = _constant(right)
            path, filter = _field(left)
            if filter or not isinstance(values, list) or not values:
                raise _Unread
            yield from ({path: (("value", value),)} for value in values)
        case ast.In():
            path, filter = _field(right)
            value = _constant(left)
            if filter not in ("", "lower") or not isinstance(value, str):
                raise _Unread
            yield {path: (("value", {"$contains": value}),)}
        case ast.GtE() | ast.LtE():
            path, filter = _field(left if _is_field(left) else right)
            value = _constant(right if _is_field(left) else left)
            if filter or isinstance(value, bool) or not isinstance(value, (int, float)):
                raise _Unread
            yield {path: (("least" if isinstance(op, ast.GtE) == _is_field(left) else "most", value),)}
        case ast.Is() if isinstance(right, ast.Name) and right.id in ("none", "undefined", *_KINDS):
            path, filter = _field(left)
            if filter:
                raise _Unread
            yield {path: (("kind", right.id) if right.id in _KINDS else ("value", None),)}
        case _:
            raise _Unread


def _is_field(node: ast.expr) -> bool:
    return isinstance(node, (ast.Subscript, ast.BinOp)) and not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult))


def _field(node: ast.expr) -> tuple[Path, str]:
    """Read ``this.place.name`` as a path, and the filter behind it, if any."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) and isinstance(node.right, ast.Name):
        return _path(node.left), node.right.id
    return _path(node), ""


def _path(node: ast.expr) -> Path:
    keys: list[str | int] = []
    while isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        if type(node.slice.value) not in (str, int):
            raise _Unread
        keys.insert(0, node.slice.value)  # type: ignore[arg-type]  # just looked at
        node = node.value
    root = node.id if isinstance(node, ast.Name) else ""
    if root == "_" and keys[:1] == ["result"]:
        root, keys = "this", keys[1:]
    if root != "this" or not keys or not isinstance(keys[0], str):
        raise _Unread
    return tuple(keys)


def _constant(node: ast.expr) -> JsonValue:
    match node:
        case ast.Constant(value=bool() | int() | str() as value):
            return value
        case ast.Constant(value=float() as value) if math.isfinite(value):
            return value
        case ast.Name() if node.id in _CONSTANTS:
            return _CONSTANTS[node.id]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -_number(value)
        case ast.List():
            return [_constant(each) for each in node.elts]
        case ast.Dict() if all(isinstance(key, ast.Constant) and isinstance(key.value, str) for key in node.keys):
            keys = [_key(str(key.value)) for key in node.keys if isinstance(key, ast.Constant)]
            return dict(zip(keys, map(_constant, node.values), strict=True))
        case ast.BinOp(op=ast.MatMult()):
            return f"{_constant(node.left)}{_constant(node.right)}"
    raise _Unread


def _number(value: float) -> float:
    if not math.isfinite(value):
        raise _Unread
    return value


# ---------------------------------------------------------------------------------------------- to values


def _below(facts: Facts, path: Path) -> Facts:
    return {key[len(path) :]: value for key, value in facts.items() if key[: len(path)] == path}


def _value(facts: Facts) -> JsonValue:
    """Give the value, or the matcher, for what is known of a field and of what is in it."""
    known: dict[str, list[JsonValue]] = {}
    for kind, each in facts.get((), ()):
        known.setdefault(kind, []).append(each)
    inside = list(dict.fromkeys(path[0] for path in facts if path))
    if values := known.get("value"):
        if inside or len(set(map(canonical_json, values))) > 1 or known.keys() & {"least", "most", "length"}:
            raise _Unread
        return values[0]
    if "least" in known and "most" in known and not inside:
        return _around(max(map(_float, known["least"])), min(map(_float, known["most"])))
    if "sequence" in known.get("kind", ()) and (length := known.get("length")):
        return _list(facts, length[0], inside)
    if inside and all(isinstance(key, str) for key in inside):
        return {_key(str(key)): _value(_below(facts, (key,))) for key in inside}
    if "mapping" in known.get("kind", ()) and not inside:
        return {}
    raise _Unread


def _list(facts: Facts, length: JsonValue, inside: Sequence[str | int]) -> list[JsonValue]:
    if not isinstance(length, int) or not 0 <= length <= _MOST or not all(key in range(length) for key in inside):
        raise _Unread
    return [_value(_below(facts, (i,))) if i in inside else {"$ignore": True} for i in range(length)]


def _key(name: str) -> str:
    if name.startswith("$"):
        raise _Unread  # would be read as a matcher
    return name


def _float(value: JsonValue) -> float:
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
        part = value.get("$contains") if isinstance(value, dict) and len(value) == 1 else None
        # texts are held to it in any case, so the same in another case says no more
        different[f"$contains {part.casefold()}" if isinstance(part, str) else canonical_json(value)] = value
    return next(iter(different.values())) if len(different) == 1 else {"$any_of": list(different.values())}
