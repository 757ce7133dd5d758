"""promptfoo's results.

A record is what ``promptfoo eval -o results.json`` writes (https://www.promptfoo.dev/docs/configuration/outputs/), with the
results under ``results.results``, or one result, as each stands in a line of ``results.jsonl``. Each is a single call:
``prompt.raw`` is what was asked, a text or messages as JSON, and ``response.output`` what was answered. ``success``, ``score``
and the test's variables are ``meta``. Messages written as YAML are a transcript in one text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from phrasing.importers.conversation import Conversation, Sent, Skipped
from phrasing.importers.log_values import as_list, as_object, objects_in, read_json, short_values
from phrasing.importers.messages import model_calls
from phrasing.importers.messages.requests import declarations_of
from phrasing.importers.messages.sent import read_sent

TITLE = "promptfoo: results"

_META = ("success", "score", "latencyMs", "cost", "promptIdx", "testIdx")


def fits(record: JsonValue) -> bool:
    """Tell whether a record looks like this."""
    found = _results(record)
    return bool(found) and all(map(_is_result, found))


def read(record: JsonValue) -> Iterator[Conversation | Skipped]:
    """Read a record: a conversation for each result. Raises ``ValueError`` where it is another shape."""
    found = [one for one in _results(record) if _is_result(one)]
    if not found:
        raise ValueError("has no results: objects with `prompt` and `response`")
    for one in found:
        response = as_object(one.get("response"))
        if "output" in response and response["output"] is not None:
            yield _conversation(one, response)
        else:
            yield Skipped("a result without an output, because the call failed")


def _conversation(one: dict[str, Any], response: dict[str, Any]) -> Conversation:
    prompt, provider = as_object(one.get("prompt")), one.get("provider")
    raw = prompt.get("raw")
    asked = model_calls.read_asked(raw.strip() if isinstance(raw, str) and raw.strip()[:1] in ("[", "{") else raw)
    settings = (as_object(holder.get("config")) for holder in (prompt, as_object(provider)))
    name = as_object(provider).get("id") if isinstance(provider, dict) else provider
    return Conversation(
        items=(*asked.items, *model_calls.read_answered(response["output"])),
        id=next((f"test-{one[key]}" for key in ("testIdx",) if isinstance(one.get(key), int)), None),
        system=asked.system,
        tools=asked.tools or next(filter(None, (declarations_of(holder.get("tools")) for holder in settings)), ()),
        meta={
            **short_values({key: one[key] for key in _META if key in one}),
            **short_values({"provider": name, "prompt": prompt.get("label"), "vars": one.get("vars")}),
        },
        whole=False,
        sent=_sent(raw),
    )


def _sent(raw: Any) -> Sent | str:
    """Give the request: messages as JSON, or a text, which is sent as the user's."""
    found = read_json(raw.strip()) if isinstance(raw, str) else None
    return read_sent([{"role": "user", "content": raw}] if isinstance(found, str) else found)


def _results(record: Any) -> list[Any]:
    """Give what may be results: those of a whole file, or the record itself."""
    if not isinstance(record, dict):
        return []
    inner = record.get("results")
    if isinstance(inner, dict):
        inner = inner.get("results")
    return objects_in(inner) if as_list(inner) else [record]


def _is_result(one: Any) -> bool:
    prompt = one.get("prompt") if isinstance(one, dict) else None
    return isinstance(prompt, dict) and "raw" in prompt and ("response" in one or "error" in one)
