"""Several steps at once: how they are read, and what they score against a case that wants several."""

from __future__ import annotations

import json
from collections import Counter
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.prompts.template import take_apart
from phrasing.score import builtin, several
from phrasing.score.parse import Parser
from phrasing.types import Case, Completion, Output, Parsed, Step, StepMatch, ToolCall
from support import hostile_answers
from support.small_projects import CLIENT, STEPS, cache, function, load
from support.tiers import few

__all__ = ["cache"]

SHORT = "{{ ctx.output_format(quote_class_fields=true) }}\n{{ thread }}"
SOURCE = (
    CLIENT
    + STEPS
    + 'enum Bell {\n  Fire @alias("k1")\n  Fog\n}\nclass Hoist {\n  colour string\n}\nclass Log {\n  text string\n}\n'
    + function("Mail", SHORT, returns="(Search | Send | Finish)[]")
    + function("One", SHORT)
    + function("Deck", SHORT, returns="(Hoist | Log)[]")
    + function("Ring", SHORT, returns="Bell[]")
)


@pytest.fixture(scope="module")
def parsers(tmp_path_factory: pytest.TempPathFactory, cache: None) -> dict[str, Parser]:
    found = load(tmp_path_factory.mktemp("several"), {"main.baml": SOURCE})
    return {name: Parser(take_apart(found.function(name))) for name in found.functions}


def case(**labels: Any) -> Case:
    return Case.model_validate_json(json.dumps({"id": "c", "thread": {"events": [{"type": "note"}]}, **labels}), strict=True)


def said(parser: Parser, text: str, output: Output = "prompted") -> Parsed:
    return parser.parse(Completion(text=text), output)


def called(parser: Parser, *calls: tuple[str, str], several: bool = True) -> Parsed:
    made = tuple(ToolCall(name=name, arguments=arguments) for name, arguments in calls)
    return parser.parse(Completion(tool_calls=made), "tool", several=several)


def short(parsed: Parsed) -> tuple[Any, ...]:
    return ([step.intent for step in (parsed.step, *parsed.further) if step], parsed.form, parsed.stage)


SEARCH, FINISH = '{"intent": "search", "query": "q"}', '{"intent": "finish"}'


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("Mail", f"[{SEARCH}, {FINISH}]", (["search", "finish"], "exact", None)),
        ("Mail", f"[{FINISH}]", (["finish"], "exact", None)),
        ("Mail", f"Both: ```json\n[{SEARCH}, {FINISH}]\n```", (["search", "finish"], "wrapped", None)),
        ("Mail", f"<think>[{FINISH}]</think>[{SEARCH}, {FINISH}]", (["search", "finish"], "wrapped", None)),
        ("Mail", f"{SEARCH}\n{FINISH}", (["search", "finish"], "repaired", None)),
        ("Mail", FINISH, (["finish"], "repaired", None)),
        ("Mail", f"[{FINISH}, {{intent: finish}}]", (["finish", "finish"], "repaired", None)),
        ("Mail", f'[{FINISH}, {{"intent": "send", "to": "ann"}}]', (["finish"], "unparsable", "arguments")),
        ("Mail", f'[{FINISH}, {{"intent": "fly"}}]', (["finish"], "unparsable", "intent")),
        ("Mail", "[]", ([], "unparsable", "empty")),
        ("Mail", "nothing", ([], "unparsable", "empty")),
        ("Mail", f"[{', '.join([FINISH] * 51)}]", ([], "unparsable", "guard")),
        ("Deck", '[{"colour": "red"}, {"text": "fog"}]', (["Hoist", "Log"], "exact", None)),
        ("Deck", '{"colour": "red"} {"text": "fog"}', (["Hoist", "Log"], "repaired", None)),
        ("Ring", '["k1", "Fog", "k1"]', (["Fire", "Fog", "Fire"], "exact", None)),
        ("Ring", '["k1", "Smoke"]', (["Fire"], "unparsable", "parse")),
    ],
)  # fmt: skip
def test_a_list_is_read(parsers: dict[str, Parser], name: str, text: str, wanted: tuple[Any, ...]) -> None:
    assert short(said(parsers[name], text)) == wanted


def test_a_list_is_unwrapped(parsers: dict[str, Parser]) -> None:
    assert short(said(parsers["Mail"], f'{{"steps": [{SEARCH}, {FINISH}]}}', "native")) == (["search", "finish"], "exact", None)
    schema = parsers["Mail"].function.response_format["json_schema"]["schema"]
    assert schema["required"] == ["steps"]
    assert schema["properties"]["steps"]["type"] == "array"


@pytest.mark.parametrize("seed", few(range(2), [0]))
@pytest.mark.parametrize("name", ["Mail", "Deck", "Ring", "One"])
def test_hostile_answers_are_read_or_fail_with_a_stage(parsers: dict[str, Parser], name: str, seed: int) -> None:
    for completion, output in hostile_answers.answers(seed, 60):
        parsed = parsers[name].parse(completion, output, several=True)
        assert (parsed.step is None) == (parsed.stage is not None)


def test_calls_together_need_no_repair_where_several_are_wanted(parsers: dict[str, Parser]) -> None:
    calls = ("search", '{"query": "q"}'), ("finish", "{}")
    for parser in (parsers["Mail"], parsers["One"]):
        assert short(called(parser, *calls)) == (["search", "finish"], "exact", None)
    assert short(called(parsers["Mail"], *calls, several=False)) == (["search", "finish"], "exact", None)
    alone = called(parsers["One"], *calls, several=False)
    assert (short(alone), alone.marks) == ((["search", "finish"], "repaired", None), ("several_steps",))
    broken = called(parsers["One"], calls[0], ("send", "{}"))
    assert short(broken) == (["search"], "unparsable", "arguments")


# ---------------------------------------------------------------------------------------------- scores

A, B, C = (Step(intent=name) for name in "abc")
A1, A2 = (Step(intent="a", args={"x": number}) for number in (1, 2))


def scored(wanted: Case, *steps: Step) -> dict[str, float | None]:
    parsed = Parsed(step=steps[0], as_it_stands=steps[0], further=steps[1:], form="exact")
    return {name: found.value for name, found in builtin.score(wanted, parsed).items()}


def label(intent: str, **args: Any) -> dict[str, Any]:
    return {"intent": intent, **({"args": args} if args else {})}


BOTH = case(all=[label("a"), label("b")])
ROW = case(sequence=[label("a"), label("b")])
ARGS = case(all=[label("a", x=1), label("a")], forbid=[label("c")])


@pytest.mark.parametrize(
    ("wanted", "steps", "scores"),
    [
        (BOTH, (A, B), {"intent": 1, "args": None, "step": 1, "precision": 1, "recall": 1}),
        (BOTH, (B, A), {"intent": 1, "args": None, "step": 1, "precision": 1, "recall": 1}),
        (BOTH, (A,), {"intent": 0, "args": None, "step": 0, "precision": 1, "recall": 0.5}),
        (BOTH, (A, A), {"intent": 0, "args": None, "step": 0, "precision": 0.5, "recall": 0.5}),
        (BOTH, (A, B, C, C), {"intent": 0, "args": None, "step": 0, "precision": 0.5, "recall": 1}),
        (BOTH, (C,), {"intent": 0, "args": None, "step": 0, "precision": 0, "recall": 0}),
        (ROW, (A, B), {"intent": 1, "args": None, "step": 1, "precision": 1, "recall": 1, "order": 1}),
        (ROW, (B, A), {"intent": 0, "args": None, "step": 0, "precision": 1, "recall": 1, "order": 0.5}),
        (ROW, (A, C, B), {"intent": 0, "args": None, "step": 0, "precision": 2 / 3, "recall": 1, "order": 1}),
        (ROW, (C,), {"intent": 0, "args": None, "step": 0, "precision": 0, "recall": 0, "order": None}),
        (ARGS, (A2, A1), {"intent": 1, "args": 1, "step": 1, "precision": 1, "recall": 1, "harm": 0}),
        (ARGS, (A2, A2), {"intent": 1, "args": 0, "step": 0, "precision": 0.5, "recall": 0.5, "harm": 0}),
        (ARGS, (A1, A1, C), {"intent": 0, "args": None, "step": 0, "precision": 2 / 3, "recall": 1, "harm": 1}),
    ],
)  # fmt: skip
def test_a_set_is_scored(wanted: Case, steps: tuple[Step, ...], scores: dict[str, float | None]) -> None:
    assert scored(wanted, *steps) == pytest.approx({"strict": 1, "harm": None, **scores})


def test_what_is_wrong_is_said() -> None:
    found = builtin.score(ROW, Parsed(step=B, further=(A,), form="exact"))
    assert found["step"].reason == "expected a, then b, got b, a"
    found = builtin.score(ARGS, Parsed(step=A2, further=(A2,), form="exact"))
    assert found["step"].reason == "a: x: expected 1, got 2"
    failed = builtin.score(ROW, Parsed(stage="parse", reason="no", further=(A,)))
    assert {name: score.value for name, score in failed.items()} == {
        "intent": 0, "args": None, "step": 0, "strict": 0, "harm": None, "precision": 0, "recall": 0, "order": None,
    }  # fmt: skip


def test_a_case_that_wants_one_step_is_scored_as_it_was() -> None:
    assert list(builtin.score(case(expect=[label("a")]), Parsed(step=A, further=(B,), form="exact"))) == [
        "intent", "args", "step", "strict", "harm",
    ]  # fmt: skip


INTENTS = st.lists(st.sampled_from("abc"), min_size=1, max_size=5)


@given(wanted=INTENTS, got=INTENTS)
def test_pairs_are_counted(wanted: list[str], got: list[str]) -> None:
    labels, steps = [StepMatch(intent=name) for name in wanted], [Step(intent=name) for name in got]

    def fits(one: StepMatch, other: Step) -> bool:
        return one.intent == other.intent

    common = sum((Counter(wanted) & Counter(got)).values())
    assert several.largest(labels, steps, fits) == common
    kept = several.longest(labels, steps, fits)
    assert kept <= common
    assert (kept == len(wanted) == len(got)) == (wanted == got)
    whole = scored(case(all=[label(name) for name in wanted]), *steps)
    assert whole["step"] == float(Counter(wanted) == Counter(got))
    assert scored(case(sequence=[label(name) for name in wanted]), *steps)["step"] == float(wanted == got)


@given(st.data())
def test_the_largest_set_of_pairs_is_that_of_all_ways(data: st.DataObject) -> None:
    table = data.draw(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=4))
    labels = [StepMatch(intent=str(row)) for row in range(len(table))]
    steps = [Step(intent=str(column)) for column in range(4)]

    def fits(one: StepMatch, other: Step) -> bool:
        return table[int(one.intent)][int(other.intent)]

    ways = (sum(table[row][column] for row, column in enumerate(way)) for way in permutations(range(4), len(table)))
    assert several.largest(labels, steps, fits) == max(ways)
