"""The notations that are included: what each writes it reads, of every function here and of every shape of functions."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from phrasing.baml.project import Function, load_project
from phrasing.plan.resolve import resolve
from phrasing.prompts import notations
from phrasing.prompts.notation_probe import samples
from phrasing.prompts.notations import NotationFile
from phrasing.prompts.template import take_apart, with_schema
from phrasing.score.parse import Parser
from phrasing.suite.file import load_suite
from phrasing.suite.outputs import notations_of
from phrasing.types import Completion, ToolCall
from support import hostile_answers, made_steps
from support.paths import REPOSITORY
from support.small_projects import CLIENT, cache, function, load, project, write
from support.step_shapes import SHAPES
from support.tiers import examples, few

__all__ = ["cache"]

FILES = {
    name: (notation.schema or notation.answer)
    for name in notations.available(REPOSITORY)
    for notation in notations.load_notations(load_suite(REPOSITORY / "evals" / "quickstart.yaml"), [f"prompted({name})"]).values()
}
ANSWERS = {name: file for name, file in FILES.items() if file is not None and file.read}
SCHEMAS = sorted(FILES.keys() - ANSWERS.keys())
PROJECT = load_project(REPOSITORY / "baml_src")
OWN = few(sorted(PROJECT.functions), ["DetermineNextStepCalculator", "DetermineNextStepDeploy", "DetermineNextStepRouter6"])


def of_shape(root: Path, name: str) -> Function:
    shape = SHAPES[name]
    written = shape.types + function("F", shape.prompt, parameters=shape.parameters, returns=shape.returns)
    found = load(root, {"main.baml": CLIENT + written}).find("F")
    return found.filled(shape.agent.get("thread"), shape.agent.get("arguments", {}))


def parser_of(made: Function, file: NotationFile) -> Parser:
    return Parser(
        with_schema(take_apart(made), lambda own: notations.text(notations.Notation(None, file), made, own)), None, file
    )


def holds(made: Function) -> None:
    """Show the steps in every schema part; write all samples in every answer part, and read them as what they are."""
    for name in SCHEMAS:
        shown = notations.text(notations.Notation(FILES[name], None), made, take_apart(made).schema)
        for step in notations.steps_of(made):
            assert str(step["intent"] if step["value"] is None else step["value"]) in shown
            assert all(field in shown for field in step["parameters"]["properties"])
            assert step["description"].partition("\n")[0] in shown
    for file in ANSWERS.values():
        parser = parser_of(made, file)
        for step in samples(made):
            parsed = parser.parse(Completion(text=f"\n{notations.write(file, step, made)} "), "prompted")
            called = ToolCall(name=step["intent"], arguments=json.dumps(step["args"]))
            assert parsed == parser.parse(Completion(tool_calls=(called,)), "tool")
            assert parsed.form == "exact" or '"null"' in json.dumps(step)  # BAML takes that text for a type


@pytest.mark.parametrize("name", OWN)
def test_they_hold_for_the_functions_that_are_included(name: str) -> None:
    holds(PROJECT.function(name))


@pytest.mark.parametrize("name", SHAPES)
def test_they_hold_for_functions_of_every_shape(tmp_path: Path, name: str) -> None:
    holds(of_shape(tmp_path, name))


@pytest.mark.parametrize("name", ANSWERS)
@examples(60, 2000, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_step_survives(name: str, data: st.DataObject) -> None:
    file = ANSWERS[name]
    made = PROJECT.function(
        data.draw(st.sampled_from(["DetermineNextStepDeploy", "DetermineNextStepWeather", "DetermineNextStepIssues"]))
    )
    step = data.draw(made_steps.steps(made))
    answer = notations.write(file, step, made)
    said = f"I see.\n\n{answer}\n\nSo be it." if file.in_prose and data.draw(st.booleans()) else answer
    assert notations.read(file, said, made) == [step]


@pytest.mark.parametrize("name", ANSWERS)
def test_no_answer_is_too_hostile(name: str) -> None:
    parser = parser_of(PROJECT.function("DetermineNextStepWeather"), ANSWERS[name])
    for completion, _ in hostile_answers.answers(7, 30):
        parsed = parser.parse(Completion(text=completion.text[:4000]), "prompted")
        assert (parsed.step is None) == (parsed.stage is not None)
        parsed.model_dump_json()


HANDS = {
    "yaml": [
        ("```yaml\nintent: convert\nvalue: 3\nfrom_unit: kmh\nto_unit: mph\n```", "wrapped"),
        ("intent: convert\nvalue: 3.0\nfrom_unit: 'kmh'\nto_unit: mph", "wrapped"),
        ("intent: convert\nvalue: 3.0\nfrom_unit: kmh\nto_unit: mph", "exact"),
        ('intent: convert\nvalue: "3"\nfrom_unit: kmh\nto_unit: MPH', "repaired"),
    ],
    "xml_tag": [
        ('<convert>{"value": 3.0, "from_unit": "kmh", "to_unit": "mph"}</convert>', "exact"),
        ('<convert>\n  {"value":3.0,"from_unit":"kmh","to_unit":"mph"}\n</convert>', "exact"),
        ('First:\n<convert>{"value": 3.0, "from_unit": "kmh", "to_unit": "mph"}</convert>\nDone.', "wrapped"),
        (
            '<think><find_place>{}</find_place></think><convert>{"value": 3.0, "from_unit": "kmh", "to_unit": "mph"}</convert>',
            "wrapped",
        ),
        ('<convert>{"value": "3", "from_unit": "kmh", "to_unit": "mph"}</convert>', "repaired"),
    ],
    "call": [
        ('convert(value=3.0, from_unit="kmh", to_unit="mph")', "exact"),
        ('`convert(value=3.0, from_unit="kmh", to_unit="mph")`', "wrapped"),
        ('find_place(name="x")? No. Final answer: convert(value=3, from_unit="kmh", to_unit="mph")', "wrapped"),
        ('convert(value=3.0, from_unit="KMH", to_unit="mph")', "repaired"),
    ],
    "yes_no": [
        ('- find_place: no\n- **convert**: yes {"value": 3.0, "from_unit": "kmh", "to_unit": "mph"}', "wrapped"),
        ('- Find_place: No\n- Convert: Yes {"value": 3.0, "from_unit": "kmh", "to_unit": "mph"}', "repaired"),
        ('convert: yes {"value": "3", "from_unit": "kmh", "to_unit": "mph"}\nfind_place: no', "repaired"),
    ],
}


@pytest.mark.parametrize(("name", "said", "form"), [(name, *answer) for name, listed in HANDS.items() for answer in listed])
def test_answers_written_by_hand(name: str, said: str, form: str) -> None:
    parsed = parser_of(PROJECT.function("DetermineNextStepWeather"), ANSWERS[name]).parse(Completion(text=said), "prompted")
    assert parsed.step is not None, parsed
    assert (parsed.step.intent, parsed.step.args) == ("convert", {"value": 3.0, "from_unit": "kmh", "to_unit": "mph"})
    assert parsed.form == form


NO_STEP = {
    "yaml": ["Convert it.", "- 1\n- 2", "intent: swim", "value: 3", "intent: *a", "{", "intent: convert\n value: 3"],
    "xml_tag": [
        "<swim>{}</swim>",
        "<convert>{",
        "<convert>value: 3</convert>",
        "<convert>[3]</convert>",
        '{"intent": "convert"}',
    ],
    "call": ["swim()", "convert", "convert(3)", 'convert(value="3', '{"intent": "convert"}'],
    "yes_no": ["convert: no\nfind_place: no", "convert: yes value=3", "swim: yes", '{"intent": "convert"}'],
}


@pytest.mark.parametrize(("name", "said"), [(name, said) for name, listed in NO_STEP.items() for said in listed])
def test_answers_without_a_step(name: str, said: str) -> None:
    parsed = parser_of(PROJECT.function("DetermineNextStepWeather"), ANSWERS[name]).parse(Completion(text=said), "prompted")
    assert (parsed.step, parsed.stage in ("parse", "intent")) == (None, True)
    assert parsed.marks == (("json_answer",) if said.startswith('{"') else ())


def test_a_step_that_is_called_like_reasoning_is_no_reasoning(tmp_path: Path) -> None:
    types = 'class Plan {\n  intent "plan"\n  days int\n}\nclass Rest {\n  intent "rest"\n}\n'
    made = load(tmp_path, {"main.baml": CLIENT + types + function("F", returns="Plan | Rest")}).function("F")
    said = '<think><rest>{}</rest></think>\nI will <plan>{"days": 3}</plan>'
    parsed = parser_of(made, ANSWERS["xml_tag"]).parse(Completion(text=said), "prompted")
    assert (parsed.step and parsed.step.intent, parsed.form) == ("plan", "wrapped")


def test_each_is_asked_in_a_suite_of_its_part() -> None:
    for name, wanted in (("answers", sorted(ANSWERS)), ("schemas", SCHEMAS)):
        file = load_suite(REPOSITORY / "evals" / f"{name}.yaml")
        assert sorted(each for output in file.suite.outputs for each in notations_of(output)) == wanted
        assert not [warning for warning in resolve(file).warnings if "JSON" in warning]


def test_each_is_short_and_needs_nothing_of_ours() -> None:
    for path in notations.available(REPOSITORY).values():
        text = path.read_text("utf-8")
        assert len(text.splitlines()) < 70
        assert {found.partition(".")[0] for found in re.findall(r"^(?:import|from) (\S+)", text, re.M)} <= {"json", "re", "yaml"}


def test_the_page_lists_them() -> None:
    page = (REPOSITORY / "docs" / "notations.md").read_text("utf-8")
    table = page.partition("## The notations that are included")[2].partition("\n## ")[0]
    assert sorted(line.split("`")[1] for line in table.splitlines() if line.startswith("| `")) == sorted(FILES)


def test_the_file_on_the_page_is_one(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "notations.md").read_text("utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    file = project(tmp_path, outputs=["prompted(arrow)"])
    write(tmp_path, {"notations/arrow.py": block})
    made = resolve(file)
    parsed = made.parser(made.trials[0]).parse(Completion(text='-> search {"query": "q"}'), "prompted(arrow)")
    assert (parsed.form, parsed.step and parsed.step.intent) == ("exact", "search")


def test_the_page_says_what_a_step_is() -> None:
    page = (REPOSITORY / "docs" / "notations.md").read_text("utf-8")
    table = page.partition("Each is a dict:")[2].partition("`step`, and")[0]
    told = notations.steps_of(PROJECT.function("DetermineNextStepWeather"))[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == told.keys()
