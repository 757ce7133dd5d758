"""Recover the events from a rendering: what a structured format kept can be read back.

Each decoder returns ``(type, data)`` for every event. Formats that write two values alike (a step without data and one with empty
data) have a ``..._matches`` that says what an event may have become.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Decoded = list[tuple[str, Any]]


def json_events(text: str) -> Decoded:
    return [(event["type"], event["data"]) for event in json.loads(text)]


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
