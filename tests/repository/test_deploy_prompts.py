"""The prompts of the deployment agent differ from its first one only in what their names say."""

from __future__ import annotations

import re

import pytest

from support.paths import REPOSITORY

SOURCE = (REPOSITORY / "baml_src" / "deploy.baml").read_text("utf-8")
FUNCTION = re.compile(
    r'^function DetermineNextStepDeploy(\w*)\((.*?)\) -> (.*?) \{\n  client Playground\n  prompt #"\n(.*?)\n  "#\n\}', re.M | re.S
)
VARIANTS = {name: (parameters, union.split(" | "), prompt) for name, parameters, union, prompt in FUNCTION.findall(SOURCE)}

SCHEMA = "    {{ ctx.output_format(quote_class_fields=true) }}\n\n"
THREAD = "    {{ thread }}\n\n"
USER = '    {{ _.role("user") }}\n'


def cut(text: str, part: str) -> str:
    """Take the one ``part`` out of a text."""
    before, after = text.split(part)
    return before + after


def test_every_function_is_compared() -> None:
    assert set(VARIANTS) == {"", "Terse", "SchemaLast", "Reversed", "Examples"}
    assert SOURCE.count("\nfunction ") == len(VARIANTS)


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_parameters_and_steps(name: str) -> None:
    parameters, union, prompt = VARIANTS[name]
    assert parameters == ("thread: string, examples: string" if name == "Examples" else "thread: string")
    assert union == VARIANTS[""][1][:: -1 if name == "Reversed" else 1]
    assert ("{{ DeployPolicy() }}" in prompt) == (name != "Terse")


def test_reversed_has_the_same_prompt() -> None:
    assert VARIANTS["Reversed"][2] == VARIANTS[""][2]


def test_schema_last_only_moves_the_schema() -> None:
    last = VARIANTS["SchemaLast"][2]
    assert cut(last, SCHEMA) == cut(VARIANTS[""][2], SCHEMA)
    assert THREAD + SCHEMA in last


def test_examples_only_adds_a_message_before_the_thread() -> None:
    prompt = VARIANTS["Examples"][2]
    _, examples, thread = prompt.split(USER)
    assert "{{ examples }}" in examples
    assert thread.startswith(THREAD)
    assert cut(prompt, USER + examples) == VARIANTS[""][2]


def test_terse_differs_in_its_words_only() -> None:
    def frame(prompt: str) -> list[str]:
        return re.findall(r"\{\{ (?!DeployPolicy).*?\}\}", prompt)

    assert frame(VARIANTS["Terse"][2]) == frame(VARIANTS[""][2])
