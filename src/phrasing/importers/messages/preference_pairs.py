"""Pairs of answers of which one was preferred, beside what was asked: data for preference tuning.

The preferred one stands under ``chosen``, as in the data sets of TRL (https://huggingface.co/docs/trl/dataset_formats), or
``preferred_output``, as OpenAI's fine-tuning takes them. What was asked is a list of messages, a ``prompt``, ``input`` with
``messages``; or the answers are whole conversations.
"""

from __future__ import annotations

from typing import Any

from pydantic import JsonValue

from phrasing.importers.conversation import Item, Lost, Turn
from phrasing.importers.log_values import as_list, as_object, read_json
from phrasing.importers.messages.requests import messages_of
from phrasing.importers.written_out import is_transcript

_CHOSEN = ("chosen", "preferred_output", "chosen_response", "response_chosen", "preferred", "accepted")
_REJECTED = ("rejected", "non_preferred_output", "rejected_response", "response_rejected", "dispreferred")
KEYS = (*_CHOSEN, *_REJECTED, "prompt")

REJECTED = Lost("the rejected answer of a pair", harmless=True, out_of="the label")
NO_CHOICE = "a pair of answers without the preferred one"
IN_ONE_TEXT = "the preferred answer of a pair is a transcript in one text"


def is_pair(record: JsonValue) -> bool:
    """Tell whether a record has a preferred answer, or a rejected one, beside what was asked."""
    if not isinstance(record, dict) or not any(record.get(key) for key in (*_CHOSEN, *_REJECTED)):
        return False
    _, messages = request(record)
    answers = [_first(record, keys) for keys in (_CHOSEN, _REJECTED)]
    both = all(answers)
    return (bool(messages) and (both or any(_is_message(one) for found in answers for one in _listed(found)))) or (
        both and all(_is_message(one) for found in answers for one in _listed(found))
    )


def request(record: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """Find what was asked, and what holds it."""
    inner = as_object(record.get("input"))
    holder = record if messages_of(record) is not None else inner if messages_of(inner) is not None else record
    prompt = read_json(record.get("prompt"))
    asked = messages_of(holder)
    if asked is None:
        asked = prompt if isinstance(prompt, list) else [{"role": "user", "content": prompt}] if prompt else []
    return holder, asked


def chosen(record: dict[str, Any], asked: list[Any]) -> tuple[list[Any], list[Item]]:
    """Give the messages of the preferred answer, and what has to be said of the pair."""
    said: list[Item] = [REJECTED] if _first(record, _REJECTED) else []
    found = _first(record, _CHOSEN)
    if isinstance(found, str):
        if is_transcript(found):
            return [], [*said, Turn(unread=IN_ONE_TEXT)]
        found = {"role": "assistant", "content": found}
    answer = _listed(found)
    if not answer or not all(map(_is_message, answer)):
        return [], [*said, Turn(unread=NO_CHOICE)]
    texts = [_text(one) for one in asked]
    same = len(asked) if texts and [_text(one) for one in answer[: len(asked)]] == texts else 0
    return answer[same:], said


def _text(one: Any) -> Any:
    return one.get("content", one.get("value")) if isinstance(one, dict) else one


def _first(record: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return read_json(next((record[key] for key in keys if record.get(key)), None))


def _listed(found: Any) -> list[Any]:
    return as_list(found) if isinstance(found, list) else [found] if found else []


def _is_message(one: Any) -> bool:
    return isinstance(one, dict) and ("role" in one or "from" in one)
