"""Notations as files: how outputs name them, what stands in the prompt, and what of a file is refused, with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from phrasing.errors import FormatError, SuiteError
from phrasing.plan.resolve import Plan, resolve
from phrasing.plan.selection import Selection
from phrasing.prompts import notations
from phrasing.suite.file import load_suite
from phrasing.suite.outputs import notations_of
from phrasing.suite.schema import Suite
from phrasing.tokenizers import tokenizer
from phrasing.types import mode_of
from support.small_projects import MAIL, SUITE, cache, function, project, write

__all__ = ["cache"]

SCHEMA = """
def schema(steps):
    return "STEPS " + " ".join(step["intent"] + " " + " ".join(step["parameters"]["properties"]) for step in steps)
"""
ANSWER = """
import json
def ask(steps):
    return "  Answer so: " + ", ".join(step["intent"] for step in steps) + "\\n"
def write(step, steps):
    return step["intent"] + " " + json.dumps(step["args"])
def read(text, steps):
    name, _, args = text.partition(" ")
    return {"intent": name, "args": json.loads(args)} if args else None
"""
OWN = """{
  // look something up
  "intent": "search",
  // what to look for
  "query": string,
  "limit": int or null,
} or {
  // send the mail

  "intent": "send",
  "to": string,
  "urgent": bool,
} or {
  // nothing is left to do
  "intent": "finish",
}"""
JSON = "Answer in JSON using any of these schemas:\n"
SHOWN = "STEPS search query limit send to urgent finish "
ASKED = "Answer so: search, send, finish\n"


def planned(root: Path, *outputs: str, baml: str = MAIL, **files: str) -> Plan:
    project(root, outputs=["prompted", *outputs])
    write(root, {"baml_src/mail.baml": baml})
    write(root, {f"notations/{name}.py": text for name, text in {"shown": SCHEMA, "told": ANSWER, **files}.items()})
    return resolve(load_suite(root / "evals" / "mail.yaml"))


def sent(made: Plan, output: str) -> str:
    (trial, *_) = (trial for trial in made.trials if trial.variant.output == output)
    prompt = made.prompt(trial)
    return "".join(piece.text for pieces in prompt.pieces for piece in pieces if piece.kind == "schema")


# ---------------------------------------------------------------------------------------------- what is shown


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("prompted", JSON + OWN),
        ("prompted(shown)", JSON + SHOWN.strip()),
        ("prompted(told)", ASKED + OWN),
        ("prompted(shown told)", ASKED + SHOWN.strip()),
        ("prompted(both)", ASKED + SHOWN.strip()),
    ],
)
def test_parts_take_the_places_of_bamls_own(tmp_path: Path, output: str, expected: str) -> None:
    made = planned(tmp_path, *{output} - {"prompted"}, both=SCHEMA + ANSWER)
    assert sent(made, output) == expected


def test_only_the_schema_differs_and_its_tokens_are_its(tmp_path: Path) -> None:
    made = planned(tmp_path, "prompted(shown told)")
    by_output = {trial.variant.output: made.prompt(trial) for trial in made.trials if trial.case == "c0"}
    plain, noted = by_output["prompted"], by_output["prompted(shown told)"]
    assert (noted.tools, noted.response_format) == (None, None)
    assert str(plain.messages).replace(repr(JSON + OWN)[1:-1], "") == str(noted.messages).replace(
        repr(ASKED + SHOWN.strip())[1:-1], ""
    )
    counts = {name: tokenizer.count(prompt) for name, prompt in by_output.items()}
    assert counts["prompted"].schema_ > counts["prompted(shown told)"].schema_ > 10
    assert (
        counts["prompted"].total - counts["prompted"].schema_
        == counts["prompted(shown told)"].total - counts["prompted(shown told)"].schema_
    )


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("(prefix='How:\\n', or_splitter=' | ')", "{\n  // look"),
        ('(prefix="A \\"word\\":\\n")', "{\n  // look"),
        ("(prefix=null)", "{\n  // look"),
    ],
)
def test_a_prompts_own_prefix_is_what_is_said_of_the_answer(tmp_path: Path, call: str, told: str) -> None:
    baml = MAIL + function("Own", f"Hi.\n{{{{ ctx.output_format{call} }}}}\n{{{{ thread }}}}")
    made = planned(tmp_path, "prompted(told)", "prompted(shown)", baml=baml)
    write(tmp_path, {"baml_src/mail.baml": baml})
    asked = [agent.model_copy(update={"functions": {"Own": ("Own",)}}) for agent in made.suite.agents]
    made = resolve(made.file, asked=made.suite.model_copy(update={"agents": tuple(asked)}))
    plain, prefix = sent(made, "prompted"), sent(made, "prompted(shown)").removesuffix(SHOWN.strip())
    assert plain.removeprefix(prefix).startswith(told)
    assert prefix in ("How:\n", 'A "word":\n', "")
    assert sent(made, "prompted(told)") == ASKED + plain.removeprefix(prefix)


def test_a_prefix_that_is_computed_is_refused(tmp_path: Path) -> None:
    for call in ("(prefix='How' ~ ':\n')", "(or_splitter=' | ', prefix=thread)"):
        baml = MAIL.replace("(quote_class_fields=true)", call)
        with pytest.raises(SuiteError, match=r"'Mail' may give ctx.output_format a prefix that is computed; write it as a text"):
            planned(tmp_path, "prompted(told)", baml=baml)


def test_what_a_notation_does_to_steps_harms_nobody(tmp_path: Path) -> None:
    greedy = ANSWER.replace("def ask(steps):\n", "def ask(steps):\n    steps[0]['parameters'].clear()\n")
    made = planned(tmp_path, "prompted(greedy)", "prompted(shown)", greedy=greedy)
    assert sent(made, "prompted(shown)") == JSON + SHOWN.strip()


# ---------------------------------------------------------------------------------------------- how it is named


def test_an_output_is_a_mode_with_notations() -> None:
    for output, names in {"prompted": (), "prompted(a)": ("a",), "prompted(a-1 b_2)": ("a-1", "b_2")}.items():
        assert Suite.model_validate({**SUITE, "outputs": [output]}).outputs == (output,)
        assert (mode_of(output), notations_of(output)) == ("prompted", names)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (
            "prompted(a, b)",
            "'prompted(a, b)' is no output; wanted a mode, or prompted with one or two notations, a space between",
        ),
        ("prompted(a", "'prompted(a' is no output"),
        ("prompted()", "'prompted()' is no output"),
        ("prompted(a b c)", "'prompted(a b c)' is no output"),
        ("promted(a)", "output 'promted' not found (did you mean 'prompted'?"),
        ("native(a)", "'native(a)': native has the provider enforce JSON, so it takes no notation; prompted does"),
        ("native_bare(a)", "has the provider enforce JSON"),
        ("tool(a)", "'tool(a)': tool offers steps as tools, so it takes no notation; prompted does"),
        ("tool_auto(a)", "offers steps as tools"),
    ],
)
def test_what_is_no_output_is_refused(output: str, message: str) -> None:
    with pytest.raises(ValidationError) as error:
        Suite.model_validate({**SUITE, "outputs": [output]})
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (
            "prompted(tolt)",
            "outputs: prompted(tolt): notation 'tolt' not found (did you mean 'told'?); there are: both, shown, told",
        ),
        (
            "prompted(told shown)",
            "told is an answer part and shown is a schema part; wanted a schema part and then an answer part",
        ),
        ("prompted(told told)", "told is an answer part and told is an answer part; wanted"),
        ("prompted(shown both)", "both has a schema part and an answer part, so it stands alone"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, output: str, message: str) -> None:
    with pytest.raises(SuiteError) as error:
        planned(tmp_path, output, both=SCHEMA + ANSWER)
    assert message in str(error.value)
    assert str(error.value).startswith(f"{tmp_path}/evals/mail.yaml:")
    made = planned(tmp_path, both=SCHEMA + ANSWER)
    with pytest.raises(SuiteError, match=r"^--output: outputs: "):
        resolve(made.file, Selection(outputs=[output]))


def test_a_prompt_without_a_schema_takes_none(tmp_path: Path) -> None:
    baml = MAIL.replace("{{ ctx.output_format(quote_class_fields=true) }}", "")
    with pytest.raises(
        SuiteError, match=r"output prompted\(told\): function 'Mail' doesn't show ctx.output_format, where a notat"
    ):
        planned(tmp_path, "prompted(told)", baml=baml)


# ---------------------------------------------------------------------------------------------- what is wrong with a file

WRONG: dict[str, tuple[str, str]] = {
    "nothing": ("x = 1", "defines neither schema(steps) nor ask(steps), write(step, steps), read(text, steps)"),
    "half": (ANSWER.replace("def write", "def wrote"), "defines no write; the last three belong together"),
    "broken": ("def", ":1: SyntaxError: "),
    "raising": ("1 / 0", ":1: raised ZeroDivisionError: "),
    "no text": ("def schema(steps): return ['a']", "schema returned ['a']; wanted a text that isn't empty"),
    "empty": ("def schema(steps): return ' '", "schema returned ' '; wanted a text that isn't empty"),
    "restless": (
        "n = []\ndef schema(steps):\n    n.append(1)\n    return SHOWN + str(n)",
        "schema returns another text each time",
    ),
    "unasked": (ANSWER.replace('return "  Answer', 'raise ValueError("x")\n    return "'), "ask raised ValueError: x"),
    "a name lacks": (SCHEMA.replace('step["intent"]', '"?"'), "its schema doesn't name 'search', of Mail"),
    "a field lacks": (SCHEMA.replace('["properties"]', '.get("required", [])'), "its schema doesn't name 'limit', of Mail"),
    "drops": (ANSWER.replace('"args": json.loads(args)', '"args": {}'), 'reads {"args":{},"intent":"search"} where it wrote {'),
    "strips": (ANSWER.replace("json.loads(args)", "json.loads(args, parse_int=str)"), "where it wrote {"),
    "mixes": (ANSWER.replace('"intent": name', '"intent": "send"'), 'reads {"args"'),
    "finds none": (ANSWER.replace("return {", "return None if 1 else {"), "reads [] where it wrote {"),
    "returns text": (ANSWER.replace("return {", "return text if 1 else {"), ", which is no step; wanted {"),
    "returns a date": (ANSWER.replace("json.loads(args)}", "{1: 2}}"), ", which holds what JSON can't carry"),
    "returns more": (ANSWER.replace('{"intent": name,', '{"intent": name, "why": 1,'), ", which is no step; wanted"),
    "an intent is none": (
        ANSWER.replace('"intent": name', '"intent": 1'),
        ", whose intent is no text, or whose args are no dict",
    ),
    "writes nothing": (
        ANSWER.replace("return step", "return None and step"),
        "write returned None; wanted a text that isn't empty",
    ),
    "escapes nothing": (ANSWER.replace("json.dumps(step[", "str(step["), "can't read what it wrote, \"search {"),
    "no prose": (ANSWER + "IN_PROSE = True\n", "can't read what it wrote, 'Let me think about it.\\n\\nsearch {"),
}
SHOWS = 'SHOWN = "search query limit send to urgent finish"\n'


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_is_wrong_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    text, message = WRONG[name]
    text = SHOWS + text if name == "restless" else text
    with pytest.raises(FormatError) as error:
        planned(tmp_path, "prompted(wrong)", wrong=text)
    assert str(error.value).startswith(f"{tmp_path}/notations/wrong.py")
    assert message in str(error.value)


def test_names_that_bamls_schema_lacks_have_to_be_asked_for(tmp_path: Path) -> None:
    types = "class Hoist {\n  colour string\n}\nclass Log {\n  text string\n}\n"
    baml = MAIL + types + function("Mail2", returns="Hoist | Log").replace("Mail2", "Ship")
    made = planned(tmp_path, "prompted(told)", baml=baml)
    agents = tuple(agent.model_copy(update={"functions": {"Ship": ("Ship",)}}) for agent in made.suite.agents)
    write(tmp_path, {"notations/told.py": ANSWER.replace('", ".join(step["intent"] for step in steps)', '"name {}"')})
    write(
        tmp_path,
        {"datasets/mail.jsonl": '{"id": "c0", "thread": {"events": [{"type": "note"}]}, "expect": [{"intent": "Log"}]}\n'},
    )
    with pytest.raises(FormatError, match="neither what it asks for nor the schema names 'Hoist', of Ship"):
        resolve(made.file, asked=made.suite.model_copy(update={"agents": agents}))


def test_only_python_files_with_plain_names_are_notations(tmp_path: Path) -> None:
    files: dict[str, Any] = dict.fromkeys(("a.py", "b-1.py", "_c.py", ".d.py", "e.j2", "f g.py"), "")
    write(tmp_path, {f"notations/{name}": text for name, text in files.items()})
    assert list(notations.available(tmp_path)) == ["a", "b-1"]
    assert notations.available(tmp_path / "elsewhere") == {}
