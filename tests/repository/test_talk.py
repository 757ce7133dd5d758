"""The page on the talk's claims: a part a claim, with figures that are generated, and a command that resolves."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from types import ModuleType

import pytest
from click.testing import CliRunner

import phrasing
from phrasing import cli
from phrasing.analysis.report_data import Report
from phrasing.analysis.verdict import Verdict
from phrasing.runs import run_folders
from support.paths import REPOSITORY
from support.tiers import few
from support.tools import tool

PAGE = (REPOSITORY / "docs" / "talk.md").read_text("utf-8")
PARTS = dict(re.findall(r"^<!-- (\w+) -->\n(.*?)^<!-- /\1 -->$", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = [found for part in PARTS.values() for found in re.findall(r"^phrasing (.+)$", part, re.MULTILINE)]
RECORDINGS = REPOSITORY / run_folders.RECORDINGS


@pytest.fixture(scope="module")
def talk() -> ModuleType:
    return tool("talk")


@pytest.fixture(scope="module")
def prompts() -> Report:
    return phrasing.load(RECORDINGS / "prompts").report()


def test_each_claim_has_its_part_under_its_heading_and_its_row(talk: ModuleType) -> None:
    sections = dict(section.split("\n", 1) for section in re.split("^## ", PAGE, flags=re.MULTILINE)[1:])
    assert [*PARTS] == ["claims", *(claim.name for claim in talk.CLAIMS)]
    assert len(COMMANDS) == len(talk.CLAIMS)
    rows = PARTS["claims"].splitlines()[2:]
    for claim, row in zip(talk.CLAIMS, rows, strict=False):
        assert f"<!-- {claim.name} -->" in sections[claim.title]
        assert all(f"**{said}**" in sections[claim.title] for said in ("The claim", "What is measured.", "What it can't tell."))
        assert row.startswith(f"| [{claim.title}](#")
        suite = claim.suite(run_folders.recorded(RECORDINGS))
        assert f"(../evals/{suite}.yaml)" in row
        assert f"\nphrasing run evals/{suite}.yaml -m {talk.MODEL}\n" in PARTS[claim.name]


@pytest.mark.parametrize("command", few(dict.fromkeys(COMMANDS), COMMANDS[:1]))
def test_a_reader_can_ask_another_model(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    done = CliRunner().invoke(cli.main, [*shlex.split(command), "--dry-run"])
    assert done.exit_code == 0, done.output
    assert "gpt-4.1-mini" in done.output


def test_no_figure_is_written_by_hand() -> None:
    prose = re.sub(r"^<!-- (\w+) -->\n.*?^<!-- /\1 -->$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    numbers = re.findall(r"\d+", re.sub(r"\((?:factor )?\d+\)|slides of factor \d+", "", prose))
    assert numbers == ["12", "2025"]  # the talk's title and year


def test_the_study_is_shown_once_it_is_recorded(talk: ModuleType) -> None:
    (focus,) = (claim for claim in talk.CLAIMS if claim.name == "focus")
    assert focus.suite({"tools", "noise"}) == "tools"
    assert focus.suite({"tools", "study/steps"}) == "study/steps"
    for claim in talk.CLAIMS:
        assert all((REPOSITORY / "evals" / f"{suite}.yaml").is_file() for suite in claim.suites)


def test_a_suite_that_is_not_recorded_is_not_told_of(talk: ModuleType) -> None:
    parts = talk.parts(REPOSITORY, {})
    assert parts["claims"].count("| not asked yet | – |") == len(talk.CLAIMS)
    for claim in talk.CLAIMS:
        said, command = parts[claim.name].split("\n\n")
        assert said.endswith("isn't asked yet.")
        assert f"phrasing run evals/{claim.suites[-1]}.yaml" in command


@pytest.mark.parametrize(("verdict", "said"), [(Verdict.WORSE, "worse"), (Verdict.BETTER, "better")])
def test_what_is_decided_is_told_of_its_variant(talk: ModuleType, prompts: Report, verdict: Verdict, said: str) -> None:
    (one,) = prompts.comparison.contrasts
    decided = replace(one, verdict=verdict, alone=verdict, corrected=0.012)
    told = talk.came_out([decided, one], prompts)
    assert told.startswith(f"{prompts.label(one.variant)} {said}")
    assert "; 1 of 2 inconclusive: " in told
    assert "p 0.012, corrected" in talk.how_sure([decided, one], prompts)
    assert "p " not in talk.how_sure([one], prompts)


def test_what_is_open_is_told_with_what_would_show(talk: ModuleType, prompts: Report) -> None:
    (one,) = prompts.comparison.contrasts
    assert talk.came_out([one], prompts).startswith("1 of 1 inconclusive: ")
    few_cases = replace(one, detectable=None, needed=None)
    assert "hardly a difference would show; would need more than" in talk.how_sure([few_cases], prompts)
    sure = talk.how_sure([replace(one, detectable=0.123, needed=40), replace(one, detectable=0.1, needed=400)], prompts)
    assert "only a difference above 12 points would show; would need about 40 to 400 cases" in sure


def test_a_claim_about_output_modes_is_shown_their_variants(talk: ModuleType) -> None:
    report = phrasing.load(RECORDINGS / "outputs").report()
    named = {claim.name: {one.variant.split(",")[3] for one in claim.contrasts(report)} for claim in talk.CLAIMS}
    assert named["tools"] == {"tool"}
    assert named["first"] == {"native", "native_bare"}
    assert named["context"] == {"tool", "native", "native_bare"}  # all of them
