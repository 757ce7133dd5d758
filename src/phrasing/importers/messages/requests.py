"""A request to a model's API and its response, as records hold them: side by side, in envelopes, as texts.

They may stand beside each other: ``messages`` and ``response`` or ``choices``; ``request`` or ``body`` and ``response``, as in
lines of the batch API put together.
"""

from __future__ import annotations

from typing import Any

from pydantic import JsonValue

from phrasing.importers.conversation import ToolDeclaration
from phrasing.importers.log_values import as_list, objects_in, read_json

MESSAGE_LISTS = ("messages", "conversation", "conversations", "traj")
"""Under which a record may hold a list of messages."""

ANSWER_KEYS = frozenset(("content", "tool_calls", "function_call", "refusal", "audio"))
"""Of which a message of OpenAI's chat API has one at least."""

_NAMES = ("conversation_id", "session_id", "thread_id", "trace_id"), ("custom_id", "id", "task_id", "request_id")


def messages_of(holder: dict[str, Any]) -> list[Any] | None:
    """Find the list of messages in a record; ``None`` where there is none."""
    return next((holder[key] for key in MESSAGE_LISTS if isinstance(holder.get(key), list)), None)


def exchange(record: JsonValue) -> tuple[dict[str, Any], bool, Any]:
    """Take a record apart: the request, whether a response has its place in the record, and what stands there.

    A list is the messages of a request.
    """
    if not isinstance(record, dict):
        return {"messages": record}, False, None
    inner = (_body(record.get(key)) for key in ("request", "body"))
    request = next((one for one in inner if isinstance(one, dict) and ("input" in one or messages_of(one) is not None)), record)
    key = next((key for key in ("response", "choices") if key in record), None)
    return request, key is not None, _body(record[key]) if key else None


def conversation_name(*holders: dict[str, Any]) -> str | None:
    """Find what a record calls its conversation: what would be the same for all its calls first, then what is its own."""
    metadata = (holder["metadata"] for holder in holders if isinstance(holder.get("metadata"), dict))
    for keys, places in ((_NAMES[0], (*holders, *metadata)), (_NAMES[1], holders)):
        for place in places:
            for key in keys:
                name = place.get(key)
                if isinstance(name, (str, int)) and not isinstance(name, bool) and name != "":
                    return str(name)
    return None


def tools_of(holder: dict[str, Any]) -> tuple[ToolDeclaration, ...]:
    """Find what a request offers, also where the list is written as text."""
    return declarations_of(holder.get("tools") or holder.get("functions"))


def declarations_of(found: JsonValue) -> tuple[ToolDeclaration, ...]:
    """Read declarations of tools: a list, or an object by name; each also as text, and Gemini's in groups."""
    found = read_json(found)
    if isinstance(found, dict):
        found = (
            [{"name": name, **tool} for name, tool in found.items() if isinstance(tool, dict)] if "name" not in found else [found]
        )
    made: list[ToolDeclaration] = []
    for one in map(read_json, as_list(found)):
        if not isinstance(one, dict):
            continue
        group = next(
            (one[key] for key in ("function_declarations", "functionDeclarations") if isinstance(one.get(key), list)), None
        )
        made += [one] if group is None else objects_in(group)
    return tuple(map(_with_parameters, made))


def _with_parameters(tool: ToolDeclaration) -> ToolDeclaration:
    """Name the JSON Schema of a tool's arguments as the APIs do, where a library has a name of its own for it."""
    key = next((key for key in ("parameters_json_schema", "parametersJsonSchema") if isinstance(tool.get(key), dict)), None)
    return {**{name: value for name, value in tool.items() if name != key}, "parameters": tool[key]} if key else tool


def choices_of(found: Any) -> list[Any]:
    """Give the choices of a chat completion, or the list that stands for them."""
    return as_list(found.get("choices") if isinstance(found, dict) else found)


def answer_of(found: Any) -> dict[str, Any] | None:
    """Find the message in a response: a completion with ``choices``, the choices, the message itself, or its text."""
    if choices := choices_of(found):
        found = choices[0]
    if isinstance(found, str) and found:
        return {"role": "assistant", "content": found}
    if isinstance(found, dict) and isinstance(found.get("message"), dict):
        found = found["message"]
    return {**found, "role": "assistant"} if isinstance(found, dict) and ANSWER_KEYS & found.keys() else None


def _body(found: Any) -> Any:
    """Give the body of a request or a response that stands with its HTTP envelope."""
    return found["body"] if isinstance(found, dict) and isinstance(found.get("body"), dict) else found
