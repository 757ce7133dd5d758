"""Spans of OpenTelemetry, as exporters and back ends write them, with their attributes as one flat object.

Read are OTLP's JSON (``resourceSpans``, https://opentelemetry.io/docs/specs/otlp/), a span by itself with ``attributes``, flat or
nested, and a row of a table whose columns are named ``attributes.…``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from phrasing.importers.log_values import as_object, objects_in, read_time


@dataclass(frozen=True, slots=True)
class OtelSpan:
    """A span: its attributes by their whole names, its events by name with theirs, its trace, and when it began, in seconds."""

    attributes: Mapping[str, Any]
    events: tuple[tuple[str, Mapping[str, Any]], ...]
    trace: str | None
    time: float | None = None


_STARTS = ("startTimeUnixNano", "start_time_unix_nano", "start_time", "startTime")


def spans(record: JsonValue) -> Iterator[OtelSpan]:
    """Give the spans in a record; none where it holds no such thing."""
    if not isinstance(record, dict):
        return
    if "resourceSpans" in record:
        for resource in objects_in(record["resourceSpans"]):
            for scope in objects_in(resource.get("scopeSpans") or resource.get("instrumentationLibrarySpans")):
                yield from map(_span, objects_in(scope.get("spans")))
    elif isinstance(record.get("attributes"), (dict, list)) or any(key.startswith("attributes.") for key in record):
        yield _span(record)


def tree(attributes: Mapping[str, Any], name: str) -> Any:
    """Put attributes named ``name``, or ``name`` and further names with dots, together again: numbers are places in lists.

    ``None`` where there are none.
    """
    if name in attributes:
        return attributes[name]
    root: dict[str, Any] = {}
    for key, value in attributes.items():
        if key.startswith(f"{name}."):
            *path, last = key.removeprefix(f"{name}.").split(".")
            at: Any = root
            for part in path:
                inner = at.setdefault(part, {})
                at = inner if isinstance(inner, dict) else at.setdefault(f"{part}.", {})
            at[last] = value
    return _lists(root) if root else None


def _span(span: dict[str, Any]) -> OtelSpan:
    raw = span.get("attributes")
    flat = {key.removeprefix("attributes."): value for key, value in span.items() if key.startswith("attributes.")}
    context = as_object(span.get("context"))
    names = (span.get("traceId"), span.get("trace_id"), context.get("trace_id"), span.get("context.trace_id"))
    trace = next((name for name in names if isinstance(name, str) and name), None)
    events = [(str(event.get("name")), _flat(_attributes(event.get("attributes")))) for event in objects_in(span.get("events"))]
    return OtelSpan(_flat(_attributes(raw)) | _flat(flat), tuple(events), trace, read_time(*(span.get(key) for key in _STARTS)))


def _attributes(raw: Any) -> dict[str, Any]:
    """Read attributes: an object, or OTLP's list of keys and values."""
    if isinstance(raw, dict):
        return raw
    return {str(one.get("key")): _value(one.get("value")) for one in objects_in(raw)}


def _value(value: Any) -> Any:
    """Read OTLP's AnyValue."""
    if not isinstance(value, dict) or len(value) != 1:
        return value
    ((kind, inner),) = value.items()
    if kind == "arrayValue":
        return [_value(one) for one in inner.get("values") or ()] if isinstance(inner, dict) else []
    if kind == "kvlistValue":
        return _attributes(inner.get("values")) if isinstance(inner, dict) else {}
    if kind == "intValue" and isinstance(inner, str) and re.fullmatch(r"-?\d{1,19}", inner):
        return int(inner)
    return inner


def _flat(attributes: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Name what stands inside objects by the whole way to it; lists and messages stay as they are."""
    found: dict[str, Any] = {}
    for key, value in attributes.items():
        if isinstance(value, dict) and value and "role" not in value and before.count(".") < 6:
            found |= _flat(value, f"{before}{key}.")
        else:
            found[f"{before}{key}"] = value
    return found


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdecimal() for key in value):
        return [_lists(value[key]) for key in sorted(value, key=lambda key: (len(key), key))]
    return {key: _lists(inner) for key, inner in value.items()}
