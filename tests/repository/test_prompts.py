"""The rewrites that are included apply to the agents they are for, and to no recording."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
import yaml

from phrasing.baml.project import load_project
from phrasing.cli.text import plain, prompt_text
from phrasing.plan.resolve import Plan, resolve
from phrasing.plan.selection import Selection
from phrasing.prompts.rewrites import rewrite
from phrasing.suite import rewrites
from phrasing.suite.file import load_suite
from phrasing.suite.functions import split
from support.paths import REPOSITORY
from support.small_projects import cache
from support.tiers import few

__all__ = ["cache"]

SOURCES = REPOSITORY / "baml_src"
FUNCTIONS = sorted(re.findall(r"(?m)^function (\w+)\(", "".join(p.read_text("utf-8") for p in SOURCES.glob("*.baml"))))
QUICKSTART = load_suite(REPOSITORY / "evals" / "quickstart.yaml")
CALCULATOR = "DetermineNextStepCalculator"
SHIPPED = sorted(rewrites.available(REPOSITORY))
CASE = "three-operations-ask"


def planned(*functions: str) -> Plan:
    (agent,) = QUICKSTART.suite.agents
    asked = agent.model_copy(update={"functions": {name: (name,) for name in functions}})
    suite = QUICKSTART.suite.model_copy(update={"agents": (asked,), "formats": ("xml_yaml",), "baseline": {}})
    return resolve(replace(QUICKSTART, suite=suite), Selection(select=CASE))


@pytest.mark.parametrize("name", SHIPPED)
def test_rewrites_of_the_calculator(name: str, golden: Callable[[str, str], None]) -> None:
    made = planned(f"{CALCULATOR}({name})")
    (trial,) = made.trials
    golden(f"prompts/calculator.{name}.txt", plain(prompt_text(made.prompt(trial))))


STUDIED = [
    f"DetermineNextStep{agent}" for agent in ("Calculator", "Deploy", "Issues", "Refunds", "Router6", "Router100", "Weather")
]
FOR = {
    "intent_last": FUNCTIONS,
    "open_question": [CALCULATOR, "DetermineNextStepWeather"],
    "short_question": [CALCULATOR, "DetermineNextStepWeather"],
    "calculator_numbers": [CALCULATOR],
    **{f"wording_{number}": STUDIED for number in range(1, 6)},
}
PAIRS = [f"{function}({name})" for name, functions in FOR.items() for function in functions]


@pytest.mark.parametrize("written", few(PAIRS, ["DetermineNextStepWeather(short_question)"]))
def test_each_applies_to_what_it_is_for(written: str) -> None:
    function, name, _ = split(written)
    assert name is not None
    assert rewrite(load_project(SOURCES), function, rewrites.load(REPOSITORY, name)).changes


def test_one_suite_that_is_included_asks_with_a_rewrite() -> None:
    asked = {
        (path.stem, rewrite)
        for path in sorted((REPOSITORY / "evals").glob("*.yaml"))
        for agent in load_suite(path).suite.agents
        for name in agent.names
        if (rewrite := split(name).rewrite)
    }
    assert asked == {("answers", "open_question")}


def test_the_page_lists_them() -> None:
    page = (REPOSITORY / "docs" / "prompts.md").read_text("utf-8")
    table = page.partition("## The rewrites that are included")[2].partition("\n## ")[0]
    named = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    assert sorted(name for cell in named for name in re.findall(r"`(\w+)`", cell)) == SHIPPED


def test_the_files_on_the_page_are_rewrites() -> None:
    page = (REPOSITORY / "docs" / "prompts.md").read_text("utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    shown = [rewrites.Rewrite.model_validate(block) for block in blocks if "agents" not in block]
    for key in rewrites.Rewrite.model_fields:
        assert any(getattr(one, key) for one in shown), key
