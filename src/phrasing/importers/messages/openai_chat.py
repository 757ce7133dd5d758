"""OpenAI Chat Completions messages.

The shape is that of the API's ``messages`` (https://platform.openai.com/docs/api-reference/chat/create): roles ``system``,
``developer``, ``user``, ``assistant`` with ``tool_calls`` (functions, and custom tools, whose text is read as the argument
``input``) or the older ``function_call``, ``tool`` and the older ``function``; ``content`` is a text, null, or a list of parts.

A record is such a list, or an object that holds one under ``messages``, ``conversation``, ``conversations`` or ``traj``: a log of
conversations, a line of a fine-tuning file, a request with its ``tools``. The messages may be ShareGPT's instead, ``from`` and
``value``, with ``function_call`` and ``observation`` (https://github.com/hiyouga/LLaMA-Factory, data/README.md). A request and
its response may stand side by side: ``messages`` and ``response`` or ``choices``; ``request`` or ``body`` and ``response``, as in
lines of the batch API put together. The response is then the one decision, and what stands before it is history.

Reasoning that servers add (``reasoning_content``, parts of type ``thinking``) is left out: the API's own messages have none, so
no later step was shown it. Images, audio and files are counted as lost.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from phrasing.importers.conversation import Call, Conversation, Heard, Item, Lost, Result, Tool, Turn, arguments, output, scalars

TITLE = "OpenAI chat messages: a list, an object with `messages`, or a request with its response"

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
NO_ANSWER = "a response without a message"

_LISTS = ("messages", "conversation", "conversations", "traj")
_BESIDE = (*_LISTS, "request", "body", "response", "choices", "tools", "functions", "system", "id")
_SAYS = {"content", "tool_calls", "function_call", "refusal", "audio"}
_REASONING = ("thinking", "redacted_thinking", "reasoning")
_NAMES = ("conversation_id", "session_id", "thread_id", "trace_id"), ("custom_id", "id", "task_id", "request_id")
_SHAREGPT = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "function_call": "assistant",
    "observation": "tool",
}


def fits(record: JsonValue) -> bool:
    """Tell whether a record looks like this."""
    found = _messages(exchange(record)[0])
    return isinstance(found, list) and bool(found) and (all(map(_is_message, found)) or all(map(_is_sharegpt, found)))


def read(record: JsonValue) -> Iterator[Conversation]:
    """Read a record. Raises ``ValueError`` where it is another shape."""
    holder, answered, found = exchange(record)
    messages = _messages(holder)
    if not isinstance(messages, list):
        raise ValueError("has no list `messages`")
    if messages and all(map(_is_sharegpt, messages)):
        messages = [*({"role": "system", "content": text} for text in [holder.get("system")] if text), *map(_spoken, messages)]
    answer = response(found)
    made = conversation([*messages], answer, holder)
    outer = record if isinstance(record, dict) else {}
    lost = [Lost("a further choice of a response", harmless=True)] * (len(_choices(found)) - 1)
    yield dataclasses.replace(
        made,
        id=name_of(outer, holder),
        meta={**made.meta, **scalars(outer, without=_BESIDE)},
        items=(*lost, *made.items, *([Lost(NO_ANSWER)] if answered and answer is None else [])),
        whole=not answered,
    )


def conversation(messages: list[Any], answer: dict[str, Any] | None, holder: dict[str, Any]) -> Conversation:
    """Make a conversation of messages, the answer that came to them, if it stands apart, and the record they stand in."""
    system, items = items_of([*messages, answer] if answer else messages)
    return Conversation(
        items=tuple(items),
        id=name_of(holder),
        system=system,
        tools=tools_of(holder),
        meta=scalars(holder, without=_BESIDE),
        whole=answer is None,
    )


def exchange(record: JsonValue) -> tuple[dict[str, Any], bool, Any]:
    """Take a record apart: the request, whether a response has its place in the record, and what stands there.

    A list is the messages of a request.
    """
    if not isinstance(record, dict):
        return {"messages": record}, False, None
    inner = (_body(record.get(key)) for key in ("request", "body"))
    request = next((one for one in inner if isinstance(one, dict) and ("input" in one or _messages(one) is not None)), record)
    key = next((key for key in ("response", "choices") if key in record), None)
    return request, key is not None, _body(record[key]) if key else None


def name_of(*holders: dict[str, Any]) -> str | None:
    """Find what a record calls its conversation: what would be the same for all its calls first, then what is its own."""
    metadata = (holder["metadata"] for holder in holders if isinstance(holder.get("metadata"), dict))
    for keys, places in ((_NAMES[0], (*holders, *metadata)), (_NAMES[1], holders)):
        for place in places:
            for key in keys:
                name = place.get(key)
                if isinstance(name, (str, int)) and not isinstance(name, bool) and name != "":
                    return str(name)
    return None


def tools_of(holder: dict[str, Any]) -> tuple[Tool, ...]:
    """Find what a request offers, also where the list is written as text."""
    found = output(holder.get("tools") or holder.get("functions"))
    return tuple(tool for tool in found if isinstance(tool, dict)) if isinstance(found, list) else ()


def response(found: Any) -> dict[str, Any] | None:
    """Find the message in a response: a completion with ``choices``, the choices, the message itself, or its text."""
    if choices := _choices(found):
        found = choices[0]
    if isinstance(found, str) and found:
        return {"role": "assistant", "content": found}
    if isinstance(found, dict) and isinstance(found.get("message"), dict):
        found = found["message"]
    return {**found, "role": "assistant"} if isinstance(found, dict) and _SAYS & found.keys() else None


def items_of(messages: list[Any]) -> tuple[str, list[Item]]:
    """Read messages: the instructions that they begin with, and what happened then."""
    system: list[str] = []
    items: list[Item] = []
    for message in messages:
        if not isinstance(message, dict):
            raise ValueError("a message isn't an object")
        role, content = message.get("role"), message.get("content")
        if role == "assistant":
            items += _said(message)
        elif role in ("tool", "function"):
            items += _result(message)
        elif role in ("system", "developer", "user"):
            text, lost = text_of(content)
            items += map(Lost, lost)
            if role == "user":
                named = text_or_none(message.get("name"))
                items.append(Heard({"name": named, "text": text} if named else text))
            elif any(not isinstance(item, Lost) for item in items):
                items.append(Heard(text, "system_message"))
            else:
                system.append(text)
        else:
            items.append(Lost("a message of another role than system, developer, user, assistant, tool and function"))
    return "\n\n".join(filter(None, system)), items


def text_of(content: JsonValue) -> tuple[str, list[str]]:
    """Read a message's content: its text, and what of it isn't text."""
    if content is None:
        return "", []
    if isinstance(content, str):
        return content, []
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        return "", ["content that is neither text nor a list of parts"]
    texts, lost = [], []
    for part in content:
        found = part if isinstance(part, str) else part.get("text") or part.get("refusal") if isinstance(part, dict) else None
        if isinstance(found, str):
            texts.append(found)
        elif not (isinstance(part, dict) and part.get("type") in ("text", "input_text", "output_text")):
            lost.append("a part that isn't text (an image, audio, a file)")
    return "\n".join(texts), lost


def value_of(content: JsonValue) -> tuple[JsonValue, list[str]]:
    """Read what a tool gave back: text or parts of it as text, and as the JSON that it is; any other value as it stands."""
    parts = isinstance(content, list) and all(isinstance(part, dict) and "type" in part for part in content)
    if not (content is None or isinstance(content, str) or parts):
        return content, []
    text, lost = text_of(content)
    return output(text), lost


def text_or_none(value: object) -> str | None:
    """Give a text that isn't empty."""
    return value if isinstance(value, str) and value else None


def _said(message: dict[str, Any]) -> Iterator[Item]:
    """Read the assistant's message: one turn, after what of it can't be shown."""
    content, audio = message.get("content"), message.get("audio")
    parts = content if isinstance(content, list) else []
    thoughts = [part for part in parts if isinstance(part, dict) and part.get("type") in _REASONING]
    if thoughts or any(message.get(key) for key in ("reasoning_content", "reasoning", "thinking_blocks")):
        yield Lost("reasoning", harmless=True)
    if text_or_none(message.get("name")):
        yield Lost("the name of an assistant", harmless=True)
    text, lost = text_of([part for part in parts if part not in thoughts] if thoughts else content)
    text = text or text_or_none(message.get("refusal")) or ""
    if not text and isinstance(audio, dict):
        text = text_or_none(audio.get("transcript")) or ""
        lost += [] if text else ["an answer in audio alone"]
    calls, more = _calls(message)
    yield from map(Lost, (*lost, *more))
    yield Turn(text, calls)


def _calls(message: dict[str, Any]) -> tuple[tuple[Call, ...], list[str]]:
    listed = message.get("tool_calls") or ([{"function": old}] if (old := message.get("function_call")) else [])
    calls, lost = [], []
    for one in listed if isinstance(listed, list) else [None]:
        call = one if isinstance(one, dict) else {}
        tool: dict[str, Any] = next((call[key] for key in ("function", "custom") if isinstance(call.get(key), dict)), {})
        if name := text_or_none(tool.get("name")):
            free = call.get("type") == "custom" and isinstance(tool.get("input"), str)
            given = {"input": tool["input"]} if free else arguments(tool.get("arguments"))
            calls.append(Call(name, given, text_or_none(call.get("id"))))
        else:
            lost.append("a tool call without a name")
    return tuple(calls), lost


def _result(message: dict[str, Any]) -> Iterator[Item]:
    value, lost = value_of(message.get("content"))
    yield from map(Lost, lost)
    failed = message.get("status") == "error"  # the API's messages have no such thing; those that LangChain made of its own do
    yield Result(value, text_or_none(message.get("tool_call_id")), text_or_none(message.get("name")), failed)


def _messages(holder: dict[str, Any]) -> Any:
    return next((holder[key] for key in _LISTS if isinstance(holder.get(key), list)), None)


def _body(found: Any) -> Any:
    """Give the body of a request or a response that stands with its HTTP envelope."""
    return found["body"] if isinstance(found, dict) and isinstance(found.get("body"), dict) else found


def _choices(found: Any) -> list[Any]:
    choices = found.get("choices") if isinstance(found, dict) else found
    return choices if isinstance(choices, list) else []


def _is_message(one: Any) -> bool:
    return isinstance(one, dict) and one.get("role") in ROLES and not _SAYS.isdisjoint(one)


def _is_sharegpt(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("from"), str) and one["from"] in _SHAREGPT and "value" in one


def _spoken(one: dict[str, Any]) -> dict[str, Any]:
    """Write a message of ShareGPT as one of the API's. The value of a ``function_call`` is a call, or a list of them, as JSON."""
    role, value = _SHAREGPT[one["from"]], one["value"]
    if one["from"] != "function_call":
        return {"role": role, "content": value}
    calls = output(value)
    return {"role": role, "tool_calls": [{"function": call} for call in (calls if isinstance(calls, list) else [calls])]}
