"""Files of traces, one a line, of any length: blocks of lines, and the events of a line.

What other programs wrote is read as it is: no labels, and whatever else a line holds is left alone. An event must be one that a
dataset could hold.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import CoreSchema, SchemaValidator, core_schema

from phrasing.errors import DatasetError
from phrasing.importers import json_stream as logs
from phrasing.suite import dataset
from phrasing.types import EVENT_TYPE, Role, Thread

SHAPES = 'an object with "events", one with a "thread" that has them, or their list'

BLOCK_BYTES, BLOCK_LINES = 1_000_000, 500


@dataclass(frozen=True)
class Block:
    """Lines of a file as they are; ``first`` is the number of the first."""

    first: int
    lines: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """The events of a thread as plain dicts with all their keys, and the conversation it was cut from, if it says so."""

    events: list[dict[str, Any]]
    cluster: str | None


def blocks(path: Path) -> Iterator[Block]:
    """Read a file, also a gzipped one, in blocks of whole lines. Raises ``DatasetError`` where that can't be."""
    number, lines, size = 1, [], 0
    try:
        with logs.opened(path) as file:
            for line in file:
                lines.append(line)
                size += len(line)
                if size >= BLOCK_BYTES or len(lines) == BLOCK_LINES:
                    yield Block(number, tuple(lines))
                    number, lines, size = number + len(lines), [], 0
    except (OSError, EOFError, zlib.error) as error:
        at = f"{path.as_posix()}:{number + len(lines)}" if number > 1 or lines else path.as_posix()
        raise DatasetError(f"can't be read: {getattr(error, 'strerror', None) or error}", where=at) from error
    if lines:
        yield Block(number, tuple(lines))


def read(line: bytes) -> Trace | None:
    """Read a line, or raise ``ValueError`` with a message for the user; a line of white space is ``None``."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {line[error.start]:#04x} isn't UTF-8") from error
    if text.isspace():
        return None
    value = dataset.parse(text)
    cluster = None
    if isinstance(value, list):
        thread = {"events": value}
    elif isinstance(value, dict) and ("thread" in value or "events" in value):
        thread = value["thread"] if "thread" in value else {"events": value["events"]}
        cluster = _cluster(value)
    else:
        raise ValueError(f"wanted {SHAPES}, got {dataset.quote(value)}")
    if not isinstance(thread, dict):
        raise ValueError(f"thread: wanted an object, got {dataset.quote(thread)}")
    try:
        return Trace(_THREAD.validate_python(thread)["events"], cluster)
    except ValidationError as error:
        raise ValueError(dataset.readable(error, Thread)) from error


def _cluster(line: dict[str, Any]) -> str | None:
    for key in ("group", "id"):
        name = line.get(key)
        if isinstance(name, str | int):
            return str(name)
        if name is not None:
            raise ValueError(f"{key}: wanted text, got {dataset.quote(name)}")
    return None


def _thread() -> CoreSchema:
    """Say what ``types.Thread`` says, of plain dicts: making models takes three times as long."""

    def or_none(schema: CoreSchema) -> core_schema.TypedDictField:
        return core_schema.typed_dict_field(core_schema.with_default_schema(core_schema.nullable_schema(schema), default=None))

    event = {
        "type": core_schema.typed_dict_field(core_schema.str_schema(pattern=EVENT_TYPE)),
        "data": or_none(core_schema.any_schema()),  # it comes out of a JSON reader
        "role": or_none(core_schema.literal_schema(list(get_args(Role)))),
        "call": or_none(core_schema.str_schema()),
    }
    events = core_schema.list_schema(core_schema.typed_dict_schema(event, extra_behavior="forbid"), min_length=1)
    return core_schema.typed_dict_schema({"events": core_schema.typed_dict_field(events)}, extra_behavior="forbid")


_THREAD = SchemaValidator(_thread())
