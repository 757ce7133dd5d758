"""Labels that say what a logged agent did: agreement and not accuracy, apart from other labels, and no gate on them unasked."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml, Skipped

import phrasing
from phrasing.analysis.gates import LOGGED
from phrasing.analysis.report_data import ACCURACY, AGREEMENT, Report
from phrasing.analysis.run import Run
from phrasing.api import rescore
from phrasing.cli.terminal import report, show
from phrasing.errors import SuiteError
from phrasing.plan.resolve import resolve
from phrasing.report import ci, columns
from phrasing.report.markdown import markdown
from phrasing.report.recording import update_recording
from phrasing.report.text import answer, caveats, escape
from phrasing.suite.file import load_suite
from phrasing.suite.schema import Comparing
from phrasing.types import Completion, Request
from support.tiny_commands import printed_by
from support.tiny_runs import CASES, cache, case, loaded, obey, reply_in, says, world

__all__ = ["cache", "loaded"]

pytest_plugins = ["pytester"]

GATES: list[dict[str, Any]] = [
    {"score": "step", "min": 0.9},
    {"score": "intent", "margin": 0.02},
    {"score": "harm", "max": 0.5},
    {"score": "prompt_tokens", "max_ratio": 1.5},
]


def labelled(strength: str, cases: Any = CASES, mark: str = "") -> list[dict[str, Any]]:
    """The cases with labels of a strength, and a mark on their ids."""
    return [{**one, "id": one["id"] + mark, "strength": strength} for one in cases]


def mixed() -> list[dict[str, Any]]:
    """The cases, 4 of 6 right; and six logged ones, of which the model agrees with 1."""
    logged = [case(f"log-{i}", reply="send", expect="send" if i == 3 else "finish") for i in range(6)]
    return [*labelled("gold"), *labelled("logged", logged)]


async def paid(request: Request) -> Completion:
    return (await obey(request)).model_copy(update={"cost": 0.001})


def ran(root: Path, cases: Any, **keys: Any) -> Run:
    return phrasing.run(world(root, cases=cases, **keys), complete=paid)


def terminal(run: Run, capsys: pytest.CaptureFixture[str]) -> str:
    show(*report(run.report()))
    return " ".join(capsys.readouterr().out.split())


def call(*words: str, code: int = 0) -> str:
    return " ".join(printed_by(*words, code=code).split())


def names(run: Run) -> list[tuple[str, str]]:
    return [(verdict.status, verdict.name) for verdict in run.gates()]


# ---------------------------------------------------------------------------------------------- words


def test_logged_labels_are_reported_as_agreement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ran(tmp_path, labelled("logged"))
    assert run.parts == (run,)
    assert "lines (the baseline) agreed with the logged agent, arguments and all, in 67 % (22–96) of 6 cases." in answer(
        run.report()
    )
    assert "Labels are what a logged agent did: agreement with it isn't accuracy." in caveats(run.report())
    assert "A random step agrees with the logged agent in 25 %." in caveats(run.report())
    shown, text = terminal(run, capsys), markdown(run.report())
    assert "variant n agreed (95 %) in full valid" in shown
    assert "mail agreement without a model: random 25 %" in shown
    assert "Differences from the baseline, score correct (agreement with the logged agent)" in shown
    assert "| agreed % (95 %) | agreed in full % | valid % |" in text
    assert "Where the step was another, most frequent first" in text
    assert "$ per 1,000 that agree (95 %)" in text


@pytest.mark.parametrize(
    "show",
    [markdown, answer, lambda made: ci.summary(made, {})],
    ids=["page", "answer", "summary"],
)
def test_nothing_of_it_is_called_right(tmp_path: Path, show: Callable[[Any], str]) -> None:
    text = show(ran(tmp_path, labelled("logged"), repeats=2).report())
    assert "agreed with the logged agent" in text
    assert not re.findall(r"\b(right|acceptable|accura\w*|better|worse|expected)\b", text.replace("isn't accuracy", ""))


def test_labels_of_people_are_worded_as_before(tmp_path: Path) -> None:
    made = ran(tmp_path, labelled("gold")).report()
    assert "agree" not in markdown(made)
    assert "| intent % (95 %) | correct % |" in markdown(made)
    assert set(Run(ran(tmp_path, labelled("written")).folder).trials()["strength"]) == {"written"}


async def hurt_by_tags(request: Request) -> Completion:
    return says("finish" if "<mail>" in str(request.messages) else "send")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Comparing(), ("agrees less", "agrees less")),
        (Comparing(score="intent", margin=0.5, confidence=0.5), ("agrees less", "agrees less")),
        (Comparing(score="strict", margin=0.5), ("equivalent within 50 points", "equivalent")),
    ],
    ids=["step", "intent", "strict"],
)
def test_verdicts_of_a_comparison(tmp_path: Path, settings: Comparing, words: tuple[str, str]) -> None:
    many = labelled("logged", [case(f"c-{i}") for i in range(30)])
    found = phrasing.run(world(tmp_path, cases=many), complete=hurt_by_tags).comparison(settings=settings)
    assert found.agreement == (settings.score != "strict")
    (column,) = (one for one in columns.comparison(found, str).columns if one.key == "verdict")
    assert column.short_cell is not None
    assert (column.cell(found.contrasts[0]), column.short_cell(found.contrasts[0])) == words


def test_both_wordings_say_the_same_things() -> None:
    assert ACCURACY.no_model.keys() == AGREEMENT.no_model.keys()


def test_labels_that_a_rule_made_are_counted(tmp_path: Path) -> None:
    cases = [*labelled("gold", CASES[:4]), *labelled("heuristic", CASES[4:])]
    assert caveats(ran(tmp_path, cases).report())[0] == "2 of 6 labels are heuristic: a rule made them."


# ---------------------------------------------------------------------------------------------- both kinds


def test_both_kinds_are_reported_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ran(tmp_path, mixed())
    right, agreed = run.parts
    assert (right.agreement, agreed.agreement) == (False, True)
    for part, n, step in ((right, 6, 4 / 6), (agreed, 6, 1 / 6)):
        assert part.summary()["n"].tolist() == [n, n]
        assert part.summary()["correct"].tolist() == pytest.approx([step, step])
    assert run.summary().equals(right.summary())
    assert sorted(run.trials()["strength"].unique()) == ["gold", "logged"]
    said, figures = answer(run.report()), "agreement with it isn't accuracy, so these are reported apart"
    assert f"6 of 12 labels are logged, what a logged agent did: {figures}" in said
    assert "lines (the baseline) picked an acceptable step, arguments and all, in 67 % (22–96) of 6 cases" in said
    assert "lines (the baseline) agreed with the logged agent, arguments and all, in 17 % (0–64) of 6 cases" in said
    shown = terminal(run, capsys)
    assert not re.search(r"\b42\b", shown)  # percent of all cases, the blend that means nothing
    assert shown.index("lines 6 67 (22–96)") < shown.index("with logged labels") < shown.index("lines 6 17 (0–64)")


@pytest.mark.slow
def test_each_part_is_the_report_of_a_run_of_its_cases_alone(tmp_path: Path) -> None:
    whole = ran(tmp_path / "whole", mixed()).report()
    assert whole.logged is not None
    for part, cases in ((whole, mixed()[:6]), (whole.logged, mixed()[6:])):
        alone = ran(tmp_path / cases[0]["id"], cases).report()
        for field in ("chosen", "forms", "stages", "confused", "harm", "bills", "no_model", "agreement"):
            assert getattr(part, field) == getattr(alone, field), field
        for mine, theirs in zip(part.variants, alone.variants, strict=True):
            assert str(mine) == str(theirs)  # as text, because NaN is not NaN
        assert [str(c) for c in part.comparison.contrasts] == [str(c) for c in alone.comparison.contrasts]


@pytest.mark.slow
def test_the_page_and_the_summary_hold_both(tmp_path: Path) -> None:
    run = ran(tmp_path, mixed(), require=GATES)
    text, short = markdown(run.report()), ci.summary(run.report(), run.results)
    first, second = text.split("\n## Agreement with the logged agent\n")
    assert "| lines | baseline | 6 | 67 (22–96) | 67 |" in first
    assert "## Steps chosen" in first
    assert "| lines | baseline | 6 | 17 (0–64) | 17 |" in second
    assert "### Steps chosen" in second
    assert text.count("\n## Gates\n") == text.count("\n## What was run\n") == 1
    assert short.index("Against the baseline, score correct:") < short.index("score correct (agreement with the logged agent):")
    assert "- dataset mail: 12 cases" in text
    assert "weren't asked" not in text


@pytest.mark.slow
def test_agents_of_their_own_kinds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The functions differ, so each variant has labels of one kind only.
    agents = [{"dataset": name, "functions": [f"DetermineNextStep{function}"]} for name, function in AGENTS.items()]
    datasets = {"mail": labelled("gold"), "logs": labelled("logged")}
    run = phrasing.run(world(tmp_path, datasets=datasets, agents=agents, require=GATES[:2]), complete=obey)
    made = run.report()
    assert made.logged is not None
    assert [[report_label(made, row) for row in part.variants] for part in made.parts] == [
        ["Mail lines", "Mail tags"],
        ["MailTerse lines", "MailTerse tags"],
    ]
    assert "logs agreement without a model" in terminal(run, capsys)
    assert [(v.status, v.name, made.label(v.variant)) for v in made.gates] == [
        ("missed", "correct at least 0.9", "Mail lines"),
        ("missed", "correct at least 0.9", "Mail tags"),
        ("not evaluated", "correct at least 0.9", "MailTerse lines"),
        ("not evaluated", "correct at least 0.9", "MailTerse tags"),
        ("inconclusive", "intent not worse than the baseline by 2 points", "Mail tags"),
        ("not evaluated", "intent not worse than the baseline by 2 points", "MailTerse tags"),
    ]


AGENTS = {"mail": "Mail", "logs": "MailTerse"}


def report_label(made: Report, row: Any) -> str:
    return made.label(row["variant"])


def test_a_part_without_an_answer_is_no_part(tmp_path: Path) -> None:
    world(tmp_path, cases=mixed())
    run = phrasing.run(tmp_path / "evals" / "small.yaml", complete=obey, select="log")
    (only,) = run.parts
    assert only.agreement
    assert "agreed with the logged agent" in answer(run.report())


def test_stopping_early_looks_at_the_other_cases_alone(tmp_path: Path) -> None:
    # Tags lose every logged case and none of the others: the comparison is of the others, and isn't decided.
    async def complete(request: Request) -> Completion:
        text = str(request.messages)
        return says("finish" if "<mail>" in text and "log-" in text else reply_in(request))

    cases = [*labelled("logged", [case(f"log-{i}") for i in range(60)]), *labelled("gold", [case("right-1"), case("right-2")])]
    run = phrasing.run(world(tmp_path, cases=cases), complete=complete, jobs=1, until_decided=True)
    assert run.record.spared == 0
    (found,) = run.comparison().contrasts
    assert (found.n, found.difference) == (2, 0)


# ---------------------------------------------------------------------------------------------- another run


def test_against_another_run_each_kind_is_compared(tmp_path: Path) -> None:
    suite = world(tmp_path, cases=mixed())
    before = phrasing.run(suite, complete=obey)
    found = phrasing.run(suite, complete=hurt_by_tags).comparison(before, name="before")
    assert found.logged is not None
    assert [[(c.n, c.apart) for c in part.contrasts] for part in found.parts] == [[(6, 0), (6, 0)]] * 2
    assert (found.score, found.logged.score) == ("correct", "correct (agreement with the logged agent)")
    again = phrasing.run(suite, complete=obey).comparison(before, name="before")
    assert [c.verdict for part in again.parts for c in part.contrasts] == ["unchanged"] * 4


def test_another_run_that_has_one_kind_only(tmp_path: Path) -> None:
    logged = phrasing.run(world(tmp_path, cases=mixed()[6:]), complete=obey)
    found = phrasing.run(world(tmp_path, cases=mixed()), complete=obey).comparison(logged, name="logged")
    assert found.contrasts == ()
    assert found.logged is not None
    assert [c.n for c in found.logged.contrasts] == [6, 6]


def test_compare_shows_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ran(tmp_path, mixed())
    monkeypatch.chdir(tmp_path)
    shown = call("compare", "latest")
    assert (
        shown.index("picked an acceptable step") < shown.index("with logged labels") < shown.index("agreed with the logged agent")
    )
    shown = call("tokens", str(run.folder))
    assert shown.index("6 cases with other labels:") < shown.index("correct ones") < shown.index("that agree (95 %)")


# ---------------------------------------------------------------------------------------------- gates


def test_gates_on_logged_labels_are_not_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ran(tmp_path, labelled("logged"), require=GATES)
    assert names(run) == [
        ("not evaluated", "correct at least 0.9"),
        ("not evaluated", "correct at least 0.9"),
        ("not evaluated", "intent not worse than the baseline by 2 points"),
        ("passed", "forbidden at most 0.5"),
        ("passed", "forbidden at most 0.5"),
        ("passed", "prompt_tokens at most 1.5 times the baseline"),
    ]
    assert str(run.gates()[0]) == f"not evaluated: correct at least 0.9: {LOGGED} [{run.record.variants[0]}]"
    monkeypatch.chdir(tmp_path)
    assert f"not evaluated: correct at least 0.9: {LOGGED} [" in call("score", "latest")  # exit code 0
    assert f"| not evaluated | correct at least 0.9 | lines | – | {escape(LOGGED)} |" in markdown(run.report())
    assert ci.headline(run.report()) == "3 of 6 gates not evaluated"


@pytest.mark.slow
def test_the_suite_may_hold_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ran(tmp_path, labelled("logged"), require=GATES[:1])
    world(tmp_path, cases=labelled("logged"), require=GATES[:1], logged="gate")
    held, changed = rescore(run)
    assert (names(held), changed) == ([("missed", "correct at least 0.9")] * 2, 0)
    monkeypatch.chdir(tmp_path)
    call("score", "latest", code=1)
    assert "67 (22–96)" in markdown(held.report())
    assert "agreed with the logged agent" in answer(held.report())  # a gate doesn't make it accuracy


def test_gates_leave_logged_cases_out(tmp_path: Path) -> None:
    run = ran(tmp_path, mixed(), require=GATES)
    first = run.gates()[0]
    assert (first.status, first.value, first.note) == ("missed", pytest.approx(4 / 6), "6 cases with logged labels left out")
    harm = next(verdict for verdict in run.gates() if verdict.requirement.score == "harm")
    assert (harm.value, harm.note) == (pytest.approx(1 / 3), "")
    both = ran(tmp_path / "both", mixed(), require=GATES, logged="gate").gates()[0]
    assert (both.value, both.note) == (pytest.approx(5 / 12), "")


@pytest.mark.slow
def test_gates_against_the_recording(tmp_path: Path) -> None:
    gate = [{"score": "step", "margin": 0.02, "against": "recorded"}]
    update_recording(ran(tmp_path, mixed(), require=gate))
    same = ran(tmp_path, mixed(), require=gate)
    assert [(v.status, v.note) for v in same.gates()] == [
        ("passed", "the same answers to the same requests; 6 cases with logged labels left out")
    ] * 2


def test_in_junit_they_are_skipped(tmp_path: Path) -> None:
    run = ran(tmp_path, labelled("logged"), require=GATES)
    (suite,) = JUnitXml.fromstring(ci.junit(run.report(), run.results))
    skipped = {one.name: one.result[0].message for one in suite if one.result and isinstance(one.result[0], Skipped)}
    assert list(skipped) == [
        "correct at least 0.9 [lines]",
        "correct at least 0.9 [tags]",
        "intent not worse than the baseline by 2 points [tags]",
    ]
    assert skipped["correct at least 0.9 [lines]"] == f"not evaluated: correct at least 0.9: {LOGGED}"
    assert (suite.failures, suite.errors) == (0, 0)


@pytest.mark.slow
@pytest.mark.usefixtures("loaded")
def test_in_pytest_they_are_skipped(pytester: pytest.Pytester) -> None:
    update_recording(ran(pytester.path, labelled("logged"), require=GATES[:1]))
    done = pytester.runpytest_inprocess("-p", "phrasing.pytest_plugin", "-p", "no:cacheprovider", "evals", "-rs")
    done.assert_outcomes(skipped=2)
    assert "labels are logged, what an agent did" in done.stdout.str()


# ---------------------------------------------------------------------------------------------- check


@pytest.mark.parametrize(
    ("keys", "said", "unsaid"),
    [
        ({"require": GATES}, "warning: gates on correct, intent leave these out; `logged: gate` in the suite holds them", ""),
        ({"require": GATES, "logged": "gate"}, "6 of 12 labels are logged: reported as agreement", "leave these out"),
        ({"require": GATES[2:]}, "6 of 12 labels are logged: reported as agreement", "leave these out"),
    ],
    ids=["left out", "held", "no such gate"],
)
def test_check_says_it_beforehand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: dict[str, Any], said: str, unsaid: str
) -> None:
    world(tmp_path, cases=mixed(), **keys)
    monkeypatch.chdir(tmp_path)
    text = call("check")
    assert said in text
    assert not unsaid or unsaid not in text
    world(tmp_path, require=GATES)
    assert "logged" not in call("check")


def test_check_says_how_far_logs_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    thread = {"events": [{"type": "mail", "data": {"text": "hello"}}]}
    steps = ["ask", "ask", "finish"]
    cases = [{**case(f"log-{i}", expect=step), "thread": thread} for i, step in enumerate(steps)]
    world(tmp_path, cases=[*labelled("logged", cases), *labelled("gold")])
    monkeypatch.chdir(tmp_path)
    assert "1 thread was logged more than once; two steps logged after the same one are the same in 33 %" in call("check")


def test_a_word_that_isnt_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"small.yaml:\d+: logged: value 'hold' not found; there are: gate, report"):
        resolve(load_suite(world(tmp_path, logged="hold")))
