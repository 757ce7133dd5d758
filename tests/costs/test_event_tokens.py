"""Parts of a rendering by event: they add up, and each begins where the past ends."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.costs import event_tokens
from phrasing.prompts import formats
from phrasing.suite import dataset
from phrasing.tokenizers.tokenizer import open_tokenizer
from phrasing.types import Event, Message, Piece, Prompt, Rendering, Thread
from support.paths import REPOSITORY

SHIPPED = sorted(formats.available(REPOSITORY / "formats"))
LOADED = {name: formats.load(REPOSITORY / "formats", name) for name in SHIPPED}

values = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text("ab <>:-\n#é", max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def threads(draw: st.DrawFn) -> Thread:
    listed = []
    for kind in draw(st.lists(st.sampled_from(["note", "find", "find_result", "error"]), min_size=1, max_size=6)):
        role = {"note": "input", "find": "step"}.get(kind, "result")
        listed.append(Event(type=kind, data=draw(values), role=role))  # type: ignore[arg-type]
    return Thread(events=tuple(listed))


def prompt(rendering: Rendering) -> Prompt:
    if isinstance(rendering, str):
        pieces = (Piece("instructions", "Go.\n\n"), Piece("thread", rendering), Piece("question", "\n\nWhat next?"))
        return Prompt(({"role": "user", "content": "".join(piece.text for piece in pieces)},), (pieces,))
    first: Message = {"role": "system", "content": "Go."}
    shown = ((Piece("instructions", "Go."),), *((Piece("thread", message.get("content") or ""),) for message in rendering))
    return Prompt((first, *rendering), shown)


@given(name=st.sampled_from(SHIPPED), thread=threads())
def test_events_add_up_to_the_thread(name: str, thread: Thread) -> None:
    rendering = formats.render(LOADED[name], thread)
    borders = event_tokens.borders(LOADED[name], thread, rendering)
    assert [kind for kind, _ in borders] == [event.type for event in thread.events]
    ends = [end for _, end in borders]
    assert ends == sorted(ends)
    assert ends[-1] == len(rendering)
    tokenizer, sent = open_tokenizer("o200k_base"), prompt(rendering)
    found = event_tokens.count_events(tokenizer, sent, rendering, borders)
    assert found.counts == tokenizer.count(sent)
    assert sum(event.tokens for event in found.events.values()) == found.counts.thread
    assert sum(event.n for event in found.events.values()) == len(thread.events)


TALK = Thread(
    events=(
        Event(type="note", data="find it", role="input"),
        Event(type="find", data={"q": "x"}, role="step"),
        Event(type="find_result", data=[1, 2], role="result"),
    )
)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("xml_yaml", ["<note>\nfind it\n</note>", "\n\n<find>\nq: x\n</find>", "\n\n<find_result>\n- 1\n- 2\n</find_result>"]),
        (
            "json",
            [
                '[{"type":"note","data":"find it"}',
                ',{"type":"find","data":{"q":"x"}}',
                ',{"type":"find_result","data":[1,2]}]',
            ],
        ),
    ],
)
def test_a_part_begins_where_the_past_ends(name: str, parts: list[str]) -> None:
    rendering = formats.render(LOADED[name], TALK)
    assert isinstance(rendering, str)
    ends = [0, *(end for _, end in event_tokens.borders(LOADED[name], TALK, rendering))]
    assert [rendering[a:b] for a, b in pairwise(ends)] == parts


def test_a_message_belongs_to_the_event_that_gave_it_its_last_form() -> None:
    thread, _ = dataset.infer_roles(TALK, frozenset({"find"}))
    rendering = formats.render(LOADED["messages"], thread)
    assert event_tokens.borders(LOADED["messages"], thread, rendering) == (("note", 1), ("find", 2), ("find_result", 3))


def test_a_format_that_counts_its_events_leaves_them_without_a_part(tmp_path: Path) -> None:
    (tmp_path / "counted.j2").write_text(
        "{{ thread.events|length }}\n{% for e in thread.events %}\n{{ e.data|json }}\n{% endfor %}"
    )
    counted = formats.load(tmp_path, "counted")
    rendering = formats.render(counted, TALK)
    borders = event_tokens.borders(counted, TALK, rendering)
    assert borders == (("note", 0), ("find", 0), ("find_result", len(rendering)))
    found = event_tokens.count_events(open_tokenizer("o200k_base"), prompt(rendering), rendering, borders)
    assert [found.events[kind].empty for kind in ("note", "find", "find_result")] == [1, 1, 0]


@pytest.mark.parametrize(
    "first",
    ["{% if thread.events|length > 1 %}{{ thread.events[0].data|json }}{% endif %}", "{{ thread.events[1].data|json }}"],
    ids=["empty", "fails"],
)
def test_an_event_that_a_format_shows_only_with_the_next_has_no_part(tmp_path: Path, first: str) -> None:
    (tmp_path / "late.j2").write_text(first + "{% for e in thread.events[2:] %}{{ e.data|json }}{% endfor %}")
    late = formats.load(tmp_path, "late")
    rendering = formats.render(late, TALK)
    assert isinstance(rendering, str)
    ends = [end for _, end in event_tokens.borders(late, TALK, rendering)]
    assert ends == [0, len(rendering) - len("[1,2]"), len(rendering)]
