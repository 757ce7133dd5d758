"""One call of a model as back ends keep it: what was asked and what was answered, in whichever API's shape.

The shapes are those of the importers for OpenAI's and Anthropic's APIs, and of LangChain; they are told apart by what they hold.
JSON in a text is read. What is none of them is ``Lost``: an answer that can't be read makes no case, and its account says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from phrasing.importers.conversation import Heard, Item, Lost, Tool
from phrasing.importers.messages import anthropic_messages, langchain, openai_chat, openai_responses
from phrasing.importers.otel_spans import parsed

NOT_ASKED = Lost("messages that aren't in the record")
UNKNOWN_ASKED = Lost("messages of another shape")
UNKNOWN_ANSWER = Lost("an answer of another shape")
NO_ANSWER = Lost(openai_chat.NO_ANSWER)
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
    tools: tuple[Tool, ...] = ()


def asked(found: Any) -> Asked:
    """Read what was asked: messages, a text, or a request that holds them with instructions and tools."""
    found = parsed(found)
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
        system, items = past(found)
        return Asked(tuple(items), system)
    if not all(isinstance(one, (list, str)) for one in found):
        return Asked((UNKNOWN_ASKED,))
    inner = asked(found[0])
    return Asked((*[BATCH] * (len(found) - 1), *inner.items), inner.system, inner.tools)


def _request(found: dict[str, Any]) -> Asked:
    key = next((key for key in _ASKED if key in found), None)
    if key is None:
        return Asked((UNKNOWN_ASKED,))
    inner = asked(found[key])
    kept = openai_responses.missing(found, None) if key == "input" else []
    before, _ = openai_chat.text_of(found.get("system") or found.get("instructions"))
    return Asked(
        items=(*kept, *inner.items),
        system="\n\n".join(filter(None, (before, inner.system))),
        tools=openai_chat.tools_of(found) or inner.tools,
    )


def past(messages: list[Any]) -> tuple[str, list[Item]]:
    """Read messages of any API, all objects or pairs: the instructions that they begin with, and what happened then."""
    if not any(map(langchain.is_message, messages)):
        if openai_responses.fits(messages):
            return openai_responses.items_of(messages)
        said = [one for one in messages if one.get("role") != "system"]
        if anthropic_messages.fits({"messages": said}):
            system, _ = openai_chat.items_of([one for one in messages if one not in said])
            return system, [*anthropic_messages.items_of(said)]
    return openai_chat.items_of([langchain.plain(one) for one in messages])


def answered(found: Any) -> list[Item]:
    """Read what was answered: the turn stands last, if there is one. What a model did before in the same answer is history."""
    found = parsed(found)
    if isinstance(found, str) and found:
        found = {"role": "assistant", "content": found}
    if isinstance(found, dict) and openai_responses.fits([found]):
        found = [found]
    if isinstance(found, list) and found and not langchain.is_pair(found):
        return _listed(found)
    if langchain.is_message(found) or (isinstance(found, dict) and not _SAYS.isdisjoint(found)):
        message = langchain.plain(found if langchain.is_message(found) else {"role": "assistant", **found})
        return openai_chat.items_of([message])[1] if message["role"] == "assistant" else [NO_ANSWER]
    if isinstance(found, dict) and found:
        key = next((key for key in _ANSWERED if found.get(key)), None)
        return answered(found[key]) if key else [UNKNOWN_ANSWER]
    return [NO_ANSWER]


def _listed(found: list[Any]) -> list[Item]:
    """Read a list: of items, blocks or messages, or of choices."""
    if all(isinstance(one, dict) for one in found):
        if openai_responses.fits(found):
            return openai_responses.output_of({"output": found})
        if all(one.get("type") in _BLOCKS for one in found):
            return answered({"role": "assistant", "content": found})
        if all("role" in one or langchain.is_message(one) for one in found):
            return [*past(found[:-1])[1], *answered(found[-1])]
    return [*[FURTHER] * (len(found) - 1), *answered(found[0])]
