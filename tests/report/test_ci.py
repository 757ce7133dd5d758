"""What CI reads: JUnit that a real parser takes, Markdown that stays small, commands that nothing breaks out of."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase

import phrasing
from phrasing.analysis.gates import GateResult, GateStatus
from phrasing.analysis.report_data import Report
from phrasing.analysis.run import Run
from phrasing.cli.common import MISTAKE
from phrasing.errors import CompletionError
from phrasing.report import ci
from phrasing.report.recording import update_recording
from phrasing.scores import stored
from phrasing.suite.file import load_suite
from phrasing.suite.schema import Requirement
from phrasing.types import Completion, Request, Score, ToolCall
from support.tiers import few
from support.tiny_commands import printed_by
from support.tiny_runs import CASES, VARIANT, cache, obey, reply_in, result, says, world

__all__ = ["cache"]

VARIANTS = (",".join(VARIANT), ",".join((*VARIANT[:2], "tags", *VARIANT[3:])))

REQUIRE: list[dict[str, Any]] = [
    {"score": "step", "min": 0.9},
    {"score": "harm", "max": 0.5, "where": {"format": "tags"}},
    {"score": "step", "margin": 0.02},
    {"score": "args", "min": 0.1, "where": {"format": "lines"}},
    {"score": "prompt_tokens", "max_ratio": 1.1},
]
"""By the scripted model: missed, missed; passed; inconclusive; an error, because no label names arguments; missed."""


async def halting(request: Request) -> Completion:
    if "a-2" in str(request.messages):
        raise CompletionError("transient", "HTTP 503")
    return await obey(request)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    world(tmp_path, require=REQUIRE)
    return tmp_path


@pytest.fixture(scope="module")
def small(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A report without gates, to put others into."""
    return phrasing.run(world(tmp_path_factory.mktemp("ci")), complete=obey).report()


def ran(**options: Any) -> Run:
    return phrasing.run("evals/small.yaml", **{"complete": obey, **options})


def junit(run: Run, **options: Any) -> dict[str, TestCase]:
    """Write a run's JUnit, and read it back with a parser of other people's: test cases by name."""
    root = JUnitXml.fromstring(ci.junit(run.report(), run.results, **options))
    (only,) = root
    cases = list(only)
    counted = {kind: sum(isinstance(r, kind) for one in cases for r in one.result) for kind in (Failure, Error, Skipped)}
    assert (only.tests, only.failures, only.errors, only.skipped) == (len(cases), *counted.values())
    return {one.name: one for one in cases}


def results(cases: dict[str, TestCase]) -> dict[str, str]:
    return {name: one.result[0].__class__.__name__ if one.result else "passed" for name, one in cases.items()}


# ---------------------------------------------------------------------------------------------- JUnit


def test_a_test_case_a_gate_and_variant(project: Path) -> None:
    run = ran()
    cases = junit(run)
    assert results(cases) == {
        "correct at least 0.9 [lines]": "Failure",
        "correct at least 0.9 [tags]": "Failure",
        "forbidden at most 0.5 [tags]": "passed",
        "correct not worse than the baseline by 2 points [tags]": "Failure",
        "arguments at least 0.1 [lines]": "Error",
        "prompt_tokens at most 1.1 times the baseline [tags]": "Failure",
    }
    failed = cases["correct at least 0.9 [lines]"]
    assert failed.classname == "small"
    assert failed.result[0].message == "missed: correct at least 0.9: 0.667 (0.222 to 0.957)"
    assert failed.result[0].text == (
        "missed: correct at least 0.9: 0.667 (0.222 to 0.957)\n"
        "worst cases:\n"
        "  mail::a-3: expected look_up, got finish\n"
        "  mail::a-4: expected ask, got send"
    )
    ratio = cases["prompt_tokens at most 1.1 times the baseline [tags]"].result[0].text
    assert "\n  mail::a-1: prompt_tokens 100\n" in str(ratio)
    assert cases["forbidden at most 0.5 [tags]"].system_out.startswith("passed: forbidden at most 0.5: 0.333")


def test_properties_are_what_was_run(project: Path) -> None:
    report, found = ran().report(), {}
    for listed in JUnitXml.fromstring(
        ci.junit(replace(report, record=report.record.model_copy(update={"commit": "c0ffee"})), {})
    ):
        found = {one.name: one.value for one in listed.properties()}
    assert found == {"commit": "c0ffee", "model scripted": "openai/scripted"}


def test_inconclusive_gates_follow_the_suite(project: Path) -> None:
    world(project, require=REQUIRE[2:3], inconclusive="pass")
    assert list(results(junit(ran())).values()) == ["Skipped"]


def test_a_part_of_a_suite_is_one_skipped_test_case(project: Path) -> None:
    cases = junit(ran(cases=2))
    assert results(cases) == {"gates": "Skipped"}
    assert cases["gates"].result[0].message == "no gate was evaluated: only a part was asked (-n 2)"


def test_a_gate_without_an_variant_is_not_passed_over(project: Path) -> None:
    world(project, require=[{"score": "step", "min": 0.1, "where": {"format": "tags"}}])
    cases = junit(ran(formats=["lines"]))
    assert results(cases) == {"correct at least 0.1": "Skipped"}
    assert cases["correct at least 0.1"].result[0].message == "no such variant was asked"


def test_trials_without_an_answer_are_an_error(project: Path) -> None:
    world(project, require=[{"score": "step", "min": 0.1}])
    run = ran(complete=halting)
    found = junit(run, trials=True)
    assert found["every trial has an answer"].result[0].message == "2 of 12 trials have no answer, so the numbers are partial"
    assert str(found["every trial has an answer"].result[0].text).endswith("\n2 × transient: HTTP 503")
    assert "\n- `2 × transient: HTTP 503`\n" in ci.summary(run.report(), run.results)
    kinds = results(found)
    assert kinds["every trial has an answer"] == "Error"
    trial = "mail::a-2[DetermineNextStepMail,none,lines,prompted,scripted]#0"
    assert kinds[trial] == "Error"
    assert found[trial].result[0].message == "error: transient: HTTP 503"


def test_failing_trials_are_test_cases_where_wanted(project: Path) -> None:
    run = ran()
    added = {name: one for name, one in junit(run, trials=True).items() if "::" in name}
    assert set(added) == {f"mail::{case}[{variant}]#0" for case in ("a-3", "a-4") for variant in VARIANTS}
    one = added[f"mail::a-3[{VARIANTS[0]}]#0"]
    assert one.classname == "small.trials"
    assert one.result[0].text == 'intent: expected look_up, got finish\n\nanswer:\n{"intent": "finish"}'


def test_the_repeat_that_went_most_wrong_is_quoted(project: Path) -> None:
    asked: list[Request] = []

    async def fickle(request: Request) -> Completion:
        asked.append(request)
        return says("ask" if len(asked) % 3 == 2 else reply_in(request))

    world(project, require=[{"score": "step", "min": 0.9}, {"score": "harm", "max": 0}], repeats=3, cases=CASES[4:5])
    run = ran(complete=fickle, formats=["lines"], jobs=1)
    first, second = (ci.worst(verdict, run.results, repeats=3) for verdict in run.gates())
    assert first == ["mail::a-5: expected look_up, got ask"]
    assert second == []


def test_what_a_model_said_is_data(project: Path) -> None:
    hostile = "]]></failure><testcase name='x'/>&amp;\x00\x1b\ufffe\n::error::`@everyone` | <details>"

    async def rude(request: Request) -> Completion:
        return Completion(tool_calls=(ToolCall(name=hostile, arguments="{}"),), finish_reason="tool_calls")

    world(project, outputs=["tool"], formats=["lines"], require=[{"score": "step", "min": 0.5}])
    run = ran(complete=rude)
    cases = junit(run, trials=True)
    assert len(cases) == 7
    assert "]]></failure><testcase name='x'/>&amp;" in str(cases["correct at least 0.5 [lines]"].result[0].text)
    report = run.report()
    for line in ci.commands(report, run.results):
        assert line.startswith("::error title=correct at least 0.5 [lines]::missed")
        assert "\n" not in line
    page = ci.summary(report, run.results)
    quoted = [line for line in page.splitlines() if "everyone" in line]
    assert quoted
    assert all(re.fullmatch(r"- correct at least 0.5 \\\[lines\]: `[^`]*@everyone[^`]*`", line) for line in quoted)
    assert page.count("<details>\n") == 1


# ---------------------------------------------------------------------------------------------- Markdown


@pytest.mark.parametrize(
    ("statuses", "line"),
    [
        (["passed"], "the gate holds"),
        (["passed"] * 5, "all 5 gates hold"),
        (["passed", "missed", "missed"], "2 of 3 gates missed"),
        (["error", "inconclusive", "missed", "passed"], "1 of 4 gates missed, 1 can't be measured, 1 inconclusive"),
        (["inconclusive", "passed"], "1 of 2 gates inconclusive"),
        ([], "the suite has no gates"),
    ],
    ids=["one", "all", "missed", "every kind", "inconclusive", "none"],
)
def test_headline(small: Report, statuses: list[Any], line: str) -> None:
    gate = Requirement(score="step", min=0.5)
    verdicts = tuple(GateResult(gate, VARIANTS[0], GateStatus(status), 0.5) for status in statuses)
    report = replace(small, gates=verdicts)
    assert ci.headline(report) == line
    assert ci.summary(report, {}).splitlines()[0] == f"### small: {line}"


def test_headline_says_what_is_missing(project: Path) -> None:
    assert ci.headline(ran(cases=2).report()) == "no gate was evaluated, only a part was asked (-n 2)"
    report = ran(formats=["lines"], complete=halting).report()
    assert ci.headline(report) == (
        "1 of 2 gates missed, 1 can't be measured, 3 not evaluated (no such variant was asked), 1 of 6 trials have no answer"
    )


def test_summary_is_small_and_folds_the_rest(project: Path) -> None:
    run = ran()
    above, fold = ci.summary(run.report(), run.results).split("<details>")
    assert above.startswith("### small: 3 of 6 gates missed, 1 can't be measured, 1 inconclusive\n\nDo tags change the step?\n")
    listed = [line.split(" | ")[0] for line in above.splitlines() if line.startswith("| ")]
    assert listed[2:8] == ["| missed"] * 3 + ["| error", "| inconclusive", "| passed"]
    assert "\nAgainst the baseline, score correct:\n\n| variant | n | points | " in above
    assert "\n- A random step is acceptable in 25 %.\n" in above
    assert "\n| lines | baseline | 6 | 67 (22–96) | 67 | 100 | 1/3 | 80 ×1.00 | 10 | 0 | 0.5 |\n" in fold
    assert "\n- correct at least 0.9 \\[tags]: `mail::a-3: expected look_up, got finish`\n" in fold
    assert "\n- lines (the baseline) picked an acceptable step" in fold
    assert fold.endswith("\n</details>\n")


def test_summary_shows_where_variants_differ_and_another_run(project: Path) -> None:
    async def better(request: Request) -> Completion:
        right = {"a-3": "look_up", "a-4": "ask"}
        name = re.findall(r"a-\d", str(request.messages))[-1]
        return says(right.get(name, reply_in(request)) if "<mail>" in str(request.messages) else reply_in(request))

    first, second = ran(), ran(complete=better)
    page = ci.summary(second.report(), second.results, against=second.comparison(first))
    above, fold = page.split("<details>")
    assert above.index(f"Against {first.folder}, score correct:") < above.index("Against the baseline, score correct:")
    assert f"\nOther than {first.folder}:\n\n- tags, by expected intent: ask +1 −0, look_up +1 −0\n" in fold
    assert "\n- tags, won: mail::a-3, mail::a-4\n" in fold


def test_a_long_summary_loses_rows_and_no_number(small: Report) -> None:
    gate = Requirement(score="step", min=0.5)
    verdicts = [
        GateResult(gate, VARIANTS[0], GateStatus.PASSED, i / 3000, 0.125, 0.875, "a note " * (i % 20)) for i in range(3000)
    ]
    verdicts.append(GateResult(gate, VARIANTS[0], GateStatus.MISSED, 0.25, 0.125, 0.375, "x" * ci.SUMMARY))
    verdicts.append(GateResult(gate, VARIANTS[0], GateStatus.MISSED, 0.3125, 0.125, 0.375, "last of all"))
    page = ci.summary(replace(small, gates=tuple(verdicts)), {})
    assert 0.9 * ci.SUMMARY < len(page) <= ci.SUMMARY
    rows = [line for line in page.splitlines() if line.startswith(("| passed", "| missed"))]
    assert "last of all" in rows[0]
    assert all(
        re.fullmatch(r"\| \w+ \| correct at least 0.5 \| lines \| 0\.\d{3} \(0.125 to 0.\d75\) \| .*\|", row) for row in rows
    )
    assert f"\n\n… and {3002 - len(rows)} more, in the report\n" in page
    assert "\n| lines | 6 | 67" not in page  # no room is left for the rows of the fold, and that is said too
    assert page.endswith("\n</details>\n")


# ---------------------------------------------------------------------------------------------- GitHub


def test_commands_stand_at_the_gates_lines(project: Path) -> None:
    file = load_suite(Path("evals/small.yaml"))
    run = ran()
    lines = ci.commands(run.report(), run.results, file=file)
    assert [line.partition(" ")[0] for line in lines] == ["::error"] * 5
    text = file.path.read_text().splitlines()
    for line in lines:
        properties = dict(re.findall(r"(\w+)=([^,:]*)", line.split("::")[1]))
        assert properties["file"] == "evals/small.yaml"
        assert f"score: {stored(unquote(properties['title']).split()[0])}" in text[int(properties["line"]) - 1]
    assert lines[0] == (
        "::error file=evals/small.yaml,line=12,title=correct at least 0.9 [lines]::"
        "missed: correct at least 0.9: 0.667 (0.222 to 0.957)"
        "%0Aworst cases:%0A  mail::a-3: expected look_up, got finish%0A  mail::a-4: expected ask, got send"
    )


def test_an_inconclusive_gate_that_may_pass_is_a_warning(project: Path) -> None:
    world(project, require=REQUIRE[2:3], inconclusive="pass")
    run = ran()
    (line,) = ci.commands(run.report(), run.results)
    assert line.startswith("::warning title=correct not worse than the baseline by 2 points [tags]::inconclusive: ")


def test_a_gate_that_was_edited_since_has_no_line(project: Path) -> None:
    run = ran()
    world(project)
    lines = ci.commands(run.report(), run.results, file=load_suite(Path("evals/small.yaml")))
    assert {line.split(",")[0] for line in lines} == {"::error file=evals/small.yaml"}


def test_more_than_github_shows_are_counted(small: Report) -> None:
    gate = Requirement(score="step", min=0.5)
    verdicts = tuple(GateResult(gate, VARIANTS[0], GateStatus.MISSED, 0.1) for _ in range(13))
    lines = ci.commands(replace(small, gates=verdicts), {})
    assert len(lines) == 11
    assert lines[-1] == "::notice::3 more gates don't hold; the summary lists them all"
    assert len(ci.commands(replace(small, gates=verdicts[:10]), {})) == 10


def test_missing_answers_are_a_warning(project: Path) -> None:
    world(project)
    run = ran(complete=halting)
    (line,) = ci.commands(run.report(), run.results)
    assert line == "::warning title=small::2 of 12 trials have no answer, so the numbers are partial%0A2 × transient: HTTP 503"


# ---------------------------------------------------------------------------------------------- any text


texts = st.text() | st.text(alphabet="%:,\r\n`|<>[]&\"'\\@#-]\x00\x85\u2028\ud800\ufffe", max_size=30)


@given(name=texts, note=texts, reason=texts, description=texts, commit=texts)
def test_no_text_breaks_out(small: Report, name: str, note: str, reason: str, description: str, commit: str) -> None:
    missed = GateResult(
        Requirement(score="step", min=0.5), VARIANTS[0], GateStatus.MISSED, 0.25, 0.125, 0.375, note, (("mail", "a-1"),)
    )
    resolved = {**small.record.resolved, "description": description}
    report = replace(
        small,
        record=small.record.model_copy(update={"suite": name, "commit": commit, "resolved": resolved}),
        gates=(missed,),
    )
    wrong = result(scores={score: Score(value=0.0, reason=reason) for score in ("intent", "step")})
    trial = wrong.trial
    read = JUnitXml.fromstring(ci.junit(report, {trial: wrong}, trials=True))
    (only,) = read
    assert [one.name for one in only] == ["correct at least 0.5 [lines]", trial]
    assert (only.failures, only.errors, only.skipped) == (2, 0, 0)
    assert only.name == re.sub("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", name)

    (command,) = ci.commands(report, {trial: wrong})
    assert len(command.splitlines()) == 1 or not {"\r", "\n"} & set(command)
    head, _, message = command.partition("]::")
    assert head == "::error title=correct at least 0.5 [lines"
    assert not re.search("%(?!25|0D|0A)", message)
    shown = unquote(message, errors="surrogatepass").split("\nworst cases:\n")[0]
    assert shown == f"missed: correct at least 0.5: 0.250 (0.125 to 0.375){f'; {note}' if note else ''}"

    page = ci.summary(report, {trial: wrong})
    assert len(page) <= ci.SUMMARY
    assert page.endswith("\n</details>\n")
    assert page.count("\n<details>\n") == 1
    assert page.count("\n| missed | correct at least 0.5 | lines | 0.250 (0.125 to 0.375) | ") == 1


# ---------------------------------------------------------------------------------------------- the command line


def test_report_writes_all_of_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ran()
    out = printed_by("report", "latest", "-o", "gates.xml", "--summary", "page.md", "--annotations", "--trials")
    assert out.splitlines()[:2] == ["wrote gates.xml", "wrote page.md"]
    assert out.splitlines()[2].startswith("::error file=evals/small.yaml,line=12,")
    report = run.report()
    assert Path("gates.xml").read_text() == ci.junit(report, run.results, trials=True)
    page = Path("page.md").read_text()
    assert page == ci.summary(report, run.results)
    assert printed_by("report", "latest", "--summary", "-") == page
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project / "job.md"))
    for _ in range(2):
        assert printed_by("report", "latest", "--summary", str(project / "job.md")) == ""
    assert (project / "job.md").read_text() == f"{page}\n{page}\n"


@pytest.mark.slow
def test_report_against_a_run_holds_recorded_gates_to_it(project: Path) -> None:
    world(project, require=[{"score": "prompt_tokens", "max_ratio": 1.0, "against": "recorded"}])
    first = ran()
    assert "the suite" not in printed_by("report", "latest", "--summary", "-")
    assert "2 of 2 gates can't be measured" in printed_by("report", "latest", "--summary", "-")
    page = printed_by("report", "latest", "--summary", "-", "-o", "one.md", "--against", str(first.folder))
    assert "### small: all 2 gates hold\n" in page
    assert f"Against {first.folder}, score correct:" in page
    assert "| passed | prompt_tokens at most 1 times recorded | tags | 1.000" in Path("one.md").read_text()


@pytest.mark.slow
def test_report_against_the_recording(project: Path) -> None:
    world(project, require=[{"score": "step", "margin": 0.02, "against": "recorded"}])
    update_recording(ran())
    page = printed_by("report", "latest", "--summary", "-", "--against", "recorded")
    assert "### small: all 2 gates hold\n" in page
    assert "\nAgainst recorded, score correct:\n\nChanged since then:\n\n- nothing that is recorded\n\n| variant |" in page


def test_a_shard_holds_no_gate_and_says_so(project: Path) -> None:
    assert results(junit(ran(shard="1/1"))) == {"gates": "Skipped"}


def test_report_of_another_kind_is_a_mistake(project: Path) -> None:
    ran()
    out = printed_by("report", "latest", "-o", "a.xml", "-o", "a.docx", code=MISTAKE)
    assert "error: --output 'a.docx': '.docx' isn't a kind of report; there are: .html, .md, .csv, .parquet, .xml" in out
    assert not Path("a.xml").exists()
    assert "can't be written" in printed_by("report", "latest", "--summary", "none/page.md", code=MISTAKE)


@pytest.mark.parametrize("write", few([ci.junit, ci.summary, ci.commands], [ci.junit]), ids=["junit", "summary", "commands"])
def test_same_answers_give_the_same_bytes(project: Path, write: Callable[..., Any]) -> None:
    first, second = ran(), ran(jobs=1)
    assert first.folder != second.folder
    assert write(first.report(), first.results) == write(second.report(), dict(reversed(list(second.results.items()))))
