from __future__ import annotations

import json

import pytest
from pydantic import JsonValue

from phrasing.importers import cases
from phrasing.importers.cases import INCOMPLETE, Cut, Said, Together
from phrasing.importers.conversation import Call, Conversation, Heard, Item, Lost, Result, Turn
from phrasing.suite import dataset
from phrasing.types import Thread


def cut(*items: Item, whole: bool = True, said: Said | None = None) -> Cut:
    return cases.cut(Conversation(items, whole=whole), said or Said())


def shown(made: Cut) -> list[str]:
    return [f"{event['role']} {event['type']} {json.dumps(event['data'])} {event.get('call', '-')}" for event in made.events]


ASK, FIND, FOUND = Heard("where is it?"), Turn(calls=(Call("find", {"id": 7}, "c9"),)), Result({"at": "home"}, "c9")


def test_a_conversation_becomes_a_thread_and_each_turn_a_decision() -> None:
    made = cut(ASK, FIND, FOUND, Turn("At home."), Heard("thanks"), Turn("You're welcome."))
    assert shown(made) == [
        'input user_message "where is it?" -',
        'step find {"id": 7} call_1',
        'result find_result {"at": "home"} call_1',
        'step respond {"message": "At home."} call_2',
        'input user_message "thanks" -',
        'step respond {"message": "You\'re welcome."} call_3',
    ]
    assert [(one.turn, one.before, one.labels, one.called) for one in made.decisions] == [
        (1, 1, ({"intent": "find", "args": {"id": 7}},), True),
        (2, 3, ({"intent": "respond"},), False),
        (3, 5, ({"intent": "respond"},), False),
    ]
    assert not made.kept
    assert not made.left


def test_turns_that_somebody_else_wrote_are_history() -> None:
    given = Turn("Like this:", FIND.calls, given=True)
    made = cut(ASK, given, FOUND, Turn("At home.", given=True), Turn("Is that all?"))
    assert [(one.turn, one.before, one.labels) for one in made.decisions] == [(3, 5, ({"intent": "respond"},))]
    assert [event["type"] for event in made.events[1:]] == ["respond", "find", "find_result", "respond", "respond"]
    assert cut(ASK, Turn("Hello", given=True), Turn(", you.", given=True)).events == cut(ASK, Turn("Hello\n\n, you.")).events


def test_what_is_inferred_agrees_with_what_is_written() -> None:
    made = cut(ASK, FIND, FOUND, Turn("At home."))
    thread = Thread.model_validate({"events": made.events})
    assert dataset.infer_roles(thread, frozenset()) == (thread, ())


def test_calls_made_at_once_are_all_wanted() -> None:
    both = Turn(calls=(Call("find", {"id": 7}, "a"), Call("find", {"id": 8}, "b")))
    made = cut(ASK, both, Result(2, "b"), Result(1, "a"), Turn("ok"))
    (decision, *_) = made.decisions
    assert decision.labels == ({"intent": "find", "args": {"id": 7}}, {"intent": "find", "args": {"id": 8}})
    assert (decision.key, decision.at_once) == ("all", True)
    assert shown(made)[1:5] == [
        'step find {"id": 7} call_1',
        'step find {"id": 8} call_2',
        "result find_result 2 call_2",
        "result find_result 1 call_1",
    ]


LABEL = {"intent": "find", "args": {"id": 7}}


@pytest.mark.parametrize(
    ("ids", "together", "wanted"),
    [
        (("a", "b"), "all", ("all", (LABEL, LABEL))),
        ((None, None), "all", ("all", (LABEL, LABEL))),
        (("a", "a"), "all", ("expect", (LABEL,))),
        (("a", "b"), "any", ("expect", (LABEL,))),
    ],
    ids=["two", "no ids", "one written twice", "any"],
)
def test_equal_calls_are_wanted_as_often_as_they_were_made(
    ids: tuple[str | None, ...], together: Together, wanted: tuple[str, tuple[dict[str, JsonValue], ...]]
) -> None:
    turn = Turn(calls=tuple(Call("find", {"id": 7}, one) for one in ids))
    made = cases.cut(Conversation((ASK, turn)), together=together)
    (decision,) = made.decisions
    assert (decision.key, decision.labels) == wanted
    assert (cases.TWICE in made.kept) == (ids == ("a", "a"))


def test_calls_of_several_messages_that_nothing_answers_are_doubted() -> None:
    first, second = (Turn(calls=(Call("find", {"id": number}, f"c{number}"),)) for number in (7, 8))
    made = cut(ASK, first, second)
    assert [(one.key, one.incomplete) for one in made.decisions] == [("all", True)]
    answered = cut(ASK, first, second, Result(1, "c7"), Result(2, "c8"))
    assert [(one.key, one.incomplete) for one in answered.decisions] == [("all", False)]


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ((FIND, Lost("a call without a name"), FOUND), "a call without a name: left out of the thread"),
        ((Turn('[{"function": {"arguments": "{}"}}]', FIND.calls), FOUND), cases.CALL_BESIDE),
    ],
    ids=["lost", "as text"],
)
def test_a_turn_that_may_have_made_one_more_call_is_doubted(items: tuple[Item, ...], reason: str) -> None:
    made = cut(ASK, *items, Turn("ok"))
    assert [one.incomplete for one in made.decisions] == [True, True]
    assert reason in made.kept
    harmless = cut(ASK, FIND, Lost("reasoning", harmless=True), FOUND, Turn("ok"))
    assert [one.incomplete for one in harmless.decisions] == [False, False]


def test_text_beside_calls_comments_on_them() -> None:
    made = cut(ASK, Turn("Let me look.", FIND.calls), FOUND)
    assert shown(made)[1:3] == ['step respond {"message": "Let me look."} call_1', 'step find {"id": 7} call_2']
    assert [one.labels for one in made.decisions] == [({"intent": "find", "args": {"id": 7}},)]


def test_turns_in_a_row_are_one() -> None:
    whole = cut(ASK, Turn("Let me look."), Lost("reasoning", harmless=True), FIND, FOUND)
    assert whole.events == cut(ASK, Turn("Let me look.", FIND.calls), FOUND).events
    assert [one.turn for one in whole.decisions] == [1]
    assert whole.kept == ["reasoning: left out of the thread"]


def test_only_the_last_turn_of_a_single_call_is_a_decision() -> None:
    assert [one.turn for one in cut(ASK, FIND, FOUND, Turn("At home."), whole=False).decisions] == [2]
    assert cut(ASK, FIND, FOUND, whole=False).decisions == []


def test_what_the_agent_said_is_the_step_that_one_names() -> None:
    made = cut(ASK, Turn("Hello"), Heard("hi"), said=Said("done_for_now", "text"))
    assert made.events[1]["type"] == "done_for_now"
    assert made.events[1]["data"] == {"text": "Hello"}
    assert made.decisions[0].labels == ({"intent": "done_for_now"},)


@pytest.mark.parametrize(
    ("result", "event"),
    [
        (Result({"error": "gone"}, "c9"), 'result error "gone" call_1'),
        (Result("gone", "c9", error=True), 'result error "gone" call_1'),
        (Result({"error": "gone", "code": 4}, "c9"), 'result find_result {"error": "gone", "code": 4} call_1'),
        (Result({"human_response": "no"}, "c9"), 'result human_response "no" call_1'),
        (Result("x", None, "find"), 'result find_result "x" call_1'),
        (Result("x"), 'result find_result "x" call_1'),
    ],
    ids=["error object", "said to be one", "more than an error", "a person", "by name", "by place"],
)
def test_results_are_named_after_their_step_or_as_errors(result: Result, event: str) -> None:
    assert shown(cut(ASK, FIND, result))[2] == event


@pytest.mark.parametrize("result", [Result("x", "other"), Result("x", None, "seek")], ids=["id", "name"])
def test_a_result_of_no_call_is_kept_and_said(result: Result) -> None:
    made = cut(ASK, FIND, result, Turn("ok"))
    assert shown(made)[2] == 'input tool_result "x" -'
    assert cases.ORPHAN in made.kept
    assert [one.incomplete for one in made.decisions] == [False, True]


def test_a_second_result_of_one_call_is_kept_and_said() -> None:
    made = cut(ASK, FIND, FOUND, FOUND)
    assert shown(made)[3] == 'input tool_result {"at": "home"} -'
    assert made.kept == [cases.ORPHAN]


def test_what_is_lost_is_said_and_marks_the_cases_after_it() -> None:
    made = cut(ASK, Lost("an image"), Turn("ok"), Lost("thoughts", harmless=True), Heard("and?"), Turn("ok"))
    assert made.kept == ["an image: left out of the thread", "thoughts: left out of the thread"]
    assert [one.incomplete for one in made.decisions] == [True, True]
    assert INCOMPLETE == "incomplete"


def test_unreadable_arguments_make_no_label_but_stay_in_the_thread() -> None:
    made = cut(ASK, Turn(calls=(Call("find", '{"id": ', "c9"),)), FOUND, Turn("ok"))
    assert shown(made)[1] == 'step find "{\\"id\\": " call_1'
    assert [one.turn for one in made.decisions] == [2]
    assert made.left == [cases.UNREAD_LABEL]
    assert made.kept == [cases.UNREAD_ARGUMENTS]


def test_an_argument_that_looks_like_a_matcher_is_not_compared() -> None:
    made = cut(ASK, Turn(calls=(Call("find", {"where": {"$gt": 3}, "n": 1}, "a"), Call("find", {"q": [{"$in": 2}]}, "b"))))
    assert made.decisions[0].labels == ({"intent": "find", "args": {"n": 1}}, {"intent": "find"})
    assert made.kept == [cases.UNCOMPARED] * 2


def test_calls_without_results_are_said() -> None:
    assert cut(ASK, FIND, Heard("still there?"), Turn("yes")).kept == [cases.UNANSWERED]


def test_a_silent_turn_and_a_first_one_make_no_case() -> None:
    made = cut(Turn("Hello, how can I help?"), ASK, Turn(""))
    assert made.decisions == []
    assert made.left == [cases.NO_HISTORY, cases.SILENT]


def test_names_that_no_api_takes_are_changed() -> None:
    made = cut(ASK, Turn(calls=(Call("math.factorial", {}),)), Result(6))
    assert [event["type"] for event in made.events[1:]] == ["math_factorial", "math_factorial_result"]
    assert made.renamed == {"math.factorial": "math_factorial"}


def test_all_data_is_cleaned() -> None:
    def clean(value: object) -> object:
        return json.loads(json.dumps(value).replace("secret", "[x]"))

    items = (Heard("secret"), Turn("secret", (Call("find", {"a": "secret"}, "i"),)), Result(["secret"], "i"), Turn("secret"))
    made = cases.cut(Conversation(items), clean=clean)  # type: ignore[arg-type]
    assert "secret" not in json.dumps([made.events, [one.labels for one in made.decisions]])


# ---------------------------------------------------------------------------------------------- values


def test_what_was_said_in_words_unknown_is_a_label_and_no_event() -> None:
    made = cut(ASK, Turn(None, tags=("free",)), Heard("thanks"), Turn(None), Turn())
    assert shown(made) == ['input user_message "where is it?" -', 'input user_message "thanks" -']
    assert [(one.before, one.labels, one.tags) for one in made.decisions] == [
        (1, ({"intent": "respond"},), ("free",)),
        (2, ({"intent": "respond"},), ()),
    ]


def test_labels_of_the_log_count_also_alone() -> None:
    label: dict[str, JsonValue] = {"intent": "find", "args": {"id": "secret"}}
    given = Turn(calls=FIND.calls, given=True)
    conversation = Conversation((ASK, given, Turn(labels=(label, {"intent": "respond"}, label))))
    made = cases.cut(conversation, clean=lambda value: {"id": "x"} if value == {"id": "secret"} else value)
    assert [event["type"] for event in made.events] == ["user_message", "find"]
    (decision,) = made.decisions
    assert decision.labels == ({"intent": "find", "args": {"id": "x"}}, {"intent": "respond"})
    assert (decision.turn, decision.before, decision.called) == (2, 2, True)
    assert not cut(ASK, Turn(labels=({"intent": "respond"},))).decisions[0].called


def test_what_is_left_out_of_a_label_is_said() -> None:
    made = cut(ASK, Lost("a condition", harmless=True, out_of="the label"), Turn(labels=({"intent": "find"},)))
    assert made.kept == ["a condition: left out of the label"]
