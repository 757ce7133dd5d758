"""Free text among a call's arguments: what is taken for it, and that a label leaves out nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from phrasing.importers.cases import cut
from phrasing.importers.conversation import Call, Conversation, Heard, Turn
from phrasing.importers.free_text import ALL, FreeText
from phrasing.score.builtin import score
from phrasing.types import Case, Parsed, Step
from support.imported import made

PROSE = "The customer changed her mind and would like to have the money back."


def label(args: dict[str, JsonValue], schema: dict[str, Any] | None = None, wanted: tuple[str, ...] = ()) -> Any:
    return FreeText(wanted).leave_out(args, schema or {}, "go")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("reason", "no longer needed"),
        ("cancelReason", "too late"),
        ("cancel-reason", "too late"),
        ("INTERNAL_NOTE", "called twice"),
        ("thoughts", "let me see"),
        ("description", "Broken screen"),
        ("message", "It is on its way"),
        ("query", "What did the customer order yesterday?"),
        ("x", PROSE),
        ("x", "客户改变了主意。"),
        ("x", "one two three four five six seven eight nine ten eleven twelve"),
    ],
)
def test_free_text_is_left_out(name: str, text: str) -> None:
    assert label({name: text, "id": 7}) == ({"id": 7}, [f"go.{name}"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("reason", "duplicate"),  # one word is a choice
        ("reason", ""),
        ("message_id", "a b"),
        ("city", "New York"),
        ("address", "1600 Amphitheatre Parkway, Mountain View, CA 94043, USA"),
        ("name", "Dr. Ada M. Lovelace Jr."),
        ("version", "v1.2.3."),
        ("expression", "1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9"),
        ("command", "git log --oneline | head -5"),
        ("when", "2026-01-31T09:00:00Z"),
    ],
)
def test_what_may_be_compared_stays(name: str, text: str) -> None:
    assert label({name: text}) == ({name: text}, [])


@pytest.mark.parametrize("said", [{"enum": [PROSE]}, {"const": PROSE}, {"format": "date"}, {"pattern": "a"}])
def test_what_a_declaration_tells_apart_stays(said: dict[str, Any]) -> None:
    inside = {"type": "object", "properties": {"reason": said}}
    schema = {"properties": {"reason": said, "one": inside, "all": {"items": inside}, "reasons": {"items": said}}}
    args: dict[str, JsonValue] = {"reason": PROSE, "one": {"reason": PROSE}, "all": [{"reason": PROSE}], "reasons": [PROSE]}
    assert label(args, schema) == (args, [])
    assert label(args, {"properties": {"reason": {"type": "string"}}})[0] == {}


def test_it_is_found_inside_objects_and_lists() -> None:
    ticket: dict[str, JsonValue] = {"id": 7, "description": PROSE, "by": {"note": PROSE}}
    args: dict[str, JsonValue] = {
        "ticket": ticket,
        "lines": [{"id": 1, "note": PROSE}, {"id": 2}],
        "notes": [PROSE, "short"],
        "comments": [PROSE, PROSE],
        "about": {"summary": PROSE},
        "empty": {},
        "none": None,
    }
    assert label(args) == (
        {
            "ticket": {"id": 7},
            "lines": [{"id": 1}, {"id": 2}],
            "notes": [{"$ignore": True}, "short"],
            "empty": {},
            "none": None,
        },
        [
            *("go.ticket.description", "go.ticket.by.note", "go.lines[].note"),
            *("go.notes[]", "go.comments[]", "go.about.summary"),
        ],
    )


def test_what_one_asks_for_is_compared() -> None:
    args: dict[str, JsonValue] = {"reason": PROSE, "lines": [{"note": PROSE}]}
    assert label(args, wanted=(ALL,)) == (args, [])
    assert label(args, wanted=("go.reason",)) == ({"reason": PROSE}, ["go.lines[].note"])
    assert label(args, wanted=("go.lines[].note", "stop.reason")) == ({"lines": [{"note": PROSE}]}, ["go.reason"])


names = st.sampled_from(["reason", "id", "note", "x"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([PROSE, "no longer needed", "a", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(names, values, max_size=3))
def test_the_call_that_was_logged_is_right_by_its_label(args: dict[str, Any]) -> None:
    conversation = Conversation((Heard("hi"), Turn(calls=(Call("go", args),))))
    (decision,) = cut(conversation).decisions
    case = Case.model_validate({"id": "a", "thread": {"events": [{"type": "hi"}]}, "expect": list(decision.labels)})
    assert score(case, Parsed(step=Step(intent="go", args=args), form="exact"))["step"].value == 1


def test_a_rewording_is_right_and_another_id_is_wrong() -> None:
    tools = ({"type": "function", "function": {"name": "crm.cancel", "parameters": {"properties": {"why": {"enum": [PROSE]}}}}},)
    call = Call("crm.cancel", {"order": "A7", "reason": "no longer needed", "why": PROSE})
    made_of_it = cut(Conversation((Heard("hi"), Turn(calls=(call,))), tools=tools))
    assert made_of_it.uncompared == ["crm_cancel.reason"]
    assert made_of_it.events[1]["data"] == call.arguments  # the thread keeps it
    case = Case.model_validate(
        {"id": "a", "thread": {"events": [{"type": "hi"}]}, "expect": list(made_of_it.decisions[0].labels)}
    )

    def right(**change: str) -> bool:
        args = {"order": "A7", "reason": "changed my mind", "why": PROSE, **change}
        return score(case, Parsed(step=Step(intent="crm_cancel", args=args), form="exact"))["step"].value == 1

    assert right()
    assert not right(order="A8")
    assert not right(why="another")


def test_the_summary_says_what_isnt_compared() -> None:
    def record(number: int, name: str = "reason") -> dict[str, Any]:
        function = {"name": "cancel", "arguments": {"order": number, name: "no longer needed"}}
        calls = [{"id": "a", "type": "function", "function": function}]
        return {"id": number, "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "tool_calls": calls}]}

    cases, account = made(*map(record, range(1_200)), record(7, "note"))
    assert {tuple(case["expect"][0]["args"]) for case in cases} == {("order",)}
    assert list(account.lines())[1:] == [
        "Free text, not compared (--compare-text NAME compares one, or all):",
        "  cancel.reason (1,200), cancel.note (1)",
    ]
    cases, account = made(record(1), free_text=FreeText((ALL,)))
    assert cases[0]["expect"] == [{"intent": "cancel", "args": {"order": 1, "reason": "no longer needed"}}]
    assert not account.uncompared
    _, account = made(*(record(number, f"{'x' * number}_note") for number in range(30)))
    assert " ".join(" ".join(account.lines()).split()).endswith("and 10 more")


def test_history_and_what_the_agent_says_are_not_counted() -> None:
    call = Call("cancel", {"reason": "no longer needed"})
    made_of_it = cut(
        Conversation((Heard("hi"), Turn(calls=(call,)), Heard("so?"), Turn("A long text, said to the user.")), whole=False)
    )
    assert made_of_it.uncompared == []
