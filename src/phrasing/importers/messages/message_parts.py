"""Messages of parts, whoever wrote them, as messages of OpenAI's chat API: the one reader of parts for all that logs wrap.

Libraries write what happened as parts of messages, each by names of its own:

- OpenTelemetry's conventions, as pydantic-ai and Microsoft's agents follow them: ``parts`` of ``text``, ``reasoning``,
  ``tool_call``, ``tool_call_response`` (https://opentelemetry.io/docs/specs/semconv/gen-ai/);
- Gemini's API, as Google's GenAI SDK, ADK and Vertex log it: ``parts`` with ``text``, ``function_call``,
  ``function_response``, the role ``model`` (https://ai.google.dev/api/caching#Content), in snake or camel case;
- Vercel's AI SDK: ``content`` of ``tool-call`` and ``tool-result`` parts
  (https://ai-sdk.dev/docs/reference/ai-sdk-core/model-message), calls by themselves (``toolCallId``, ``toolName``), and the
  ``tool-NAME`` parts of its user interface;
- Anthropic's and Bedrock's blocks; LlamaIndex's ``blocks``; LangChain's messages (``langchain``);
- koog, which writes calls as the content of messages; Semantic Kernel, which writes a whole message under
  ``gen_ai.event.content``; agno, which writes a message as Python prints it.

A message becomes several where results and words stand in one. What isn't known stays a part: the reader of the API's messages
counts it.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

from phrasing.importers.log_values import as_list, as_object, objects_in, read_json, text_or_none
from phrasing.importers.messages import langchain

_ROLES = {"model": "assistant", "ai": "assistant", "agent": "assistant", "bot": "assistant", "human": "user"}
_REASONING = ("reasoning", "thinking", "redacted_thinking", "redacted-reasoning")
_CALLS = ("tool_call", "tool-call", "tool_use", "function_call", "functionCall", "toolCall", "toolUse")
_RESULTS = (
    *("tool_call_response", "tool-result", "tool_result", "tool_response", "function_response", "functionResponse"),
    *("toolResult", "function_call_output"),
)
_CALL_IDS = ("id", "toolCallId", "tool_call_id", "toolUseId", "tool_use_id", "call_id", "callId")
_RESULT_IDS = ("tool_call_id", "toolCallId", "tool_use_id", "toolUseId", "call_id", "callId", "id")
_TOOLS = ("name", "toolName", "tool_name")
_GIVEN = ("arguments", "args", "input", "tool_kwargs", "parameters")
_GAVE = ("response", "result", "output", "content")
_VALUED = ("text", "json", "error-text", "error-json", "execution-denied", "content")
_PRINTED = re.compile(
    r"role='(?P<role>\w+)' content=(?P<content>None|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")(?: compressed_content=\S+)?"
    r" name=(?P<name>None|'[^']*') tool_call_id=(?P<tool_call_id>None|'[^']*') tool_calls=(?P<tool_calls>None|\[.*?\]) audio=",
    re.DOTALL,
)


def chat_messages(messages: list[Any]) -> list[Any]:
    """Write messages as those of OpenAI's chat API. What is no message stays as it is."""
    made: list[Any] = []
    named: set[str] = set()
    for message in messages:
        for one in _chat_messages(message):
            role = one.get("role") if isinstance(one, dict) else None
            if isinstance(role, str) and role in named and role not in langchain.KNOWN_ROLES:
                one = {**one, "role": "tool", "name": role}  # some frameworks give a result the tool's name as its role
            made.append(one)
            for call in objects_in(one.get("tool_calls")) if isinstance(one, dict) else []:
                named.add(str(as_object(call.get("function")).get("name")))
    return made


def is_printed(text: Any) -> bool:
    """Tell whether a text is a message as Python prints an object."""
    return isinstance(text, str) and _PRINTED.match(text) is not None


def are_calls(found: Any) -> bool:
    """Tell whether this is a list of calls without a message around them."""
    return isinstance(found, list) and bool(found) and all(map(_is_bare_call, found))


def is_of_parts(message: Any) -> bool:
    """Tell whether this is a message whose content stands under ``parts``, or one of Gemini's around one."""
    return isinstance(message, dict) and (
        isinstance(message.get("parts"), list) or isinstance(as_object(message.get("content")).get("parts"), list)
    )


def _is_bare_call(one: Any) -> bool:
    if not isinstance(one, dict) or "role" in one:
        return False
    named = isinstance(one.get("toolName"), str) and "toolCallId" in one and "result" not in one and "output" not in one
    function = as_object(one.get("function"))
    return named or (isinstance(function.get("name"), str) and "arguments" in function)


def _is_flat(call: dict[str, Any]) -> bool:
    """Tell whether a call has its name beside its id, not under ``function``."""
    return not any(isinstance(call.get(key), dict) for key in ("function", "custom")) and _first(call, _TOOLS) is not None


def _chat_messages(message: Any) -> list[Any]:
    if is_printed(message):
        message = _read_printed(message)
    if langchain.is_message(message) or (isinstance(message, dict) and "additional_kwargs" in message):
        message = langchain.as_chat_message(message)
    if not isinstance(message, dict):
        return [message]
    event = read_json(message.get("gen_ai.event.content"))
    if isinstance(event, dict):
        inner = event.get("message")
        message = {**message, **event, **(inner if isinstance(inner, dict) else {})}
    if isinstance(message.get("content"), dict) and isinstance(message["content"].get("parts"), list):
        message = {**message, **message["content"]}
    role = message.get("role")
    if isinstance(role, str):
        role = _ROLES.get(role.lower(), role.lower() if role.lower() in langchain.KNOWN_ROLES else role)
        message = {**message, "role": role}
    for key in ("tool_calls", "toolCalls"):
        if listed := [one for one in objects_in(read_json(message.get(key))) if _is_flat(one)]:
            known = [one if one not in listed else _call({}, one) for one in as_list(read_json(message[key]))]
            message = {**message, "tool_calls": known}
    return list(_parts_apart(message, _parts(message)))


def _parts(message: dict[str, Any]) -> list[Any] | None:
    """Give the parts of a message, if any is of a kind that the chat API doesn't have."""
    content = message.get("content")
    for key in ("parts", "blocks"):  # beside a content they say the same again, in full
        if isinstance(message.get(key), list) and (message[key] or not content):
            return [*message[key]]
    if isinstance(calls := read_json(content), list) and are_calls(calls):
        return [{"type": "tool_call", "function": call} for call in calls]
    if isinstance(content, dict) and (_call_in(content) or _result_in(content)):
        return [content]
    if isinstance(content, list) and any(_call_in(part) or _result_in(part) or _is_ui_tool(part) for part in content):
        return [*content]
    if isinstance(message.get("toolInvocations"), list) and message["toolInvocations"]:
        said = [{"type": "text", "text": content}] if isinstance(content, str) and content else as_list(content)
        return [*said, *({"type": "tool-invocation", "toolInvocation": one} for one in message["toolInvocations"])]
    return None


def _parts_apart(message: dict[str, Any], parts: list[Any] | None) -> Iterator[dict[str, Any]]:
    """Write a message's parts as messages: words and calls together, and each result by itself, in their order."""
    if parts is None:
        yield message
        return
    rest = {key: value for key, value in message.items() if key not in ("parts", "blocks", "content", "toolInvocations")}
    run: list[Any] = []
    told = False
    for part in _unfolded(parts):
        if result := _result_in(part):
            if run:
                yield _joined(rest, run, told=told)
                run, rest = [], {key: value for key, value in rest.items() if key != "tool_calls"}
            told = True
            yield _result(part, result)
        else:
            run.append(part)
    if run or not told:
        yield _joined(rest, run, told=told)


def _joined(rest: dict[str, Any], run: list[Any], *, told: bool) -> dict[str, Any]:
    """Write words and calls as one message. ``told``: a result of the same message stands before it."""
    calls = [_call(part, call) for part in run if (call := _call_in(part))]
    words = [_word(part) for part in run if not _call_in(part)] or None
    role = rest.get("role")
    if calls or role == "assistant":
        return {**rest, "role": "assistant", "content": words, "tool_calls": calls or rest.get("tool_calls")}
    # what a tool says beside its results is heard as a user is: the API has no place for it
    return {**rest, "role": "user" if role == "tool" and told else role, "content": words}


def _unfolded(parts: list[Any]) -> Iterator[Any]:
    """Give parts, those of the AI SDK's user interface as the call and the result that they are."""
    for part in parts:
        if not _is_ui_tool(part):
            yield part
            continue
        held = as_object(part.get("toolInvocation")) or part
        name = _first(held, _TOOLS) or str(part.get("type")).removeprefix("tool-")
        call = _first(held, _CALL_IDS)
        yield {"type": "tool-call", "toolName": name, "toolCallId": call, "input": _first(held, ("input", "args", "rawInput"))}
        if "output" in held or "result" in held:
            yield {"type": "tool-result", "toolName": name, "toolCallId": call, "output": held.get("output", held.get("result"))}
        elif "errorText" in held:
            error = {"type": "error-text", "value": held["errorText"]}
            yield {"type": "tool-result", "toolName": name, "toolCallId": call, "output": error}


def _is_ui_tool(part: Any) -> bool:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str) or kind in (*_CALLS, *_RESULTS):
        return False
    return kind in ("tool-invocation", "dynamic-tool") or (kind.startswith("tool-") and "toolCallId" in part)


def _call_in(part: Any) -> dict[str, Any] | None:
    """Find the call in a part: the part itself, or what it holds under a name for calls."""
    if not isinstance(part, dict):
        return None
    inner = next((part[key] for key in _CALLS if isinstance(part.get(key), dict)), None)
    if inner is not None:
        return dict(inner)
    kind = part.get("type", part.get("block_type"))
    if kind == "function" and "arguments" in as_object(part.get("function")):
        return part
    return part if kind in _CALLS else None


def _result_in(part: Any) -> dict[str, Any] | None:
    """Find the result in a part."""
    if not isinstance(part, dict):
        return None
    inner = next((part[key] for key in _RESULTS if isinstance(part.get(key), dict)), None)
    if inner is not None:
        return dict(inner)
    return part if part.get("type", part.get("block_type")) in _RESULTS else None


def _call(part: dict[str, Any], call: dict[str, Any]) -> dict[str, Any]:
    """Write a call as the API does; its name is ``None`` where there is none."""
    inner = as_object(call.get("function"))
    if isinstance(inner.get("function"), dict):
        call, inner = inner, inner["function"]
    holder = inner or call
    given = next((holder[key] for key in _GIVEN if key in holder), None)
    name = _first(holder, _TOOLS)
    return {"id": _id(call, _CALL_IDS) or _id(part, _CALL_IDS), "function": {"name": name, "arguments": given}}


def _result(part: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """Write a result as the API does, with the name of its tool and whether it failed."""
    value = next((result[key] for key in _GAVE if key in result), None)
    failed = result.get("is_error") is True or result.get("isError") is True or result.get("status") == "error"
    gemini = "function_response" in part or "functionResponse" in part
    if gemini and isinstance(value, dict) and len(value) == 1 and value.keys() & {"output", "result"}:
        ((_, value),) = value.items()  # the API wants an object: its SDKs put another value into one
    read = read_json(value)
    if isinstance(read, dict) and read.get("type") == "function_result" and "result" in read:
        value = read["result"]  # Microsoft's agents write their own object there
    if isinstance(value, dict) and value.get("type") in _VALUED and "value" in value:
        failed = failed or str(value["type"]).startswith("error")
        value = value["value"]
    if isinstance(value, list) and value and all(isinstance(one, dict) and one.keys() <= {"json", "text"} for one in value):
        value = value[0].get("json", value[0].get("text")) if len(value) == 1 else [{"type": "text", **one} for one in value]
    made = {"role": "tool", "content": _as_content(value), "tool_call_id": _id(result, _RESULT_IDS) or _id(part, _RESULT_IDS)}
    return {**made, "name": _first(result, _TOOLS), **({"status": "error"} if failed else {})}


def _as_content(value: Any) -> Any:
    """Write a tool's value as the content of a message: texts and lists of parts as they are, all else as JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(one, dict) and one.get("type") in _CONTENT for one in value):
        return value
    return json.dumps(value, ensure_ascii=False)


_CONTENT = ("text", "image", "image_url", "audio", "file", "document", "media", "image-data", "file-data", "resource")


def _word(part: Any) -> Any:
    """Write a part as the API does, if it is text or reasoning."""
    if not isinstance(part, dict):
        return part
    kind = part.get("type", part.get("block_type"))
    thought = part.get("thought") is True or kind in _REASONING or str(kind).endswith("ReasoningContent")
    if thought:
        return {"type": "reasoning"}
    text = part.get("text") if isinstance(part.get("text"), str) else part.get("content")
    if kind in (None, "text", "input_text", "output_text", "refusal") and isinstance(text, str):
        return {"type": "text", "text": text}
    return part


def _id(holder: dict[str, Any], names: tuple[str, ...]) -> str | None:
    """Find an id. Microsoft's agents write a list of the run's and the call's."""
    for name in names:
        found = holder.get(name)
        found = found[-1] if isinstance(found, list) and found else found
        if text_or_none(found):
            return str(found)
    return None


def _first(holder: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((holder[name] for name in names if holder.get(name) is not None), None)


def _read_printed(text: str) -> Any:
    """Read a message as Python prints it."""
    found = _PRINTED.match(text)
    assert found is not None
    try:
        held = {key: ast.literal_eval(value) for key, value in found.groupdict().items() if key != "role"}
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    return {"role": found["role"], **{key: value for key, value in held.items() if value is not None}}
