"""Examples are cases with an answer: shown by the variant's own format, right to the letter, and never asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import phrasing
from phrasing.cli.text import plain, prompt_text
from phrasing.errors import DatasetError, FormatError, SuiteError, UserError
from phrasing.plan import few_shot
from phrasing.plan.describe import plan_text
from phrasing.plan.find_prompt import Shown, Wanted, find_prompts
from phrasing.plan.resolve import Plan, resolve
from phrasing.report.markdown import markdown
from phrasing.suite.file import SuiteFile
from phrasing.tokenizers import tokenizer
from phrasing.types import Case, Completion, Prompt, Request
from support.small_projects import CLIENT, MAIL, STEPS, cache, case, event, function, load, project, shipped, write  # noqa: F401

SHOWN = """
    {{ _.role("system") }}
    You send mail.
    {{ ctx.output_format(quote_class_fields=true) }}
    {{ _.role("user") }}
    {% if examples %}
    Other people's mail, each with its next step:

    {{ examples }}

    This person's:
    {% endif %}
    {{ thread }}

    What is the next step?
"""
TWO = "thread: string, examples: string"
NEST = """
class Nest {
  intent "nest"
  inner Inner
}
class Inner {
  x float
}
"""
BAML = MAIL + NEST + function("Shown", SHOWN, parameters=TWO)

FOUND = [event("note", "a < b"), event("search", {"query": "q"}), event("search_result", {"found": [1, None]})]
SEND = {"intent": "send", "args": {"to": "ann", "urgent": True}}
CASES = [
    case("one", event("note", "find it"), answer={"intent": "search", "args": {"query": 'é "x"'}}, group="g", tags=["rare"]),
    case("near-one", event("note", "find it"), event("note", "please"), group="g"),
    case("two", *FOUND, answer=SEND, expect=[{"intent": "send", "args": {"to": "ann"}}]),
    case("asked", *FOUND),
    case("also-asked", event("note", "so?")),
]
AGENT = {"dataset": "mail", "functions": ["Mail", "Shown"], "examples": ["two", "one"]}
FORMATS = {
    "messages": "tool",
    "messages_text": "prompted",
    "xml_yaml": "prompted",
}


def suite_of(root: Path, *, cases: list[dict[str, Any]] | None = None, baml: str = BAML, **changed: Any) -> SuiteFile:
    """Write a project with examples and load its suite."""
    file = project(root, datasets={"mail": cases or CASES}, **{"agents": [AGENT], **changed})
    write(root, {"baml_src/mail.baml": baml, **shipped("xml_yaml")})
    return file


def planned(root: Path, **more: Any) -> Plan:
    return resolve(suite_of(root, **more))


def prompt_of(made: Plan, name: str) -> Prompt:
    """Compose the case ``asked`` for a function."""
    return next(made.prompt(trial) for trial in made.trials if trial.case == "asked" and trial.variant.function == name)


# ---------------------------------------------------------------------------------------------- what is shown


@pytest.mark.parametrize("format", FORMATS)
def test_a_prompt_with_examples(tmp_path: Path, golden: Callable[[str, str], None], format: str) -> None:
    made = planned(tmp_path, formats=[format], outputs=[FORMATS[format]])
    golden(f"examples/{format}.txt", plain(prompt_text(prompt_of(made, "Shown"))))


@pytest.mark.parametrize(("format", "output"), [*FORMATS.items(), ("xml_yaml", "tool"), ("json", "native")])
def test_examples_add_their_own_part_and_nothing_else(tmp_path: Path, format: str, output: str) -> None:
    made = planned(tmp_path, formats=[format], outputs=[output])
    bare = planned(tmp_path / "bare", formats=[format], outputs=[output], agents=[{**AGENT, "examples": []}])
    shown, plain, without = prompt_of(made, "Shown"), prompt_of(made, "Mail"), prompt_of(bare, "Shown")
    assert without == plain == prompt_of(bare, "Mail")
    counts = tokenizer.count(shown)
    assert counts.examples > 20
    assert (tokenizer.count(plain).examples, tokenizer.count(plain).thread) == (0, counts.thread)
    assert counts.total - counts.framing == sum(counts.model_dump(exclude={"framing", "spread"}).values())
    assert made.agents["mail"].set_aside == 3
    assert bare.agents["mail"].set_aside == 0


def test_no_two_calls_of_a_prompt_have_the_same_id(tmp_path: Path) -> None:
    sent = prompt_of(planned(tmp_path, formats=["messages"], outputs=["tool"]), "Shown").messages
    made = [call["id"] for message in sent for call in message.get("tool_calls", ())]
    assert made == ["example_1_call_1", "example_1_call_2", "example_2_call_1", "call_1"]
    assert [message["tool_call_id"] for message in sent if message["role"] == "tool"] == made


def test_an_example_makes_a_history_of_calls_even_where_no_case_has_one(tmp_path: Path) -> None:
    cases = [one for one in CASES if one["id"] != "asked"]
    made = planned(tmp_path, cases=cases, formats=["messages", "json"], outputs=["prompted", "tool"], baseline={"format": "json"})
    assert [(cell.format, cell.output) for cell in made.skipped] == [("messages", "prompted")]
    bare = planned(tmp_path, cases=cases[:2], formats=["messages"], outputs=["prompted"], agents=[{**AGENT, "examples": []}])
    assert bare.skipped == ()


# ---------------------------------------------------------------------------------------------- what is asked


async def finish(request: Request) -> Completion:
    return Completion(text='{"intent": "search", "query": "q"}', finish_reason="stop")


def test_examples_and_their_groups_are_asked_of_no_function(tmp_path: Path) -> None:
    file = suite_of(tmp_path)
    made = resolve(file)
    assert {(trial.case, trial.variant.function) for trial in made.trials} == {
        (name, function) for name in ("asked", "also-asked") for function in ("Mail", "Shown")
    }
    assert "  mail: 2 cases in 2 groups\n    2 examples; they and their groups take away 3 cases" in plan_text(made)
    run = phrasing.run(file, complete=finish)
    assert run.record.set_aside == {"mail": 3}
    assert set(run.record.cases["mail"]) == {"asked", "also-asked"}
    assert "- dataset mail: 2 cases (3 more are examples, or of their groups), sha256" in markdown(run.report())


def test_an_example_is_rendered_where_it_is_shown_and_nowhere_else(tmp_path: Path) -> None:
    file = suite_of(tmp_path)
    (prompt,) = find_prompts([file], Wanted("", "asked", [Shown("json", "none", "Shown")]))
    assert "find it" in plain(prompt_text(prompt))
    with pytest.raises(SuiteError, match="'near-one' is an example, or of an example's group, so no model is asked it"):
        find_prompts([file], Wanted("mail", "near-one", [Shown("json", "none")]))


def test_a_sample_is_drawn_from_what_examples_leave(tmp_path: Path) -> None:
    more = [case(f"c{i}") for i in range(9)]
    made = planned(tmp_path, cases=[*CASES, *more], agents=[{**AGENT, "sample": 11}])
    assert set(made.agents["mail"].cases) == {"asked", "also-asked", *(one["id"] for one in more)}


def test_another_example_asks_again_only_the_functions_that_see_it(tmp_path: Path) -> None:
    def keys(agent: dict[str, Any]) -> dict[str, str]:
        made = planned(tmp_path, agents=[agent])
        return {trial.id: made.request(trial, made.prompt(trial)).key for trial in made.trials if trial.case == "asked"}

    before, after = keys(AGENT), keys({**AGENT, "examples": ["one", "two"]})
    assert {name for name in before if before[name] != after[name]} == {name for name in before if "[Shown," in name}


# ---------------------------------------------------------------------------------------------- mistakes


def refusal(root: Path, kind: type[UserError], **changed: Any) -> str:
    with pytest.raises(UserError) as error:
        planned(root, **changed)
    assert type(error.value) is kind
    return str(error.value).replace(f"{root}/", "")


@pytest.mark.parametrize(
    ("agent", "message"),
    [
        ({"examples": ["tow"]}, "agents.0.examples: case 'tow' not found (did you mean 'two'?); there are: "),
        (
            {"functions": ["Mail"]},
            "agents.0.examples: no function takes them; one that does is (thread: string, examples: string)",
        ),
        ({"examples": [one["id"] for one in CASES]}, "agents.0.examples: leave no case to ask"),
        ({"tags": ["rare"]}, "agents.0.tags: the examples and their groups are all the cases with rare"),
    ],
    ids=["unknown", "no function", "nothing left", "nothing left of a tag"],
)
def test_examples_that_cant_be_shown(tmp_path: Path, agent: dict[str, Any], message: str) -> None:
    said = refusal(tmp_path, SuiteError, agents=[{**AGENT, **agent}])
    place, _, named = said.partition(": ")
    assert named.startswith(message)
    line = (tmp_path / "evals/mail.yaml").read_text().splitlines()[int(place.rpartition(":")[2]) - 1]
    assert line.strip() in ("examples:", "- tow", "tags:")


LABELS = [{"intent": "search", "args": {"limit": {"$number": 3}}}, {"intent": "nest"}, {"intent": "send"}]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"intent": "serach"}, "intent 'serach' not found (did you mean 'search'?); there are: finish, nest, search, send"),
        ({"intent": "search", "args": {"query": "q", "n": 1}}, "search: argument 'n' not found; there are: limit, query"),
        ({"intent": "search", "args": {"limit": 3}}, "search: query: Field required"),
        ({"intent": "search", "args": {"query": 3, "limit": 3}}, "search: query: Input should be a valid string, got 3"),
        ({"intent": "search", "args": {"query": "q", "limit": "3"}}, "search: limit: Input should be a valid integer, got '3'"),
        ({"intent": "nest", "args": {"inner": {"x": 1, "y": 2}}}, 'nest: inner: got {"x": 1, "y": 2}, of which {"x": 1.0} fits'),
        ({"intent": "search", "args": {"query": "q", "limit": 4}},
         "search is no right step by the labels: limit: expected 3 ± 1e-09, got 4"),
        ({"intent": "finish"}, "finish is no right step by the labels: expected search or nest or send, got finish"),
        ({"intent": "send", "args": {"to": "bob", "urgent": True}},
         "send is no right step by the labels: forbidden here: send(to: {\"$regex\": \"b\"})"),
    ],
    ids=["intent", "argument", "missing", "type", "text for a number", "nested key", "arguments", "wrong step", "harm"],
)  # fmt: skip
def test_an_answer_is_a_right_step_to_the_letter(tmp_path: Path, answer: dict[str, Any], message: str) -> None:
    # whether the case is named as an example or not
    wide = MAIL + NEST + function("Wide", SHOWN, parameters=TWO, returns="Search | Send | Finish | Nest")
    wrong = case("wrong", expect=LABELS, forbid=[{"intent": "send", "args": {"to": {"$regex": "b"}}}], answer=answer)
    labels = [{"intent": "send", "args": {"to": {"$ignore": True}}} if label["intent"] == "send" else label for label in LABELS]
    cases = [*CASES, {**wrong, "expect": labels}]
    said = refusal(tmp_path, DatasetError, cases=cases, baml=wide, agents=[{**AGENT, "functions": ["Wide"]}])
    assert said == f"datasets/mail.jsonl:6: answer: {message}"


def test_an_answer_that_fits_is_taken(tmp_path: Path) -> None:
    wide = MAIL + NEST + function("Wide", SHOWN, parameters=TWO, returns="Search | Send | Finish | Nest")
    right = case("right", expect=LABELS, answer={"intent": "nest", "args": {"inner": {"x": 1}}})
    agents = [{**AGENT, "functions": ["Wide"], "examples": ["right"]}]
    made = planned(tmp_path, cases=[*CASES, right], baml=wide, agents=agents, formats=["json"])
    shown = made.render.examples("mail", "json", "prompted")
    assert isinstance(shown, str)
    assert shown.splitlines()[-1] == '{"intent":"nest","inner":{"x":1}}'
    assert json.loads(shown.splitlines()[0])[0]["data"] == {"text": "about right"}


def test_an_example_needs_an_answer(tmp_path: Path) -> None:
    said = refusal(tmp_path, DatasetError, agents=[{**AGENT, "examples": ["asked"]}])
    assert said.startswith("datasets/mail.jsonl:4: no answer, which an example needs: ")


def test_an_answer_is_a_step_of_every_function_that_sees_it(tmp_path: Path) -> None:
    few = function("Few", SHOWN, parameters=TWO, returns="Search | Finish") + function("Blind", returns="Search | Finish")
    functions = load(tmp_path, few + function("All", SHOWN, parameters=TWO)).functions
    two = Case.model_validate(CASES[2])
    few_shot.check(two, list(functions.values()))
    assert few_shot.make(two, [functions["All"], functions["Blind"]], number=1).case == "two"
    with pytest.raises(ValueError, match=r"^answer: intent 'send' not found.*; there are: finish, search \(the steps of Few\)$"):
        few_shot.make(two, [functions["All"], functions["Few"]], number=1)


AFTER = '{{ _.role("user") }}{{ thread }}\n{{ examples }}'
APART = '{{ _.role("system") }}Look: {{ examples }}{{ _.role("user") }}{{ thread }}'
TWICE = "{{ examples }}\nand\n{{ examples }}\n{{ thread }}"


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (AFTER, "shows its examples after its thread; "),
        (APART, "shows its examples in system messages; "),
        (TWICE, "shows its examples in user, user messages; "),
    ],
    ids=["after", "system", "twice"],
)
def test_messages_need_a_place_for_examples(tmp_path: Path, prompt: str, message: str) -> None:
    baml = MAIL + function("Shown", prompt, parameters=TWO)
    said = refusal(tmp_path, SuiteError, baml=baml, formats=["messages_text"])
    assert f"messages_text with output prompted: function 'Shown' {message}to run it under a format that makes messages" in said
    assert len(planned(tmp_path, baml=baml, formats=["json"]).trials) == 4


def test_a_format_that_cant_show_an_example_names_it(tmp_path: Path) -> None:
    write(tmp_path, {"formats/turns.py": (
        "def render(thread):\n"
        "    role = {'step': 'assistant'}\n"
        "    return [{'role': role.get(e['role'], 'user'), 'content': str(e['data'])} for e in thread['events']]\n"
    )})  # fmt: skip
    said = refusal(tmp_path, FormatError, formats=["turns"], agents=[{**AGENT, "examples": ["one"]}])
    assert said.startswith("formats/turns.py: the last message is the assistant's")
    assert said.endswith("(example 'one')")
