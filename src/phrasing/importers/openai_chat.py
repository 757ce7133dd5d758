"""OpenAI Chat Completions messages.

The shape is that of the API's ``messages`` (https://platform.openai.com/docs/api-reference/chat/create): roles ``system``,
``developer``, ``user``, ``assistant`` with ``tool_calls`` or the older ``function_call``, ``tool`` and the older ``function``;
``content`` is a text, null, or a list of parts. A record is such a list, or an object that holds one under ``messages``: a log of
conversations, or a request with its ``tools``. A response beside it (``response``, ``choices``) is its last turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from phrasing.conversations import Call, Conversation, Heard, Item, Lost, Result, Tool, Turn, arguments, output, scalars

TITLE = "OpenAI chat messages: a list, or an object with `messages`"

ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def fits(record: JsonValue) -> bool:
    """Tell whether a record looks like this."""
    found = record.get("messages") if isinstance(record, dict) else record
    return isinstance(found, list) and bool(found) and all(isinstance(one, dict) and one.get("role") in ROLES for one in found)


def read(record: JsonValue) -> Iterator[Conversation]:
    """Read a record. Raises ``ValueError`` where it is another shape."""
    holder: dict[str, Any] = record if isinstance(record, dict) else {"messages": record}
    messages = holder.get("messages")
    if not isinstance(messages, list):
        raise ValueError("has no list `messages`")
    answer = response(holder.get("response") or holder.get("choices"))
    yield conversation(messages, answer, holder)


def conversation(messages: list[Any], answer: dict[str, Any] | None, holder: dict[str, Any]) -> Conversation:
    """Make a conversation of messages, the answer that came to them, if it stands apart, and the record they stand in."""
    system, items = items_of([*messages, answer] if answer else messages)
    return Conversation(
        items=tuple(items),
        id=name_of(holder),
        system=system,
        tools=tools_of(holder),
        meta=scalars(holder, without=("messages", "response", "choices", "tools", "functions", "id")),
        whole=answer is None,
    )


def name_of(holder: dict[str, Any]) -> str | None:
    """Find what a record calls its conversation."""
    for key in ("conversation_id", "session_id", "thread_id", "id", "task_id"):
        if isinstance(holder.get(key), (str, int)) and not isinstance(holder[key], bool) and holder[key] != "":
            return str(holder[key])
    return None


def tools_of(holder: dict[str, Any]) -> tuple[Tool, ...]:
    """Find what a request offers."""
    found = holder.get("tools") or holder.get("functions") or ()
    return tuple(tool for tool in found if isinstance(tool, dict)) if isinstance(found, list) else ()


def response(found: Any) -> dict[str, Any] | None:
    """Find the message in a response: a completion with ``choices``, the choices, or the message itself."""
    if isinstance(found, dict) and "choices" in found:
        found = found["choices"]
    if isinstance(found, list):
        found = found[0] if found and isinstance(found[0], dict) else None
    if isinstance(found, dict) and isinstance(found.get("message"), dict):
        found = found["message"]
    return {"role": "assistant", **found} if isinstance(found, dict) and {"content", "tool_calls"} & found.keys() else None


def items_of(messages: list[Any]) -> tuple[str, list[Item]]:
    """Read messages: the instructions that they begin with, and what happened then."""
    system: list[str] = []
    items: list[Item] = []
    for message in messages:
        if not isinstance(message, dict):
            raise ValueError("a message isn't an object")
        role = message.get("role")
        if role == "assistant":
            text, lost = text_of(message.get("content"))
            calls, more = _calls(message)
            items += map(Lost, (*lost, *more))
            items.append(Turn(text or str(message.get("refusal") or ""), calls))
        elif role in ("tool", "function"):
            text, lost = text_of(message.get("content"))
            items += map(Lost, lost)
            items.append(Result(output(text), text_or_none(message.get("tool_call_id")), text_or_none(message.get("name"))))
        elif role == "user":
            text, lost = text_of(message.get("content"))
            items += map(Lost, lost)
            items.append(Heard(text))
        elif role in ("system", "developer"):
            text, lost = text_of(message.get("content"))
            if any(not isinstance(item, Lost) for item in items):
                items += [*map(Lost, lost), Heard(text, "system_message")]
            else:
                system.append(text)
        else:
            items.append(Lost("a message of another role than system, developer, user, assistant, tool and function"))
    return "\n\n".join(system), items


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


def _calls(message: dict[str, Any]) -> tuple[tuple[Call, ...], list[str]]:
    listed = message.get("tool_calls") or ([{"function": old}] if (old := message.get("function_call")) else [])
    calls, lost = [], []
    for one in listed if isinstance(listed, list) else [None]:
        function = one.get("function") if isinstance(one, dict) else None
        if isinstance(one, dict) and isinstance(function, dict) and isinstance(function.get("name"), str) and function["name"]:
            calls.append(Call(function["name"], arguments(function.get("arguments")), text_or_none(one.get("id"))))
        else:
            lost.append("a tool call without a name")
    return tuple(calls), lost


def text_or_none(value: object) -> str | None:
    """Give a text that isn't empty."""
    return value if isinstance(value, str) and value else None
