"""BAML's own tests: the ``test`` blocks of a ``baml_src`` folder (https://docs.boundaryml.com/guide/baml-basics/testing-functions).

The argument is the folder, which BAML has to compile. A test is a case: the text of its thread is read back to events where it
is a trace or JSON of events, and the conditions of its assertions are the labels. A test is left out whose functions pick no
step, or whose conditions don't say which; what of them no label can say is counted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import JsonValue, ValidationError

from phrasing.baml.project import Function, load_project
from phrasing.errors import LogError
from phrasing.importers.baml.assertions import UNREAD_CONDITION, read_labels
from phrasing.importers.baml.blocks import BamlTest, read_tests
from phrasing.importers.baml.thread_text import holds_trace, read_thread, read_trace_format, without_heading
from phrasing.importers.conversation import Conversation, Item, Lost, Turn
from phrasing.importers.json_stream import Broken
from phrasing.importers.log_formats import events
from phrasing.importers.log_values import short_values
from phrasing.suite import dataset
from phrasing.types import Record

TITLE = "BAML's own tests: the folder of the sources"
WANTED = "a folder of BAML sources, such as baml_src"

NO_THREAD = "its arguments don't say which of them is the thread"
UNREAD_TEST = "a test in a syntax that isn't known here"
HEADING = Lost("a heading before a trace", harmless=True)
NOT_READ_BACK = Lost("a trace that wasn't read back, because its text holds more than events: it is one user_message")
NO_STEP_PICKED = "a test of functions that pick no step"


class _Test(Record):
    """A test with what its functions say: the thread's parameter, the field that tells steps apart, and the steps."""

    name: str
    functions: tuple[str, ...]
    thread: str
    field: str
    steps: tuple[str, ...]
    arguments: dict[str, JsonValue]
    conditions: tuple[str, ...]


def records(name: str) -> Iterator[tuple[str, JsonValue | Broken]]:
    """Give the tests of a folder, each with its file and line. Raises ``LogError`` where there are none."""
    folder = Path(name)
    if not folder.is_dir():
        raise LogError(f"isn't {WANTED}", where=name)
    functions = load_project(folder).functions
    found = False
    for file in sorted(folder.rglob("*.baml")):
        for line, test in read_tests(file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")):
            found = True
            made = _record(test, functions)
            yield f"{file.relative_to(folder).as_posix()}:{line}", Broken(line, made) if isinstance(made, str) else made
    if not found:
        raise LogError("has no test blocks", where=name)


def _record(test: BamlTest | None, functions: Mapping[str, Function]) -> dict[str, JsonValue] | str:
    """Give a test with what its functions say, or why that can't be."""
    if test is None:
        return UNREAD_TEST
    picking = [functions[name] for name in test.functions if name in functions]
    if not picking:
        return NO_STEP_PICKED
    texts = [name for name, value in test.arguments.items() if isinstance(value, str)]
    thread = next((each.thread for each in picking if each.thread in texts), texts[0] if len(texts) == 1 else None)
    if thread is None:
        return NO_THREAD
    return {
        "name": test.name,
        "functions": [*test.functions],
        "thread": thread,
        "field": picking[0].discriminator or "intent",
        "steps": [*sorted({step for each in picking for step in each.steps})],
        "arguments": test.arguments,
        "conditions": [*test.conditions],
    }


def read(record: JsonValue) -> Iterator[Conversation]:
    """Read a test, as ``records`` gives it. Raises ``ValueError`` where it makes no case."""
    try:
        test = _Test.model_validate(record)
    except ValidationError:
        raise ValueError("isn't a test as the sources have it") from None
    dataset.check_json(test.arguments, str(test.arguments))
    text = test.arguments.get(test.thread)
    if not isinstance(text, str):
        raise ValueError(NO_THREAD)
    labels, unread = read_labels(test.conditions, test.field)
    found, lost = _events(text, test.field, test.steps) if text.strip() else ([], [])
    items: list[Item] = [*lost, *(_history(item) for item in events.read_events(found, frozenset(test.steps)))]
    items += [Lost(UNREAD_CONDITION, harmless=True, out_of="the label")] * unread
    others: dict[str, Any] = {"arguments": {name: value for name, value in test.arguments.items() if name != test.thread}}
    yield Conversation(
        items=(*items, Turn(labels=tuple(labels))),
        id=test.name,
        meta={"test": test.name, "functions": ", ".join(test.functions), **short_values(others)},
        strength="written",
    )


def _events(text: str, field: str, steps: Collection[str]) -> tuple[list[Any], list[Lost]]:
    """Read a thread's text back to events, and say what of it wasn't read back."""
    if found := _whole(text, field):
        return found, []
    rest = without_heading(text)
    if rest is not None and (found := _whole(rest, field)):
        return found, [HEADING]
    return [{"type": "user_message", "data": text}], [NOT_READ_BACK] if holds_trace(text, steps) else []


def _whole(text: str, field: str) -> list[Any]:
    """Read a text that is wholly a trace or JSON of events."""
    try:
        value = read_thread(text)
    except ValueError:
        return read_trace_format(text, field)
    return next((events.events_in(each) for each in (value, [value]) if events.fits(each)), [])


def _history(item: Item) -> Item:
    return replace(item, given=True) if isinstance(item, Turn) else item
