"""The format ``trace``: by default it is ``xml_yaml``; each parameter changes what it says, and loses nothing."""

from __future__ import annotations

import re
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from phrasing.prompts import formats
from phrasing.prompts.formats import Format
from phrasing.prompts.probe import probe
from phrasing.types import Event, Thread
from prompts.test_formats import SHIPPED, event, thread, threads
from support import decoders

XML_YAML = formats.load(SHIPPED, "xml_yaml")
CHOICES = formats.load(SHIPPED, "trace").parameters
AXES = [(name, value) for name, values in CHOICES.items() for value in values[1:]]


@lru_cache
def trace(*settings: tuple[str, Any]) -> Format:
    inside = " ".join(f"{name}={value}" for name, value in settings)
    return formats.load(SHIPPED, f"trace({inside})" if inside else "trace")


def shown(thread: Thread, *settings: tuple[str, Any]) -> str:
    rendering = formats.render(trace(*settings), thread)
    assert isinstance(rendering, str)
    return rendering


def forges(event: Event) -> bool:
    """Marked ``spoofable``: what writes a border can't be told from one."""
    return isinstance(event.data, str) and any(border in f"\n{event.data}" for border in ("\n</", "\n[/", "\n## "))


@given(thread=threads)
def test_without_parameters_it_is_xml_yaml_to_the_byte(thread: Thread) -> None:
    assert shown(thread) == formats.render(XML_YAML, thread)


@given(thread=threads, values=st.tuples(*(st.sampled_from(values) for values in CHOICES.values())))
def test_every_combination_takes_every_thread(thread: Thread, values: tuple[Any, ...]) -> None:
    chosen = trace(*zip(CHOICES, values, strict=True))
    before = thread.model_dump_json()
    assert formats.render(chosen, thread) == formats.render(chosen, thread)
    probe(chosen, thread)
    assert thread.model_dump_json() == before


AWKWARD = thread(
    event("add", {"a": "5", "b": 5.0, "c": 'say "x"', "d": "a: b", "e": "x\ny", "f": "NaN", "": None, "k\ny": [{}], '"q"': True}),
    event("add", "a \n\n"),
    event("add", ""),
    event("add", {"t": "x\n\n"}),
    event("add", []),
    event("add"),
)


@pytest.mark.parametrize(("name", "value"), [axis for axis in AXES if axis[0] not in ("intent", "call")])
@given(thread=threads)
@example(thread=AWKWARD)
@example(thread=Thread(events=AWKWARD.events[:2]))
@example(thread=Thread(events=AWKWARD.events[:3]))
@example(thread=Thread(events=AWKWARD.events[:4]))
def test_each_axis_reads_back(name: str, value: Any, thread: Thread) -> None:
    # An indented body can forge no border, which stands at the beginning of a line.
    assume(name == "indent" or not any(map(forges, thread.events)))

    def stands(data: object) -> bool:
        return isinstance(data, str) and (value != "heading" or (data != "" and data == data.rstrip()))

    texts = [stands(event.data) for event in thread.events]
    setting: dict[str, Any] = {name: value}
    decoded, answered = decoders.trace(shown(thread, (name, value)), texts, **setting)
    assert decoders.same(decoded, [(event.type, event.data) for event in thread.events])
    assert set(answered) == {None}


@pytest.mark.parametrize("body", CHOICES["body"])
@given(thread=threads)
def test_a_step_repeats_its_intent(body: str, thread: Thread) -> None:
    assume(not any(map(forges, thread.events)))
    texts = [isinstance(event.data, str) and event.role != "step" for event in thread.events]
    decoded, _ = decoders.trace(shown(thread, ("body", body), ("intent", "yes")), texts, body=body)
    for one, (kind, data) in zip(thread.events, decoded, strict=True):
        assert kind == one.type
        if one.role == "step":
            assert data["intent"] == one.type
            assert decoders.text_message_matches(asdict(one), ("step", data))
        else:
            assert decoders.same(data, one.data)


@pytest.mark.parametrize("tag", CHOICES["tag"])
@given(thread=threads)
def test_a_result_names_the_step_whose_call_it_has(tag: str, thread: Thread) -> None:
    written = shown(thread, ("tag", tag), ("call", "yes"))
    plain = shown(thread, ("tag", tag))
    wanted = []
    for position, one in enumerate(thread.events):
        steps = [e.type for e in thread.events[:position] if e.role == "step" and e.call == one.call]
        wanted.append(steps[-1] if one.role == "result" and one.call and steps else None)
    assume(not any(map(forges, thread.events)))
    texts = [True] * len(thread.events)
    decoded, answered = decoders.trace(written, texts, tag=tag)
    assert answered == wanted
    assert decoded == decoders.trace(plain, texts, tag=tag)[0]


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (None, "intent: add"),
        ({"a": 1}, "intent: add\na: 1"),
        ({"a": 1, "intent": "add"}, "a: 1\nintent: add"),
        ({"intent": "other"}, "intent: add\ndata:\n  intent: other"),
        ("three", "intent: add\ndata: three"),
        ([1], "intent: add\ndata:\n  - 1"),
    ],
    ids=["no data", "arguments", "intent in the data", "another intent in the data", "text", "data that is no object"],
)
def test_where_the_intent_stands(data: Any, body: str) -> None:
    steps = thread(event("add", data, "step"), event("add", data))
    assert shown(steps, ("intent", "yes")).startswith(f"<add>\n{body}\n</add>\n\n")
    assert shown(thread(event("add", data)), ("intent", "yes")) == shown(thread(event("add", data)))


@pytest.mark.parametrize("axis", AXES, ids=str)
def test_null_and_empty_data_differ(axis: tuple[str, Any]) -> None:
    assert len({shown(thread(event("a", data)), axis) for data in (None, {}, [], "", " ")}) == 5


def test_it_is_marked_as_xml_yaml_is() -> None:
    assert trace().injectable
    assert trace().lossy is None
    assert {trace(axis).digest for axis in AXES} == {trace().digest}


# ------------------------------------------------------------------------------------------------ docs/formats.md


def test_the_documentation_shows_every_parameter() -> None:
    text = (SHIPPED.parent / "docs" / "formats.md").read_text(encoding="utf-8")
    example = Thread.model_validate_json(text.split("One thread in each:\n\n```json\n")[1].split("```")[0])
    section = text.split("\n### `trace`")[1].split("\n### ")[0]
    blocks = dict(re.findall(r"^`(trace\(.*?\))`.*?\n\n```\n(.*?)\n```$", section, re.MULTILINE | re.DOTALL))
    assert list(blocks) == [f"trace({name}={value})" for name, value in AXES]
    for name, block in blocks.items():
        assert block == formats.render(formats.load(SHIPPED, name), example)
    assert [tuple(re.findall(r"`(\w+)`", row)) for row in re.findall(r"^\| `.*?`.*?\|.*?\|", section, re.MULTILINE)] == [
        (name, *map(str, values)) for name, values in CHOICES.items()
    ]
