"""Calls and transcripts that stand in a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.importers import cases, written_out
from phrasing.importers.conversation import Call, Conversation, Heard, Result, Turn
from phrasing.importers.written_out import holds_call, is_transcript
from support.written_texts import CALLS, TRANSCRIPTS

WORDS = [
    "I found it.",
    'The call find({"id": 7}) failed.',
    "Action: none is needed.",
    'Here is the order: {"id": 7, "name": "Anchor"}',
    '{"answer": "2", "rationale": "1 + 1"}',
    "[1, 2]",
    "print(1)",
    "```json\n{}\n```",
    "",
]
PLAIN = [
    "where is it?",
    "Note: bring rope.\nAlso: tar.",
    "user: bob",
    "My system: Linux.",
    "<b>bold</b> and <i>more</i>",
    '[{"id": 1}, {"id": 2}]',
    "",
]


@pytest.mark.parametrize("text", CALLS.values(), ids=CALLS)
def test_a_call_in_a_text_is_found(text: str) -> None:
    assert holds_call(text, {"find"})


@pytest.mark.parametrize("text", WORDS)
def test_words_are_no_call(text: str) -> None:
    assert not holds_call(text, {"find"})


@pytest.mark.parametrize("text", TRANSCRIPTS.values(), ids=TRANSCRIPTS)
def test_a_transcript_is_found(text: str) -> None:
    assert is_transcript(text)


@pytest.mark.parametrize("text", PLAIN)
def test_a_message_is_no_transcript(text: str) -> None:
    assert not is_transcript(text)


PIECES = st.lists(
    st.sampled_from([*CALLS.values(), *TRANSCRIPTS.values(), *PLAIN, *WORDS])
    | st.text("Action:Rolefind()[]{}<>/='\"`|\n ", max_size=9)
)


@given(st.text() | PIECES.map("".join), st.sampled_from([(), ("find",)]), st.integers(0, 40))
def test_a_quick_look_overlooks_nothing(text: str, tools: tuple[str, ...], cut: int) -> None:
    text = text[cut:]
    quick = holds_call(text, tools), is_transcript(text, tools)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(written_out, "_has", lambda text, *signs: True)
        assert (holds_call(text, tools), is_transcript(text, tools)) == quick


@given(st.text() | st.lists(st.sampled_from([*CALLS.values(), *TRANSCRIPTS.values(), "{", "[", "user:", "\n"])).map("".join))
def test_no_text_stops_either(text: str) -> None:
    assert holds_call(text) in (True, False)
    assert is_transcript(text) in (True, False)


def cut(*items: object) -> cases.Cut:
    return cases.cut(Conversation(tuple(items)))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", CALLS.values(), ids=CALLS)
def test_a_call_as_text_is_no_label_and_later_cases_are_tagged(text: str) -> None:
    made = cases.cut(
        Conversation(
            (Heard("where is it?"), Turn(text), Heard("and?"), Turn("At home.")), tools=({"name": "find", "parameters": {}},)
        )
    )
    assert made.left == [cases.CALL_AS_TEXT]
    assert [(one.turn, one.incomplete) for one in made.decisions] == [(2, True)]


@pytest.mark.parametrize("text", ["None", " null ", "assistant: None", "undefined"])
def test_a_word_for_nothing_is_no_answer(text: str) -> None:
    made = cut(Heard("where is it?"), Turn(text))
    assert not made.decisions
    assert made.left == [f"{cases.UNREAD_ANSWER}: it is a word for nothing, such as None"]


@pytest.mark.parametrize("text", TRANSCRIPTS.values(), ids=TRANSCRIPTS)
def test_a_case_of_a_transcript_in_one_text_is_tagged(text: str) -> None:
    (one,) = cut(Heard(text), Turn("At home.")).decisions
    assert one.incomplete


CALL = Call("find", {"id": 7}, "c1")


@pytest.mark.parametrize(
    ("items", "tagged"),
    [
        ([Heard("hi"), Turn("Hello."), Heard("where?"), Turn("Home.")], [False, False]),
        ([Heard("hi"), Turn(calls=(CALL,)), Result(1, "c1"), Turn("Home.")], [False, False]),
        ([Heard("hi"), Turn(calls=(CALL,)), Turn("Home.")], [False, True]),
        ([Heard("hi"), Turn(calls=(CALL, Call("look", {}, "c2"))), Result(1, "c1"), Turn("Home.")], [False, True]),
        ([Heard("hi"), Turn(calls=(CALL,)), Heard("so?"), Turn("Home.")], [False, False]),
        ([Turn(calls=(CALL,)), Result(1, "c1"), Turn("Home.")], [True]),
        ([Turn(calls=(CALL,)), Result(1, "c1"), Heard("so?"), Turn("Home.")], [True]),
        ([Turn("Hello."), Heard("so?"), Turn("Home.")], [False]),
        ([Heard("hi"), Turn("One."), Turn("Two."), Heard("so?"), Turn("Three.")], [False, True]),
        ([Heard("hi"), Turn("One."), Turn(calls=(CALL,)), Result(1, "c1"), Turn("Home.")], [False, False]),
    ],
    ids=[
        "talk",
        "call",
        "no result",
        "one of two results",
        "words for a result",
        "nobody heard",
        "acted first",
        "greeted first",
        "words twice",
        "words and a call",
    ],
)
def test_a_thread_that_cant_be_whole_is_tagged(items: list[object], tagged: list[bool]) -> None:
    assert [one.incomplete for one in cut(*items).decisions] == tagged
