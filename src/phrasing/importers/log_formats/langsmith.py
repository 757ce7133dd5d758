"""LangSmith's runs.

A record is a run (https://docs.langchain.com/langsmith/run-data-format) as the API and the SDK give it, with ``child_runs`` or
without, or a page of them under ``runs``. A run of the type ``llm`` is a single call of a model; all others hold no conversation.

``inputs`` and ``outputs`` hold what the tracer logged, also as JSON in a text: LangChain's messages and ``generations``, or the
request and the response of OpenAI's or Anthropic's API, as LangSmith's wrappers and LiteLLM write them. ``model_calls`` says
which shapes are read, ``langchain`` which of LangChain's. Tools stand in the request, or in ``extra.invocation_params``.

Runs of one thread (``session_id``, ``thread_id`` or ``conversation_id`` in the metadata) are one conversation, without a thread
those of one trace. A run's own ``session_id`` is the project.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from phrasing.importers.conversation import Conversation, Skipped
from phrasing.importers.log_values import as_list, as_object, read_json, read_time, short_values, text_or_none
from phrasing.importers.messages import model_calls
from phrasing.importers.messages.requests import tools_of
from phrasing.importers.messages.sent import read_sent

TITLE = "LangSmith: runs"

_MODELS = ("llm", "chat_model")
_META = ("name", "status", "total_tokens", "total_cost")
_THREADS = ("session_id", "thread_id", "conversation_id")


def fits(record: JsonValue) -> bool:
    """Tell whether a record looks like this."""
    return any(map(_is_run, _listed(record)))


def read(record: JsonValue) -> Iterator[Conversation | Skipped]:
    """Read a record: a conversation for each call of a model. Raises ``ValueError`` where it is another shape."""
    found = [one for one in _listed(record) if _is_run(one)]
    if not found:
        raise ValueError("has no runs: objects with `run_type` and `inputs`")
    for run in found:
        yield from _conversations(run)


def _conversations(run: dict[str, Any]) -> Iterator[Conversation | Skipped]:
    yield _conversation(run) if run["run_type"] in _MODELS else Skipped("a run that is no call of a model (a chain, a tool)")
    for child in as_list(run.get("child_runs")):
        if _is_run(child):
            yield from _conversations(child)


def _conversation(run: dict[str, Any]) -> Conversation:
    inputs, extra = _object(run.get("inputs")), _object(run.get("extra"))
    metadata, tags = _object(extra.get("metadata")), run.get("tags")
    asked = model_calls.read_asked(inputs)
    answer = [model_calls.FAILED] if run.get("error") else model_calls.read_answered(run.get("outputs"))
    names = (*(metadata.get(key) for key in _THREADS), run.get("thread_id"), run.get("trace_id"))
    offered = (extra.get("invocation_params"), inputs.get("model_parameters"))
    return Conversation(
        items=(*asked.items, *answer),
        id=next((name for name in names if text_or_none(name)), None),
        system=asked.system,
        tools=asked.tools or next(filter(None, (tools_of(_object(holder)) for holder in offered)), ()),
        meta={
            **short_values({key: run[key] for key in _META if key in run}),
            **short_values({"metadata": metadata, "feedback": _feedback(run.get("feedback_stats"))}),
            **({"tags": tags} if isinstance(tags, list) and tags else {}),
        },
        whole=False,
        time=read_time(run.get("start_time")),
        sent=read_sent(inputs),
    )


def _feedback(stats: Any) -> dict[str, Any]:
    """Take what feedback says: the mean of scores, or the value that all gave."""
    found: dict[str, Any] = {}
    for key, one in _object(stats).items():
        values = _object(_object(one).get("values"))
        found[key] = next(iter(values)) if _object(one).get("avg") is None and len(values) == 1 else _object(one).get("avg")
    return found


def _is_run(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("run_type"), str) and ("inputs" in one or "outputs" in one)


def _listed(record: Any) -> list[Any]:
    """Give what may be runs: the record itself, or a page's."""
    return as_list(record.get("runs")) if isinstance(record, dict) and "runs" in record else [record]


def _object(found: Any) -> dict[str, Any]:
    return as_object(read_json(found))
