"""Langfuse's observations.

A record is an observation as the API gives it (https://api.reference.langfuse.com, ``GET /api/public/v2/observations`` and the
older ``/observations``), or as an export writes it, with names in snake case (``observations`` and ``observations_v2`` of
https://langfuse.com/docs/api-and-data-platform/features/blob-storage-export-fields). It may also be a page of them under
``data``, or a trace with its ``observations`` and ``scores``. An observation of the type GENERATION is a single call of a model;
all others hold no conversation.

``input`` and ``output`` hold what the caller's library logged, also as JSON in a text: messages, a request with ``messages`` and
``tools``, a text; a message, a completion, a text. ``model_calls`` says which shapes are read. Langfuse's handler for LangChain
logs the tools on offer as messages of the role ``tool``: they are taken for what they are.

Observations of one session are one conversation, without a session those of one trace. ``userId`` is left out. Langfuse's
libraries put a note in the place of what is too long: such a call makes no case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from phrasing.importers.conversation import Conversation, Item, Lost, Skipped, ToolDeclaration
from phrasing.importers.log_values import as_list, as_object, objects_in, read_json, read_time, short_values, text_or_none
from phrasing.importers.messages import model_calls
from phrasing.importers.messages.requests import declarations_of
from phrasing.importers.messages.sent import CUT_SHORT, read_sent

TITLE = "Langfuse: observations, or traces with theirs"

_TYPES = ("SPAN", "GENERATION", "EVENT", "AGENT", "TOOL", "CHAIN", "RETRIEVER", "EVALUATOR", "EMBEDDING", "GUARDRAIL")
_CUT_NOTE = "<truncated due to size exceeding limit>"

_META = ("name", "environment", "version", "release", "level", "trace_name", "prompt_name", "prompt_version")
_NUMBERS = ("latency", "total_cost")
_AROUND = re.compile(r"ai\.(?:generate|stream)(?:Text|Object)")
_CUT = Lost("texts that Langfuse cut")


def fits(record: JsonValue) -> bool:
    """Tell whether a record looks like this."""
    return any(map(_is_observation, _listed(record)))


def read(record: JsonValue) -> Iterator[Conversation | Skipped]:
    """Read a record: a conversation for each call of a model. Raises ``ValueError`` where it is another shape."""
    found = [one for one in _listed(record) if _is_observation(one)]
    if not found:
        raise ValueError("has no observations: objects with `type` and `traceId`")
    outer = record if isinstance(record, dict) and record not in found else {}
    inner = outer.get("trace")
    trace = inner if isinstance(inner, dict) else outer
    scores = [*objects_in(outer.get("scores")), *objects_in(trace.get("scores"))]
    for observation in found:
        if observation["type"] != "GENERATION":
            yield Skipped("an observation that is no call of a model (a span, an agent, a tool)")
        elif _AROUND.fullmatch(str(observation.get("name"))):
            yield Skipped("a generation of the AI SDK around its calls, which are generations of their own")
        else:
            yield _conversation(observation, trace, scores)


def _conversation(one: dict[str, Any], trace: dict[str, Any], scores: list[Any]) -> Conversation:
    messages, offered = _without_tools(read_json(one.get("input")))
    asked = model_calls.Asked((_CUT,)) if messages == _CUT_NOTE else model_calls.read_asked(messages)
    metadata = as_object(read_json(one.get("metadata")))
    tags = _get(one, "tags") or _get(trace, "tags")
    known = {key: value for key in (*_META, *_NUMBERS) if (value := _get(one, key)) not in (None, "")}
    model = next((name for key in ("model", "provided_model_name") if (name := text_or_none(_get(one, key)))), None)
    return Conversation(
        items=(*asked.items, *_answer(one)),
        id=next((str(name) for name in (*_names(one, trace), _get(one, "trace_id")) if name), None),
        system=asked.system,
        tools=asked.tools or offered or _definitions(_get(one, "tool_definitions")) or _offered(metadata),
        time=read_time(_get(one, "start_time")),
        meta={
            **({"model": model} if model else {}),
            **short_values(known),
            **short_values({"metadata": metadata}),
            **_scored(one, scores),
            **({"tags": tags} if isinstance(tags, list) and tags else {}),
        },
        whole=False,
        sent=CUT_SHORT if messages == _CUT_NOTE else read_sent(messages, beside={"tools": list(offered)} if offered else {}),
    )


def _answer(one: dict[str, Any]) -> list[Item]:
    if one.get("level") == "ERROR":
        return [model_calls.FAILED]
    return [_CUT] if one.get("output") == _CUT_NOTE else model_calls.read_answered(one.get("output"))


def _names(*holders: dict[str, Any]) -> Iterator[str | None]:
    yield from (text_or_none(_get(holder, "session_id")) for holder in holders)


def _scored(one: dict[str, Any], scores: list[Any]) -> dict[str, JsonValue]:
    """Take the scores of an observation, and of its trace as a whole; the word where a number only stands for it."""
    found: dict[str, Any] = {}
    for score in scores:
        of, kind = _get(score, "observation_id"), _get(score, "data_type")
        if of in (None, "", one.get("id")) and text_or_none(score.get("name")):
            word = _get(score, "string_value") if kind != "NUMERIC" else None
            found[score["name"]] = score.get("value") if word in (None, "") else word
    return short_values({"score": found})


def _without_tools(found: Any) -> tuple[Any, tuple[ToolDeclaration, ...]]:
    """Part messages from tools that are declared among them."""
    messages = found.get("messages") if isinstance(found, dict) else found
    tools = [one["content"] for one in as_list(messages) if _declares(one)]
    if not tools:
        return found, ()
    rest = [one for one in as_list(messages) if not _declares(one)]
    return {**found, "messages": rest} if isinstance(found, dict) else rest, tuple(tools)


def _declares(one: Any) -> bool:
    """Tell whether a message is a tool's declaration."""
    held = one.get("content") if isinstance(one, dict) and one.get("role") == "tool" and not one.get("tool_call_id") else None
    return isinstance(held, dict) and (
        (held.get("type") == "function" and isinstance(held.get("function"), dict))
        or (isinstance(held.get("name"), str) and ("input_schema" in held or "parameters" in held))
    )


def _definitions(found: Any) -> tuple[ToolDeclaration, ...]:
    """Read an export's tools: by name, the description and the parameters as JSON."""
    held = {name: read_json(value) for name, value in as_object(found).items()}
    return tuple(
        {"type": "function", "function": {**value, "name": name, "parameters": read_json(value.get("parameters"))}}
        for name, value in held.items()
        if isinstance(value, dict)
    )


def _offered(metadata: dict[str, Any]) -> tuple[ToolDeclaration, ...]:
    """Find the tools among the attributes that a span had."""
    held = as_object(read_json(metadata.get("attributes")))
    settings = as_object(read_json(held.get("model_request_parameters")))
    own = [*as_list(settings.get("function_tools")), *as_list(settings.get("output_tools"))]
    found = (held.get("gen_ai.tool.definitions"), own, held.get("ai.prompt.tools"), metadata.get("tools"))
    return next(filter(None, map(declarations_of, found)), ())


def _get(holder: dict[str, Any], name: str) -> Any:
    """Take a field by its name in snake case, which the API writes in camel case."""
    first, *others = name.split("_")
    return holder.get("".join((first, *(word.capitalize() for word in others))), holder.get(name))


def _is_observation(one: Any) -> bool:
    return isinstance(one, dict) and one.get("type") in _TYPES and text_or_none(_get(one, "trace_id")) is not None


def _listed(record: Any) -> list[Any]:
    """Give what may be observations: the record itself, a page's, a trace's."""
    if not isinstance(record, dict) or _is_observation(record):
        return [record]
    return as_list(record.get("observations")) or as_list(record.get("data"))
