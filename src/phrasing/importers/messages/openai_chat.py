"""Messages of OpenAI's Chat Completions (https://platform.openai.com/docs/api-reference/chat/create).

Roles are ``system``, ``developer``, ``user``, ``assistant`` with ``tool_calls`` (functions, and custom tools, whose text is read
as the argument ``input``) or the older ``function_call``, ``tool`` and the older ``function``; ``content`` is a text, null, or a
list of parts. Messages of other libraries are written as these first (``message_parts``).

Reasoning that servers add (``reasoning_content``, parts of type ``thinking``) is left out: the API's own messages have none, so
no later step was shown it. Images, audio and files are counted as lost, in a message or beside its content. Several users of one
conversation are told apart by numbers, because their names are nobody's business here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from phrasing.importers.conversation import Call, Heard, Item, Lost, Result, Turn
from phrasing.importers.log_values import as_list, join_texts, read_arguments, read_json, read_output, text_or_none
from phrasing.importers.messages.message_parts import chat_messages

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
NO_MESSAGE = "a response without a message"
NO_NAME = "a tool call without a name"
SAID_NOTHING = "a user's message without content"
BESIDE = "images, audio or files beside a message"

_REASONING_PARTS = ("thinking", "redacted_thinking", "reasoning")
_REASONING_KEYS = ("reasoning_content", "reasoning", "thinking_blocks")
_MEDIA = "a part that isn't text (an image, audio, a file)"
_MEDIA_WORDS = ("image", "audio", "video", "file", "document", "media", "pdf", "blob", "uri", "inline", "binary")
_BESIDE = ("images", "image", "image_url", "image_urls", "videos", "video", "audios", "files", "documents", "attachments")
_BESIDE_KEYS = (*_BESIDE, "experimental_attachments", "audio")


def read_chat(messages: list[Any]) -> tuple[str, list[Item]]:
    """Read messages: the instructions that they begin with, and what happened then. Raises ``ValueError`` for what is none."""
    system: list[str] = []
    items: list[Item] = []
    names: dict[str, str] = {}
    for message in chat_messages(messages):
        if not isinstance(message, dict):
            raise ValueError("a message isn't an object")
        role, content = message.get("role"), message.get("content")
        if role == "assistant":
            items += _said(message)
        elif role in ("tool", "function"):
            items += _result(message)
        elif role == "user":
            items += _asked(message, names)
        elif role in ("system", "developer"):
            text, lost = text_of(content)
            items += map(Lost, lost)
            if any(not isinstance(item, Lost) for item in items):
                items.append(Heard(text, "system_message"))
            else:
                system.append(text)
        else:
            items.append(Lost("a message of another role than system, developer, user, assistant, tool and function"))
    return join_texts(*system), items


def lost_beside(holder: dict[str, Any]) -> list[Lost]:
    """Say whether images, audio or files stand beside what an object says in words."""
    return [Lost(BESIDE)] if any(holder.get(key) for key in _BESIDE_KEYS) else []


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
        found = part if isinstance(part, str) else _text_in(part)
        if found is None:
            lost.append(_other(part))
        else:
            texts.append(found)
    return "\n".join(texts), lost


def value_of(content: JsonValue) -> tuple[JsonValue, list[str]]:
    """Read what a tool gave back: text or parts of it as text, and as the JSON that it is; any other value as it stands."""
    parts = isinstance(content, list) and all(isinstance(part, dict) and "type" in part for part in content)
    if not (content is None or isinstance(content, str) or parts):
        return content, []
    text, lost = text_of(content)
    return read_output(text), lost


def _text_in(part: Any) -> str | None:
    """Give the text of a part; ``None`` where it has none under a name that is known."""
    if not isinstance(part, dict):
        return None
    found = part.get("text") if part.get("text") is not None else part.get("refusal")
    if isinstance(found, dict):  # OpenAI's Assistants: the text stands beside annotations
        found = found.get("value")
    return found if isinstance(found, str) else None


def _other(part: Any) -> str:
    """Say what a part is that has no text."""
    if not isinstance(part, dict):
        return "a part that is neither text nor an object"
    kind = part.get("type")
    if kind in ("text", "input_text", "output_text"):
        return "a part of another shape: of the type text, without a text under `text`"
    named = (str(kind) if kind is not None else " ".join(part)).lower()
    return _MEDIA if any(word in named for word in _MEDIA_WORDS) else "a part of another shape"


def _asked(message: dict[str, Any], names: dict[str, str]) -> Iterator[Item]:
    """Read a user's message. ``names``: the numbers of users who have names."""
    text, lost = text_of(message.get("content"))
    beside = lost_beside(message)
    yield from map(Lost, lost)
    yield from beside
    if not text and not (lost or beside):
        yield Lost(SAID_NOTHING)
    elif named := text_or_none(message.get("name")):
        yield Heard({"name": names.setdefault(named, f"user-{len(names) + 1}"), "text": text})
    else:
        yield Heard(text)


def _said(message: dict[str, Any]) -> Iterator[Item]:
    """Read the assistant's message: one turn, after what of it can't be shown."""
    content = message.get("content")
    thoughts = [part for part in as_list(content) if isinstance(part, dict) and part.get("type") in _REASONING_PARTS]
    if thoughts or any(message.get(key) for key in _REASONING_KEYS):
        yield Lost("reasoning", harmless=True)
    if text_or_none(message.get("name")):
        yield Lost("the name of an assistant", harmless=True)
    text, lost = _spoken(message, [part for part in as_list(content) if part not in thoughts] if thoughts else content)
    calls, more = _calls(message)
    yield from map(Lost, (*lost, *more))
    yield Turn(text, calls, unread=more[0] if more else "")


def _spoken(message: dict[str, Any], content: JsonValue) -> tuple[str, list[str]]:
    """Read what the assistant's message says in words: its content, a refusal, a transcript; and what of it isn't text."""
    text, lost = text_of(content)
    text = text or text_or_none(message.get("refusal")) or ""
    audio = message.get("audio")
    if not text and isinstance(audio, dict):
        text = text_or_none(audio.get("transcript")) or ""
        lost += [] if text else ["an answer in audio alone"]
    return text, lost


def _calls(message: dict[str, Any]) -> tuple[tuple[Call, ...], list[str]]:
    listed = read_json(message.get("tool_calls")) or ([{"function": old}] if (old := message.get("function_call")) else [])
    calls, lost = [], []
    for one in listed if isinstance(listed, list) else [None]:
        call = one if isinstance(one, dict) else {}
        tool: dict[str, Any] = next((call[key] for key in ("function", "custom") if isinstance(call.get(key), dict)), {})
        if name := text_or_none(tool.get("name")):
            free = call.get("type") == "custom" and isinstance(tool.get("input"), str)
            given = {"input": tool["input"]} if free else read_arguments(tool.get("arguments"))
            calls.append(Call(name, given, text_or_none(call.get("id"))))
        else:
            lost.append(NO_NAME)
    return tuple(calls), lost


def _result(message: dict[str, Any]) -> Iterator[Item]:
    value, lost = value_of(message.get("content"))
    yield from map(Lost, lost)
    failed = message.get("status") == "error"  # the API's messages have no such thing; those that LangChain made of its own do
    yield Result(value, text_or_none(message.get("tool_call_id")), text_or_none(message.get("name")), failed)
