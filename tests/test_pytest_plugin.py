"""The gates of a suite as tests in a user's own test run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import phrasing
from phrasing.report.recording import update_recording
from support.tiny_runs import CASES, cache, case, loaded, obey, world

__all__ = ["cache", "loaded"]

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("loaded")

REQUIRE = [
    {"score": "step", "min": 0.9, "where": {"format": "lines"}},
    {"score": "step", "margin": 0.02},
    {"score": "harm", "max": 0.5},
]
ITEMS = [
    "evals/small.yaml::correct at least 0.9 [lines]",
    "evals/small.yaml::correct not worse than the baseline by 2 points [tags]",
    "evals/small.yaml::forbidden at most 0.5 [lines]",
    "evals/small.yaml::forbidden at most 0.5 [tags]",
]


@pytest.fixture
def project(pytester: pytest.Pytester) -> Path:
    world(pytester.path, require=REQUIRE)
    record(pytester.path)
    return pytester.path


def record(root: Path) -> phrasing.Run:
    """Have the scripted model answer, and keep its answers as the recording."""
    run = phrasing.run(root / "evals" / "small.yaml", complete=obey)
    update_recording(run)
    return run


def told(pytester: pytest.Pytester, *words: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess("-p", "phrasing.pytest_plugin", "-p", "no:cacheprovider", *words)


def apart(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a process of its own."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def test_gates_of_a_suite_are_tests(project: Path, pytester: pytest.Pytester) -> None:
    done = told(pytester, "--collect-only", "-q", "evals/small.yaml")
    assert [line for line in done.outlines if "::" in line] == ITEMS
    assert not list((project / "runs" / "small").glob("*"))[1:]  # collecting ran nothing


def test_suites_in_folders_below_evals_are_collected(project: Path, pytester: pytest.Pytester) -> None:
    for place in ("evals/nightly", "elsewhere"):
        (project / place).mkdir()
        (project / place / "again.yaml").write_text((project / "evals" / "small.yaml").read_text("utf-8"), "utf-8")
    done = told(pytester, "--collect-only", "-q")
    found = [line.partition("::")[0] for line in done.outlines if "::" in line]
    assert sorted(set(found)) == ["evals/nightly/again.yaml", "evals/small.yaml"]


@pytest.mark.slow
def test_a_recipe_run_for_real(project: Path) -> None:
    (project / "conftest.py").write_text('pytest_plugins = ["phrasing.pytest_plugin"]\n')
    (project / "pytest.ini").write_text("[pytest]\ntestpaths = evals\nfilterwarnings = error\n")
    before = sorted(project.rglob("*"))
    done = apart(project)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 failed, 2 passed" in done.stdout
    assert sorted(project.rglob("*")) == before  # the run stood elsewhere
    failures = done.stdout.split("FAILURES")[1].splitlines()
    assert failures[1:7] == [
        "_ correct at least 0.9 [lines] _".center(80, "_"),
        "missed: correct at least 0.9: 0.667 (0.222 to 0.957)",
        "worst cases:",
        "  mail::a-3: expected look_up, got finish",
        "  mail::a-4: expected ask, got send",
        "_ correct not worse than the baseline by 2 points [tags] _".center(80, "_"),
    ]
    assert failures[7].startswith("inconclusive: correct not worse than the baseline by 2 points: ")
    assert failures[7].endswith("; it would need about 190 cases")
    assert "Traceback" not in done.stdout
    assert "pytest_plugin.py" not in done.stdout


@pytest.mark.slow
def test_an_item_can_be_chosen_by_its_address(project: Path, pytester: pytest.Pytester) -> None:
    told(pytester, ITEMS[2]).assert_outcomes(passed=1)


@pytest.mark.slow
def test_inconclusive_gates_follow_the_suite(pytester: pytest.Pytester) -> None:
    world(pytester.path, require=REQUIRE[1:2], inconclusive="pass")
    record(pytester.path)
    done = told(pytester, "evals", "-rs")
    done.assert_outcomes(skipped=1)
    assert "inconclusive: correct not worse than the baseline" in done.stdout.str()


@pytest.mark.slow
def test_only_suites_with_gates_are_collected(pytester: pytest.Pytester) -> None:
    world(pytester.path)
    (pytester.path / "evals" / "notes.txt").write_text("no suite")
    (pytester.path / "other").mkdir()
    (pytester.path / "other" / "settings.yaml").write_text("no: suite")
    assert told(pytester).ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_mistake_in_a_suite_is_one_line(pytester: pytest.Pytester) -> None:
    world(pytester.path, require=REQUIRE, formats=["lnies"])
    done = told(pytester, "evals")
    done.assert_outcomes(errors=1)
    assert "evals/small.yaml:7: formats: format 'lnies' not found (did you mean 'lines'?)" in done.stdout.str()
    assert "Traceback" not in done.stdout.str()


@pytest.mark.slow
def test_a_gate_that_cant_be_measured_is_an_error(pytester: pytest.Pytester) -> None:
    world(pytester.path, require=[{"score": "args", "min": 0.5, "where": {"format": "lines"}}])
    record(pytester.path)
    done = told(pytester, "evals")
    done.assert_outcomes(errors=1)
    assert "error: arguments at least 0.5: nothing to measure; no answer it applies to" in done.outlines


@pytest.mark.slow
def test_without_a_recording_nothing_is_asked(pytester: pytest.Pytester) -> None:
    world(pytester.path, require=REQUIRE[:1])
    done = told(pytester, "evals")
    done.assert_outcomes(errors=1)
    again = "no answers are recorded here; record them with: phrasing run evals/small.yaml --update-recording"
    assert f"reports/reference/small: {again}" in done.outlines


@pytest.mark.slow
def test_a_stale_recording_says_how_stale_and_what_to_do(project: Path, pytester: pytest.Pytester) -> None:
    (project / "formats" / "tags.j2").write_text("{% for event in thread.events %}\n<e>{{ event | json }}</e>\n{% endfor %}\n")
    done = told(pytester, "evals")
    done.assert_outcomes(errors=len(ITEMS))
    changed = "evals/small.yaml: 6 of 12 requests have changed since they were recorded; record them anew with: "
    assert done.outlines.count(f"{changed}phrasing run evals/small.yaml --update-recording") == len(ITEMS)


@pytest.mark.slow
def test_gates_against_the_recording_are_held_to_it(pytester: pytest.Pytester) -> None:
    world(pytester.path, require=[{"score": "step", "margin": 0.02, "against": "recorded"}])
    record(pytester.path)
    told(pytester, "evals").assert_outcomes(passed=2)


@pytest.mark.slow
def test_a_model_is_asked_only_if_that_is_wanted(pytester: pytest.Pytester) -> None:
    suite: dict[str, Any] = {"models": ["local/none.gguf"], "formats": ["lines"], "require": [{"score": "step", "min": 0.6}]}
    world(pytester.path, **suite)
    record(pytester.path)
    told(pytester, "evals").assert_outcomes(passed=1)
    world(pytester.path, cases=[*CASES, *(case(f"b-{i}") for i in range(3))], **suite)
    refused = told(pytester, "evals")
    refused.assert_outcomes(errors=1)
    assert "3 of 9 requests have changed" in refused.stdout.str()
    asked = told(pytester, "evals", "--phrasing-ask")
    asked.assert_outcomes(errors=1)
    assert "none.gguf" in asked.stdout.str()
    assert "have changed" not in asked.stdout.str()


@pytest.mark.model
def test_the_embedded_model_is_asked_without_a_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PHRASING_CACHE_DIR")  # the weights were unpacked elsewhere already
    require = [{"score": "step", "min": 0}]
    world(
        tmp_path,
        cases=CASES[:2],
        formats=["lines"],
        models=["local/qwen2.5-coder-0.5b"],
        require=require,
        params={"max_tokens": 20},
    )
    done = apart(tmp_path, "-p", "phrasing.pytest_plugin", "--phrasing-ask", "evals")
    assert "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_labels_of_now_count(project: Path, pytester: pytest.Pytester) -> None:
    said = [{**c, "expect": [{"intent": re.findall(r"reply: (\w+)", str(c))[0]}], "forbid": []} for c in CASES]
    world(project, require=REQUIRE[:1], cases=said)
    told(pytester, "evals").assert_outcomes(passed=1)
