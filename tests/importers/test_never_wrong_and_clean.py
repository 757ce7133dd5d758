"""What a log lost is told: a case whose thread or label is not what happened is tagged, or there is none.

Each record of every importer is damaged where it holds what a user said, a call, or messages. A case without the tag
``incomplete`` then has to be one of those that the whole record gives.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.importers.cases import INCOMPLETE
from support.imported import labels, made
from support.log_records.every_importer import RECORDS
from support.tiers import few
from support.wrapped import SHAPES, TOLD, Agent, Gave, Talk, User, as_text
from support.written_texts import CALLS

Case = tuple[str, str]


def clean(*records: Any) -> set[Case]:
    """Give the cases without the tag, and hold that nothing goes missing unsaid."""
    lines, account = made(*records)
    assert lines or account.left or account.kept or account.records
    return {
        (json.dumps(line["thread"]["events"], sort_keys=True), json.dumps(labels(line), sort_keys=True))
        for line in lines
        if INCOMPLETE not in line.get("tags", ())
    }


# ---------------------------------------------------------------------------------------------- places in a record

Change = Callable[[Any, Any], None]
"""Changes what stands in a holder under a key."""


def blank(value: Any) -> Change:
    def change(holder: Any, key: Any) -> None:
        holder[key] = copy.deepcopy(value)

    return change


def renamed(holder: Any, key: Any) -> None:
    if isinstance(holder, dict):
        holder["another"] = holder.pop(key)
    else:
        holder[key] = {"another": holder[key]}


def dropped(holder: Any, key: Any) -> None:
    del holder[key]


def as_value(holder: Any, key: Any) -> None:
    holder[key] = [{"type": "text", "value": holder[key]}]


LOST: dict[str, Change] = {
    **{f"is {value!r}": blank(value) for value in (None, "", [], {}, 5, [{"type": "image_url", "image_url": {"url": "x"}}])},
    "has another name": renamed,
    "is dropped": dropped,
    "is a value": as_value,
}
"""Ways to lose a text."""


def changed(record: Any, text: str, change: Change, *, last: bool = False) -> Iterator[Any]:
    """Give a record changed at each place that holds a text, also inside JSON that is written as text."""
    found = list(places(record, text))
    for path in found[-1:] if last else found:
        yield at(copy.deepcopy(record), path, change)


def places(value: Any, text: str) -> Iterator[tuple[Any, ...]]:
    inner = decoded(value)
    pairs = inner.items() if isinstance(inner, dict) else enumerate(inner) if isinstance(inner, list) else ()
    for key, one in pairs:
        if one == text:
            yield (key,)
        for path in places(one, text):
            yield (key, *path)


def at(value: Any, path: tuple[Any, ...], change: Change) -> Any:
    inner = decoded(value)
    key, *rest = path
    if rest:
        inner[key] = at(inner[key], tuple(rest), change)
    else:
        change(inner, key)
    return json.dumps(inner) if isinstance(value, str) else inner


def decoded(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


# ---------------------------------------------------------------------------------------------- what a user said


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("name", [name for name in RECORDS if name != "events"])
def test_what_a_user_said_is_not_missed_silently_in_a_fixture(name: str, lost: str) -> None:
    for record in RECORDS[name]:
        whole = clean(record)
        for one in changed(record, "where is it?", LOST[lost]):
            assert clean(one) <= whole


LOSSES = [(shape, lost) for shape in SHAPES if shape != "events" for lost in LOST]


@pytest.mark.parametrize(("shape", "lost"), few(LOSSES, LOSSES[::4]))
def test_the_last_thing_a_user_said_is_not_missed_silently(shape: str, lost: str) -> None:
    for talk in TOLD.values():
        records = SHAPES[shape](talk)
        whole = clean(*records)
        text = [one.text for one in talk if isinstance(one, User)][-1]
        for record in records:
            for one in changed(record, text, LOST[lost], last=True):
                assert clean(one) <= whole


@pytest.mark.parametrize("shape", SHAPES)
def test_a_user_who_is_not_in_the_log_is_missed(shape: str) -> None:
    for talk in TOLD.values():
        whole = clean(*SHAPES[shape](talk))
        last = max(i for i, one in enumerate(talk) if isinstance(one, User))
        assert clean(*SHAPES[shape]([*talk[:last], *talk[last + 1 :]])) <= whole


BEGUN: list[Talk] = [
    talk[:end] for talk in TOLD.values() for end in range(1, len(talk) + 1) if any(isinstance(one, Agent) for one in talk[:end])
]
"""All conversations as far as they had got at some time."""


@pytest.mark.parametrize("shape", SHAPES)
def test_a_result_that_is_not_in_the_log_is_missed(shape: str) -> None:
    for talk in BEGUN:
        whole = clean(*SHAPES[shape](talk))
        for i, one in enumerate(talk):
            if isinstance(one, Gave):
                assert clean(*SHAPES[shape]([*talk[:i], *talk[i + 1 :]])) <= whole


# ---------------------------------------------------------------------------------------------- one of several calls

CALLS_LOST = [(shape, lost) for shape in SHAPES if shape != "events" for lost in LOST if lost not in ("is 5", "is a value")]


@pytest.mark.parametrize(("shape", "lost"), few(CALLS_LOST, CALLS_LOST[::4]))
def test_one_of_several_calls_is_not_missed_silently(shape: str, lost: str) -> None:
    talk = TOLD["calls at once"]
    for end in (2, len(talk)):
        records = SHAPES[shape](talk[:end])
        whole = clean(*records)
        for record in records:
            for name in ("ring", "look"):
                for one in changed(record, name, LOST[lost]):
                    assert clean(one) <= whole


# ---------------------------------------------------------------------------------------------- calls and transcripts as text


def written(talk: Talk, call: str, *, results: bool) -> Talk:
    """Write the calls of a conversation as text."""
    turns = [replace(one, text=call, calls=()) if isinstance(one, Agent) and one.calls else one for one in talk]
    return [one for one in turns if results or not isinstance(one, Gave)]


@given(st.sampled_from(list(SHAPES)), st.sampled_from(list(TOLD)), st.sampled_from(list(CALLS)), st.booleans())
def test_a_call_as_text_is_no_label(shape: str, told: str, call: str, results: bool) -> None:
    found = clean(*SHAPES[shape](written(TOLD[told], CALLS[call], results=results)))
    # where a whole answer is JSON in a text, a call in it is a call
    assert {case for case in found if '"find"' not in case[1]} <= clean(*SHAPES[shape](TOLD[told]))


def lines(talk: Talk) -> Iterator[str]:
    for one in talk:
        match one:
            case User(text):
                yield f"user: {text}"
            case Agent(text, calls):
                yield f"assistant: {text or None}"
                yield from (f"call: {name}" for _, name, _ in calls)
            case Gave(_, _, value):
                yield f"tool: {as_text(value)}"


def tags(talk: Talk) -> Iterator[str]:
    for one in talk:
        match one:
            case User(text):
                yield f"<user_message>\n{text}\n</user_message>"
            case Agent(text, calls):
                yield from [f"<respond>\n{text}\n</respond>"] if text else []
                yield from (f"<{name}>\n{json.dumps(args)}\n</{name}>" for _, name, args in calls)
            case Gave(_, name, value):
                yield f"<{name}_result>\n{as_text(value)}\n</{name}_result>"


WRITTEN: dict[str, Callable[[Talk], str]] = {
    "lines": lambda talk: "system: You help.\n" + "\n".join(lines(talk)),
    "tags": lambda talk: "\n".join([*tags(talk), "<note>\nx\n</note>"]),
    "JSON": lambda talk: json.dumps([{"role": "user", "content": line} for line in [*lines(talk), "x"]]),
    "ChatML": lambda talk: "".join(
        f"<|im_start|>{line.replace(': ', chr(10), 1)}<|im_end|>\n" for line in [*lines(talk), "user: x"]
    ),
}


TRANSCRIPTS = [(shape, way) for shape in SHAPES for way in WRITTEN]


@pytest.mark.parametrize(("shape", "way"), few(TRANSCRIPTS, TRANSCRIPTS[::3]))
def test_a_transcript_in_one_text_is_no_thread(shape: str, way: str) -> None:
    for talk in TOLD.values():
        told: Talk = [User(WRITTEN[way](talk[:-1])), talk[-1]]
        assert clean(*SHAPES[shape](told)) <= clean(*SHAPES[shape](talk))
