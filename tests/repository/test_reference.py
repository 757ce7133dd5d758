"""The committed reports and the README are what the recorded answers make of them."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import yaml
from pymdownx.slugs import slugify

import phrasing
from phrasing.analysis.run import Run
from phrasing.baml.project import load_project
from phrasing.prompts import formats
from phrasing.score import agreement
from phrasing.suite import dataset
from phrasing.suite.schema import Suite
from support.paths import REPOSITORY
from support.tools import tool


@pytest.mark.slow
def test_nothing_made_of_recorded_answers_is_stale() -> None:
    done = subprocess.run(
        [sys.executable, "tools/reference.py", "--check"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (done.stdout + done.stderr, done.returncode) == ("", 0), "run: python tools/reference.py"


def test_a_format_is_not_told_from_itself() -> None:
    # The recorded A/A run: had the statistics found a difference here, they or the harness would favour a variant by its name.
    run = Run(REPOSITORY / "reports" / "reference" / "aa")
    contrasts = run.comparison().contrasts
    assert sum(contrast.n for contrast in contrasts) >= 40
    assert all(contrast.found is not None and contrast.found.wins + contrast.found.losses >= 4 for contrast in contrasts)
    assert (run.summary()["disagreement"] > 0.2).all()  # answers were drawn anew, so this could have failed
    assert not [contrast for contrast in contrasts if contrast.verdict in ("better", "worse") or contrast.left]
    assert not [verdict for verdict in run.gates() if verdict.status in ("missed", "error")]


def test_a_gold_label_was_confirmed_by_a_second_reader() -> None:
    steps = {step for function in load_project(REPOSITORY / "baml_src").functions.values() for step in function.steps}
    for path in dataset.available(REPOSITORY / "datasets").values():
        read = dataset.load(path)
        assert agreement.ungrounded(read.cases, agreement.second_labels(read, steps)) == []


def test_readme_is_short_and_counts_what_is_there() -> None:
    text = (REPOSITORY / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 175
    read_twice = [path.stem for path in (REPOSITORY / "datasets" / "second").glob("*.jsonl")]
    threads = sum(len(dataset.load(REPOSITORY / "datasets" / f"{name}.jsonl").cases) for name in read_twice)
    assert f"{threads} labelled threads" in text
    assert f"{len(list((REPOSITORY / 'evals').glob('*.yaml')))} questions" in text


@pytest.mark.slow
def test_every_suite_checks_and_asks_a_question() -> None:
    command = [sys.executable, "-m", "phrasing", "check"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": good\n") == len(list((REPOSITORY / "evals").rglob("*.yaml")))


def test_what_the_readme_says_of_its_model_is_so() -> None:
    """With six tools it does no better than a rule that counts words; more tools are decided to be worse, formats aren't."""
    tools, written = (phrasing.load(REPOSITORY / "reports" / "reference" / name) for name in ("tools", "quickstart"))
    six = tools.summary().iloc[0]
    assert six["intent_low"] < six["no_model_words"]
    assert set(tools.compare()["verdict"]) == {"worse"}
    assert set(written.compare()["verdict"]) == {"inconclusive"}


@pytest.mark.parametrize("name", ["tools", "study/steps", "nightly/load-2", "x_y", "A b.c", "größe/ß", "a+b (c)"])
def test_a_link_to_a_suite_leads_to_its_heading(name: str) -> None:
    assert tool("index").anchor(name) == slugify(case="lower")(name, "-")  # what the site calls headings, as GitHub does


def test_the_list_of_recordings_leads_to_each() -> None:
    page = (REPOSITORY / "reports" / "reference" / "README.md").read_text("utf-8")
    links = dict(re.findall(r"^\| \[(.+?)\]\(#(.+?)\)", page, re.MULTILINE))
    assert links == {name: tool("index").anchor(name) for name in re.findall("^## (.+)$", page, re.MULTILINE)}
    assert len({*links.values()}) == len(links) > 10


def test_the_suite_that_the_readme_shows_is_one() -> None:
    text = (REPOSITORY / "README.md").read_text("utf-8")
    (shown,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    suite = Suite.model_validate(yaml.safe_load(shown))
    assert {*suite.formats} <= {*formats.available(REPOSITORY / "formats")}
