"""One call of a model as back ends keep it: what was asked and what was answered, in whichever API's shape.

The shapes are those of OpenAI's, Anthropic's and Google's APIs, of LangChain, and of the libraries that ``message_parts`` names;
they are told apart by what they hold. JSON in a text is read. What is none of them is ``Lost``: an answer that can't be read
makes no case, and the import says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from phrasing.importers.conversation import Heard, Item, Lost, ToolDeclaration, Turn, one_turn
from phrasing.importers.log_values import as_object, join_texts, objects_in, read_json
from phrasing.importers.messages import langchain
from phrasing.importers.messages.anthropic_messages import has_own_blocks, may_be_anthropic, read_anthropic
from phrasing.importers.messages.message_parts import are_calls, is_of_parts, is_printed
from phrasing.importers.messages.openai_chat import NO_MESSAGE, lost_beside, read_chat, text_of
from phrasing.importers.messages.openai_responses import are_items, kept_by_server, read_response_items, read_response_output
from phrasing.importers.messages.requests import tools_of

NOT_ASKED = Lost("messages that aren't in the record")
UNKNOWN_ASKED = Lost("messages of another shape")
UNKNOWN_ANSWER = Lost("an answer of another shape")
NO_ANSWER = Lost(NO_MESSAGE)
FAILED = Lost("a call that failed")
FURTHER = Lost("a further choice of a response", harmless=True)
BATCH = Lost("a further request of a batch", harmless=True)

_ASKED = ("messages", "contents", "input", "prompt", "prompts", "args")
_INSTRUCTIONS = ("system", "instructions", "system_instruction", "systemInstruction")
_ANSWERED = ("candidates", "generations", "choices", "messages", "message", "output", "response", "text")
_SAYS = {"content", "tool_calls", "function_call", "refusal", "parts", "blocks", "toolCalls"}
_BLOCKS = ("text", "tool_use", "tool_call", "thinking", "redacted_thinking", "reasoning", "server_tool_use", "tool-call")


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
    if isinstance(found, str) and not is_printed(found):
        return Asked((Heard(found),))
    if langchain.is_message(found) or is_printed(found) or (isinstance(found, dict) and ("role" in found or is_of_parts(found))):
        found = [found]
    if isinstance(found, dict):
        return _request(found)
    if not isinstance(found, list):
        return Asked((UNKNOWN_ASKED,))
    if all(isinstance(one, dict) or langchain.is_pair(one) or is_printed(one) for one in found):
        system, items = read_any_messages(found)
        return Asked(tuple(items), system)
    if not all(isinstance(one, (list, str)) for one in found):
        return Asked((UNKNOWN_ASKED,))
    if any(isinstance(one, str) for one in found) and len(found) > 1:
        return Asked((Lost("several texts, which nobody can tell to be one request"),))
    inner = read_asked(found[0])
    return Asked((*[BATCH] * (len(found) - 1), *inner.items), inner.system, inner.tools)


def _request(found: dict[str, Any]) -> Asked:
    key = next((key for key in _ASKED if key in found), None)
    if key is None:
        return Asked((UNKNOWN_ASKED,))
    inner = read_asked(_contents(found[key]) if key == "contents" else found[key])
    kept: list[Item] = [*kept_by_server(found, None)] if key == "input" else []
    config = as_object(found.get("config"))
    before = (_instructions(holder.get(key)) for holder in (found, config) for key in _INSTRUCTIONS)
    return Asked(
        items=(*lost_beside(found), *kept, *inner.items),
        system=join_texts(*before, inner.system),
        tools=tools_of(found) or tools_of(config) or inner.tools,
    )


def _contents(found: Any) -> Any:
    """Give Gemini's contents as messages: a text, a part, a content, or a list of these. What has no role is the user's."""
    listed = found if isinstance(found, list) else [found]
    loose = [
        one for one in listed if isinstance(one, str) or (isinstance(one, dict) and "parts" not in one and "role" not in one)
    ]
    if loose and len(loose) == len(listed):
        return [{"role": "user", "parts": loose}]
    return [{"role": "user", **one} if isinstance(one, dict) else {"role": "user", "content": one} for one in listed]


def _instructions(found: Any) -> str:
    """Read instructions: a text, parts of it, or a content that holds parts."""
    if isinstance(found, dict) and isinstance(found.get("parts"), list):
        found = found["parts"]
    return text_of(found)[0]


def read_any_messages(messages: list[Any]) -> tuple[str, list[Item]]:
    """Read messages of any API, all objects or pairs: the instructions that they begin with, and what happened then."""
    plain = [one for one in messages if isinstance(one, dict)]
    if len(plain) == len(messages) and not any(map(langchain.is_message, messages)):
        if are_items(messages):
            return read_response_items(messages)
        said = [one for one in plain if one.get("role") != "system"]
        if may_be_anthropic(said) and has_own_blocks(said):
            system, _ = read_chat([one for one in messages if one not in said])
            return system, [*read_anthropic(said)]
    return read_chat(messages)


def read_answered(found: Any) -> list[Item]:
    """Read what was answered: the turn stands last, if there is one. What a model did before in the same answer is history."""
    return one_turn(_answered(found))


def _answered(found: Any) -> list[Item]:
    found = read_json(found)
    if is_printed(found):
        found = [found]
    if isinstance(found, str) and found:
        found = {"role": "assistant", "content": found}
    if isinstance(found, dict) and are_items([found]):
        found = [found]
    if are_calls(found):
        found = {"role": "assistant", "content": found}
    if langchain.is_message(found) or is_of_parts(found) or (isinstance(found, dict) and not _SAYS.isdisjoint(found)):
        return _message(found)
    if isinstance(found, list) and found:
        return _listed(found)
    if isinstance(found, dict) and found:
        if "gen_ai.event.content" in found:
            return _message(found)
        key = next((key for key in _ANSWERED if found.get(key)), None)
        return _answered(found[key]) if key else [UNKNOWN_ANSWER]
    return [NO_ANSWER]


def _message(found: Any) -> list[Item]:
    """Read the one message of an answer; no answer where somebody else wrote it."""
    if isinstance(found, dict) and not langchain.is_message(found):
        said = found.get("text") if "toolCalls" in found and "content" not in found else found.get("content")
        found = {"role": "assistant", **found, "content": said}
    items = read_chat([found])[1]
    return items if any(isinstance(item, Turn) for item in items) else [*_only_lost(items), NO_ANSWER]


def _only_lost(items: Iterable[Item]) -> list[Item]:
    return [item for item in items if isinstance(item, Lost)]


def _listed(found: list[Any]) -> list[Item]:
    """Read a list: of items, blocks or messages, or of choices."""
    if all(isinstance(one, dict) for one in found):
        if are_items(found):
            return read_response_output({"output": found})
        if all(one.get("type") in _BLOCKS for one in found):
            return _answered({"role": "assistant", "content": found})
        if all("role" in one or langchain.is_message(one) for one in found):
            return [*read_any_messages(found[:-1])[1], *_answered(found[-1])]
    if all(map(is_printed, found)):
        return read_chat(found)[1]
    return [*[FURTHER] * (len(found) - 1), *_answered(found[0])]


def further_messages(answers: Any) -> list[Item]:
    """Say what stands behind the first of several output messages: choices of the same call, or more that it did."""
    first, *rest = objects_in(answers) or [{}]
    known = [
        call.name for item in read_chat([{**first, "role": "assistant"}])[1] if isinstance(item, Turn) for call in item.calls
    ]
    items: list[Item] = []
    for one in rest:
        told = [item for item in read_chat([{**one, "role": "assistant"}])[1] if isinstance(item, Turn)]
        more = [call.name for turn in told for call in turn.calls if call.name not in known]
        items.append(Lost("a further message of an answer that holds another call") if more else FURTHER)
    return items
