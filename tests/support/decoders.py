"""Recover the events from a rendering: what a structured format kept can be read back.

Each decoder returns ``(type, data)`` for every event. Formats that write two values alike (a step without data and one with empty
data) have a ``..._matches`` that says what an event may have become.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import yaml

Decoded = list[tuple[str, Any]]


def tagged(text: str, texts: list[bool], read: Callable[[str], Any]) -> Decoded:
    """Read ``<type>`` body ``</type>``. ``texts`` tells which bodies are text as it stands: the format doesn't."""
    events: Decoded = []
    for is_text in texts:
        opening, _, text = text.partition("\n")
        assert opening[0] == "<"
        assert opening[-1] == ">"
        name = opening[1:-1]
        if text.startswith(f"</{name}>"):
            body, text = None, text.removeprefix(f"</{name}>")
        else:
            body, _, text = text.partition(f"\n</{name}>")
        events.append((name, body if is_text or body is None else read(body)))
        text = text.removeprefix("\n\n")
    assert text == ""
    return events


def markdown(text: str, texts: list[bool]) -> Decoded:
    """Read ``## type`` and its body. ``texts`` tells which bodies are text: in quotes if white space is around it."""
    events: Decoded = []
    for section, is_text in zip(re.split(r"\n\n(?=## )", text), texts, strict=True):
        heading, _, body = section.partition("\n\n")
        assert heading.startswith("## ")
        if not body:
            read = None
        elif is_text:
            read = json.loads(body) if body.startswith('"') else body
        else:
            read = bullets(body.split("\n")) if body.startswith("- ") else json.loads(body)
        events.append((heading.removeprefix("## "), read))
    return events


def bullets(lines: list[str]) -> Any:
    """Read a list of bullets; bullets of ``**key**:`` are an object."""
    items: list[list[str]] = []
    for line in lines:
        if line.startswith("- "):
            items.append([])
        items[-1].append(line[2:])
        assert line[:2] in ("- ", "  ")
    if not items[0][0].startswith("**"):
        return [bullets(item) if item[0].startswith(("- ", "**")) else scalar(*item) for item in items]
    keyed = {}
    for first, *rest in items:
        end = 2 + json.JSONDecoder().raw_decode(first[2:])[1] if first[2] == '"' else first.index("**:")
        assert first[end : end + 3] == "**:"
        keyed[str(scalar(first[2:end]))] = scalar(first[end + 4 :]) if first[end + 3 :] else bullets(rest)
    return keyed


def scalar(text: str) -> Any:
    return json.loads(text) if text.startswith('"') else yaml.safe_load(text)


def orders_differ(value: object) -> bool:
    """Tell whether two objects, at any depth, have the same keys in another order."""
    orders: dict[frozenset[str], list[str]] = {}

    def differ(value: object) -> bool:
        if isinstance(value, dict):
            return orders.setdefault(frozenset(value), [*value]) != [*value] or any([differ(item) for item in value.values()])
        return isinstance(value, list) and any([differ(item) for item in value])

    return differ(value)


def whole(value: Any) -> Any:
    """Write 1.0 as 1 (where TOON does: up to 1e21)."""
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e21 else value


_BORDERS = {
    "xml": (r'<([^ >]+)(?: call="(.+)")?>', "\n</{}>"),
    "attribute": (r'<event type="([^"]+)"(?: call="(.+)")?>', "\n</event>"),
    "bracket": (r'\[([^ \]]+)(?: call="(.+)")?\]', "\n[/{}]"),
    "heading": (r'## ([^ ]+)(?: call="(.+)")?', ""),
}


def trace(
    text: str, texts: list[bool], *, body: str = "yaml", tag: str = "xml", indent: int = 0, separator: str = "blank"
) -> tuple[Decoded, list[str | None]]:
    """Read a trace with its parameters; give its events, and the step that each says it answers. ``texts`` as in ``tagged``."""
    opening, closing = _BORDERS[tag]
    gap = {"blank": "\n\n", "line": "\n"}[separator]
    events: Decoded = []
    answered: list[str | None] = []
    for number, is_text in enumerate(texts, 1):
        head, _, rest = text.partition("\n")
        match = re.fullmatch(opening, head)
        assert match, head
        last = number == len(texts)
        end = closing.format(match[1]) + ("" if last else gap) + ("" if last or closing else "## ")
        inside, _, text = f"\n{rest}".partition(end) if end else (f"\n{rest}".rstrip("\n"), "", "")
        text = text if closing else f"## {text}"
        lines = inside.split("\n")[1:]
        assert all(line.startswith(" " * indent) for line in lines)
        written = "\n".join(line[indent:] for line in lines)
        events.append((match[1], None if not lines else written if is_text else _READ[body](written)))
        answered.append(match[2])
    return events, answered


def strict_json(text: str) -> Any:
    """Read JSON without the words that only Python reads, such as NaN."""
    return json.loads(text, parse_constant=lambda word: json.loads(""))


def json_or_yaml(text: str) -> Any:
    try:
        return strict_json(text)
    except ValueError:
        return yaml.safe_load(text)


def key_lines(text: str) -> Any:
    """Read ``key: value`` lines, of which both are JSON or a text that isn't; or one JSON value."""
    try:
        return strict_json(text)
    except ValueError:
        return dict(map(_key_line, text.split("\n")))


def _key_line(line: str) -> tuple[str, Any]:
    if line.startswith('"'):
        key, end = json.JSONDecoder().raw_decode(line)
        assert line[end : end + 2] == ": "
        value = line[end + 2 :]
    else:
        key, _, value = line.partition(": ")
    try:
        return key, strict_json(value)
    except ValueError:
        return key, value


_READ: dict[str, Callable[[str], Any]] = {
    "yaml": json_or_yaml,
    "json": strict_json,
    "json_pretty": strict_json,
    "lines": key_lines,
}


def tool_messages(messages: list[dict[str, Any]]) -> Decoded:
    """A call is ``(name, arguments)``, its answer ``(name + "_result", body)``, a user message ``(type, data)``."""
    events: Decoded = []
    names: dict[str, str] = {}
    for message in messages:
        if message["role"] == "assistant":
            for call in message["tool_calls"]:
                names[call["id"]] = call["function"]["name"]
                events.append((call["function"]["name"], json.loads(call["function"]["arguments"])))
        elif message["role"] == "tool":
            if message["content"]:
                events.append((f"{names[message['tool_call_id']]}_result", json.loads(message["content"])))
        else:
            events.append(user_message(message["content"]))
    return events


def tool_message_matches(event: dict[str, Any], decoded: tuple[str, Any]) -> bool:
    kind, data = event["type"], event["data"]
    if event["role"] == "step":
        return same(decoded, (kind, {} if data is None else data if isinstance(data, dict) else {"data": data}))
    if event["role"] == "input":
        return same(decoded, (spoken_as_user_input(event), data))
    name = decoded[0].removesuffix("_result")
    own = kind in (f"{name}_result", f"{name}_response")
    return (own and same(decoded[1], data)) or same(decoded[1], {kind: data}) or same(decoded, (kind, data))


def text_messages(messages: list[dict[str, Any]]) -> Decoded:
    """An assistant message is ``("step", its JSON)``, a user message ``(type, data)``; ``{}`` stands for no result."""
    events: Decoded = []
    for message in messages:
        if message["role"] == "assistant":
            events.append(("step", json.loads(message["content"])))
        elif message["content"] != "{}":
            events.append(user_message(message["content"]))
    return events


def text_message_matches(event: dict[str, Any], decoded: tuple[str, Any]) -> bool:
    kind, data = event["type"], event["data"]
    if event["role"] != "step":
        return same(decoded, (spoken_as_user_input(event), data))
    if data is None:
        return same(decoded, ("step", {"intent": kind}))
    if isinstance(data, dict) and data.get("intent", kind) == kind:
        return same(decoded, ("step", data if "intent" in data else {"intent": kind, **data}))
    return same(decoded, ("step", {"intent": kind, "data": data}))


def user_message(content: str) -> tuple[str, Any]:
    if not content.startswith("{"):
        return "user_input", content
    [(kind, data)] = json.loads(content).items()
    return kind, data


def spoken_as_user_input(event: dict[str, Any]) -> str:
    """What a user said stands without its type, so ``user_message`` and ``user_input`` read alike."""
    text = event["data"]
    plain = isinstance(text, str) and text.strip() and not text.lstrip().startswith("{")
    return "user_input" if plain and event["role"] == "input" and event["type"] == "user_message" else event["type"]


def same(left: object, right: object) -> bool:
    """Tell 1 from 1.0 and from True, and keep the order of keys."""
    return json.dumps(left) == json.dumps(right)
