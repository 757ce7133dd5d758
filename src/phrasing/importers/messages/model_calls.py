"""One call of a model as back ends keep it: what was asked and what was answered, in whichever API's shape.

The shapes are those of the importers for OpenAI's and Anthropic's APIs, and of LangChain; they are told apart by what they hold.
JSON in a text is read. What is none of them is ``Lost``: an answer that can't be read makes no case, and the import says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from phrasing.importers.conversation import Heard, Item, Lost, ToolDeclaration
from phrasing.importers.log_values import join_texts, read_json
from phrasing.importers.messages import langchain
from phrasing.importers.messages.anthropic_messages import has_own_blocks, may_be_anthropic, read_anthropic
from phrasing.importers.messages.openai_chat import NO_MESSAGE, read_chat, text_of
from phrasing.importers.messages.openai_responses import are_items, kept_by_server, read_response_items, read_response_output
from phrasing.importers.messages.requests import tools_of

NOT_ASKED = Lost("messages that aren't in the record")
UNKNOWN_ASKED = Lost("messages of another shape")
UNKNOWN_ANSWER = Lost("an answer of another shape")
NO_ANSWER = Lost(NO_MESSAGE)
FAILED = Lost("a call that failed")
FURTHER = Lost("a further choice of a response", harmless=True)
BATCH = Lost("a further request of a batch", harmless=True)

_ASKED = ("messages", "input", "prompt", "prompts")
_ANSWERED = ("generations", "choices", "messages", "message", "output", "response", "text")
_SAYS = {"content", "tool_calls", "function_call", "refusal"}
_BLOCKS = ("text", "tool_use", "tool_call", "thinking", "redacted_thinking", "reasoning", "server_tool_use")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a model was asked: what happened before, its instructions, and the tools on offer."""

    items: tuple[Item, ...]
    system: str = ""
    tools: tuple[ToolDeclaration, ...] = ()


def read_asked(found: Any) -> Asked:
    """Read what was asked: messages, a text, or a request that holds them with instructions and tools."""
    found = read_json(found)
    if found in (None, "", [], {}):
        return Asked((NOT_ASKED,))
    if isinstance(found, str):
        return Asked((Heard(found),))
    if langchain.is_message(found) or (isinstance(found, dict) and "role" in found):
        found = [found]
    if isinstance(found, dict):
        return _request(found)
    if not isinstance(found, list):
        return Asked((UNKNOWN_ASKED,))
    if all(isinstance(one, dict) or langchain.is_pair(one) for one in found):
        system, items = read_any_messages(found)
        return Asked(tuple(items), system)
    if not all(isinstance(one, (list, str)) for one in found):
        return Asked((UNKNOWN_ASKED,))
    inner = read_asked(found[0])
    return Asked((*[BATCH] * (len(found) - 1), *inner.items), inner.system, inner.tools)


def _request(found: dict[str, Any]) -> Asked:
    key = next((key for key in _ASKED if key in found), None)
    if key is None:
        return Asked((UNKNOWN_ASKED,))
    inner = read_asked(found[key])
    kept = kept_by_server(found, None) if key == "input" else []
    before, _ = text_of(found.get("system") or found.get("instructions"))
    return Asked(
        items=(*kept, *inner.items),
        system=join_texts(before, inner.system),
        tools=tools_of(found) or inner.tools,
    )


def read_any_messages(messages: list[Any]) -> tuple[str, list[Item]]:
    """Read messages of any API, all objects or pairs: the instructions that they begin with, and what happened then."""
    if not any(map(langchain.is_message, messages)):
        if are_items(messages):
            return read_response_items(messages)
        said = [one for one in messages if one.get("role") != "system"]
        if may_be_anthropic(said) and has_own_blocks(said):
            system, _ = read_chat([one for one in messages if one not in said])
            return system, [*read_anthropic(said)]
    return read_chat([langchain.as_chat_message(one) for one in messages])


def read_answered(found: Any) -> list[Item]:
    """Read what was answered: the turn stands last, if there is one. What a model did before in the same answer is history."""
    found = read_json(found)
    if isinstance(found, str) and found:
        found = {"role": "assistant", "content": found}
    if isinstance(found, dict) and are_items([found]):
        found = [found]
    if langchain.is_message(found) or (isinstance(found, dict) and not _SAYS.isdisjoint(found)):
        return _message(found)
    if isinstance(found, list) and found:
        return _listed(found)
    if isinstance(found, dict) and found:
        key = next((key for key in _ANSWERED if found.get(key)), None)
        return read_answered(found[key]) if key else [UNKNOWN_ANSWER]
    return [NO_ANSWER]


def _message(found: Any) -> list[Item]:
    """Read the one message of an answer; no answer where somebody else wrote it."""
    message = langchain.as_chat_message(found if langchain.is_message(found) else {"role": "assistant", **found})
    return read_chat([message])[1] if message["role"] == "assistant" else [NO_ANSWER]


def _listed(found: list[Any]) -> list[Item]:
    """Read a list: of items, blocks or messages, or of choices."""
    if all(isinstance(one, dict) for one in found):
        if are_items(found):
            return read_response_output({"output": found})
        if all(one.get("type") in _BLOCKS for one in found):
            return read_answered({"role": "assistant", "content": found})
        if all("role" in one or langchain.is_message(one) for one in found):
            return [*read_any_messages(found[:-1])[1], *read_answered(found[-1])]
    return [*[FURTHER] * (len(found) - 1), *read_answered(found[0])]
