"""Values as logs write them: arguments and outputs that may be JSON in a text, lists and objects that may be something else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

from phrasing.suite import dataset


def read_arguments(raw: JsonValue) -> dict[str, JsonValue] | str:
    """Read the arguments of a call: an object, or its JSON; nothing is no arguments. What is neither stays text."""
    if isinstance(raw, dict):
        return raw
    if raw is None or raw == "":
        return {}
    if not isinstance(raw, str):
        return json.dumps(raw, ensure_ascii=False)
    try:
        value = dataset.parse(raw)
    except ValueError:
        return raw
    return value if isinstance(value, dict) else raw


def read_output(raw: JsonValue) -> JsonValue:
    """Read what a tool gave back: text that is JSON is read as such, where writing it again gives the same value.

    A bare number stays text unless its digits are kept.
    """
    if not isinstance(raw, str) or raw[:1].isspace() or raw[:1] not in '{["-0123456789tfn':
        return raw
    try:
        value = dataset.parse(raw)
    except ValueError:
        return raw
    plain = isinstance(value, (dict, list, str))
    return value if plain or json.dumps(value) == raw else raw


def read_json(value: Any) -> Any:
    """Read an object or a list that may be JSON in a text; anything else stays as it is."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return dataset.parse(value)
        except ValueError:
            return value
    return value


def short_values(record: Mapping[str, Any], *, without: Iterable[str] = ()) -> dict[str, JsonValue]:
    """Take what a record says in short values: texts of at most 200 characters, numbers, yes and no; dots for objects inside."""
    found: dict[str, JsonValue] = {}
    skipped = set(without)
    for key, value in record.items():
        if key in skipped:
            continue
        if isinstance(value, dict):
            for name, inner in value.items():
                if _is_short(inner):
                    found[f"{key}.{name}"] = inner
        elif _is_short(value):
            found[key] = value
    return found


def _is_short(value: object) -> bool:
    return isinstance(value, (bool, int, float)) or (isinstance(value, str) and len(value) <= 200)


def read_time(*found: object) -> float | None:
    """Read when something was, in seconds: the first that is a moment, as ISO 8601 or as a number since 1970 in any unit."""
    for one in found:
        if isinstance(one, str) and one.isdecimal() and len(one) < 25:
            one = int(one)
        if isinstance(one, (int, float)) and not isinstance(one, bool) and 0 < one < 1e21:
            seconds = float(one)
            while seconds > 1e11:  # milliseconds, microseconds, nanoseconds
                seconds /= 1000
            return seconds
        if isinstance(one, str) and one[:1].isdigit():
            try:
                moment = datetime.fromisoformat(one)
                return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
            except (ValueError, OverflowError):
                continue
    return None


def text_or_none(value: object) -> str | None:
    """Give a text that isn't empty."""
    return value if isinstance(value, str) and value else None


def as_list(value: Any) -> list[Any]:
    """Give a list; an empty one for anything else."""
    return value if isinstance(value, list) else []


def as_object(value: Any) -> dict[str, Any]:
    """Give an object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def objects_in(value: Any) -> list[dict[str, Any]]:
    """Give the objects among the elements of a list; none for anything else."""
    return [one for one in as_list(value) if isinstance(one, dict)]


def join_texts(*texts: Any) -> str:
    """Join texts by an empty line, without those that are empty or no texts."""
    return "\n\n".join(text for text in texts if isinstance(text, str) and text)
