"""Scorers of the user's own: found wrong before anything is asked, and never able to lose an answer."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import phrasing
from phrasing.analysis.run import Run
from phrasing.api import rescore
from phrasing.cli import terminal
from phrasing.cli.text import plain, trial_text
from phrasing.errors import SuiteError
from phrasing.plan.describe import plan_text
from phrasing.plan.resolve import resolve
from phrasing.plan.selection import Selection
from phrasing.report import text
from phrasing.report.markdown import markdown
from phrasing.runs import store
from phrasing.score import user
from phrasing.score.user import UserScorer
from phrasing.scores import NAMES, STORED
from phrasing.suite.file import load_suite
from phrasing.types import Case, Completion, Parsed, Request, Score, Step, ToolCall
from support.paths import REPOSITORY
from support.tiny_runs import cache, calls, obey, record, reply_in, says, world

__all__ = ["cache"]

DOCS = REPOSITORY / "docs" / "scorers.md"
FILE = "evals/scorers.py"

GOOD = """
from dataclasses import dataclass

LIMIT = 3

@dataclass
class Own:  # a class that looks its module up
    n: int

def polite(case, step, answer):
    return step is not None and step["intent"] == "ask", "asks" if "ask" in answer else "acts"

def sent(case, step, answer, extra=None):
    return None if step is None or step["intent"] != "send" else 0.25

def _hidden(case, step, answer):
    return 1
"""


def wrote(root: Path, source: str | bytes = GOOD, scorers: Any = (f"{FILE}:polite",), **keys: Any) -> Path:
    """Write the project with a file of scorers; return the suite's path."""
    path = world(root, scorers=list(scorers), **keys)
    (root / FILE).write_bytes(source if isinstance(source, bytes) else source.encode())
    return path


def values(run: Run, name: str, format: str = "lines") -> dict[str, Score]:
    return {r.case: r.scores[name] for r in run.results.values() if r.format == format}


# ---------------------------------------------------------------------------------------------- what a run makes of them


def test_a_score_stands_beside_the_built_in_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = wrote(tmp_path, scorers=[f"{FILE}:sent", f"{FILE}:polite"], require=[{"score": "polite", "min": 0.4}])
    run = phrasing.run(path, complete=obey)
    assert list(next(iter(run.results.values())).scores) == [*STORED, "sent", "polite"]
    assert {case: (score.value, score.reason) for case, score in values(run, "polite").items()} == {
        **dict.fromkeys(["a-2", "a-6"], (1.0, "asks")),
        **dict.fromkeys(["a-1", "a-3", "a-4", "a-5"], (0.0, "acts")),
    }
    assert values(run, "sent")["a-2"].value is None
    fresh = Run(run.folder)
    table, summary = fresh.trials(), fresh.summary()
    columns = list(table.columns)
    assert columns[columns.index("forbidden") + 1 : columns.index("conversation")] == ["sent", "polite"]
    assert list(table.loc[table["format"] == "lines", "polite"]) == [0, 1, 0, 0, 0, 1]
    assert table["sent"].count() == 2 * 2
    assert list(summary["polite"]) == [2 / 6, 2 / 6]
    assert list(summary["sent"]) == [0.25, 0.25]
    made = fresh.report()
    assert [(verdict.value, verdict.passed) for verdict in made.gates] == [(2 / 6, False)] * 2
    assert "| lines | 25 | 33 |" in markdown(made)
    terminal.show(*terminal.report(made))
    assert re.search(r"sent % +polite %\s+lines +25 +33\s+tags +25 +33\s", capsys.readouterr().out)
    assert f"\n  score sent: {FILE}\n  score polite: {FILE}\n" in plan_text(resolve(load_suite(path)))
    assert f"- {FILE}: sha256 {hashlib.sha256(GOOD.encode()).hexdigest()[:16]}" in markdown(made)
    assert fresh.record.scorers == {FILE: hashlib.sha256(GOOD.encode()).hexdigest()}
    shown = next(iter(fresh.results.values()))
    assert "polite: 0  acts" in plain(trial_text(shown, store.prompt(store.prompts(run.folder), shown.prompt)))


def test_a_run_without_any_shows_nothing_of_it(tmp_path: Path) -> None:
    run = phrasing.run(world(tmp_path), complete=obey)
    assert run.record.scorers == {}
    assert run.report().scorers == {}
    assert "own" not in markdown(run.report())


@pytest.mark.parametrize("output", ["prompted", "tool"])
def test_what_a_scorer_is_given(tmp_path: Path, output: str) -> None:
    source = f"""
import json
def seen(case, step, answer):
    with open({str(tmp_path / "seen.jsonl")!r}, "a") as file:
        file.write(json.dumps([case, step, answer]) + chr(10))
    case["expect"].clear()
    case["thread"]["events"].clear()
    return 1
def after(case, step, answer):
    return bool(case["expect"] and case["thread"]["events"])
"""
    cases = [{"id": "x", "thread": {"events": [{"type": "mail", "data": "reply: send"}]}, "expect": [{"intent": "send"}]}]
    scorers = [f"{FILE}:seen", f"{FILE}:after"]
    run = phrasing.run(
        wrote(tmp_path, source, scorers, cases=cases, formats=["lines"], outputs=[output]),
        complete=lambda request: answering(request, output),
    )
    (line,) = (tmp_path / "seen.jsonl").read_text().splitlines()
    line = json.loads(line)
    assert line == [
        {
            "id": "x",
            "thread": {"events": [{"type": "mail", "data": "reply: send", "role": None, "call": None}]},
            "expect": [{"intent": "send", "args": {}, "only": False}],
            "all": [],
            "sequence": [],
            "forbid": [],
            "tags": [],
            "group": None,
            "turn": None,
            "strength": "written",
            "labeller": None,
            "answer": None,
            "meta": {},
        },
        {"intent": "send", "args": {"to": "ann", "urgent": False}},
        "" if output == "tool" else says("send").text,
    ]
    assert values(run, "after")["x"].value == 1.0
    assert values(run, "intent")["x"].value == 1.0


async def answering(request: Request, output: str) -> Completion:
    return calls(reply_in(request)) if output == "tool" else says(reply_in(request))


def test_a_scorer_that_goes_wrong_loses_no_answer(tmp_path: Path) -> None:
    source = """
def picky(case, step, answer):
    if "a-2" in case["id"]:
        raise ValueError("no ticket\\nin it")
    return 7 if "a-3" in case["id"] else 1
"""
    path = wrote(tmp_path, source, [f"{FILE}:picky"])
    run = phrasing.run(path, complete=obey)
    assert run.outcome is not None
    assert (run.outcome.errors, len(run.results)) == (0, 12)
    assert values(run, "picky")["a-2"] == Score(reason="scorer failed: ValueError: no ticket in it")
    assert values(run, "picky")["a-3"].reason.startswith("scorer failed: returned 7; wanted a number from 0 to 1, True, False or")
    assert list(run.summary()["picky"]) == [1.0, 1.0]
    assert "The scorer picky failed on 4 answers, which its mean leaves out." in text.caveats(run.report())
    failed = {r.case for r in run.results.values() if "picky: scorer failed" in r.why}
    assert failed == {"a-2", "a-3"}
    (tmp_path / FILE).write_text("def picky(case, step, answer):\n    return 0.5\n")
    mended, changed = rescore(run)
    assert changed == 12
    assert list(mended.summary()["picky"]) == [0.5, 0.5]
    assert mended.record.scorers == {FILE: hashlib.sha256((tmp_path / FILE).read_bytes()).hexdigest()}
    assert not [said for said in text.caveats(mended.report()) if "picky" in said]


def test_a_new_scorer_is_applied_to_an_old_run(tmp_path: Path) -> None:
    run = phrasing.run(world(tmp_path), complete=obey)
    wrote(tmp_path, scorers=[f"{FILE}:polite"], require=[{"score": "polite", "min": 0.3}])
    scored, changed = rescore(run)
    assert changed == 12
    assert list(scored.summary()["polite"]) == [2 / 6, 2 / 6]
    assert [verdict.passed for verdict in scored.report().gates] == [True, True]
    world(tmp_path)
    without, changed = rescore(scored)
    assert changed == 12
    assert "polite" not in without.trials().columns
    assert without.record == run.record


STEP = Step(intent="send", args={"to": "ann"})
CASE = Case.model_validate({"id": "x", "thread": {"events": [{"type": "mail"}]}, "expect": [{"intent": "send"}]})


def scored(function: Any, parsed: Parsed | None = None, completion: Completion | None = None) -> Score:
    scorer = UserScorer("it", FILE, "d", function)
    parsed, completion = parsed or Parsed(step=STEP), completion or Completion(text="t")
    return user.score({"it": scorer}, CASE, parsed, completion)["it"]


class Unsayable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def raising(error: BaseException) -> Any:
    def function(case: Any, step: Any, answer: Any) -> Any:
        raise error

    return function


@pytest.mark.parametrize(
    ("returned", "value", "reason"),
    [
        (1, 1.0, ""),
        (True, 1.0, ""),
        (False, 0.0, ""),
        (0.25, 0.25, ""),
        (None, None, ""),
        ((0.5, "half"), 0.5, "half"),
        ((None, "no  message\n"), None, "no message"),
        ((True, "half a \ud800 character"), 1.0, "half a ? character"),
        ((1, "x" * 400), 1.0, "x" * 299 + "…"),
    ],
)
def test_what_a_scorer_may_return(returned: object, value: float | None, reason: str) -> None:
    assert scored(lambda case, step, answer: returned) == Score(value=value, reason=reason)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda *_: "good", "returned 'good'; wanted a number"),
        (lambda *_: -0.1, "returned -0.1; wanted a number"),
        (lambda *_: float("nan"), "returned nan; wanted a number"),
        (lambda *_: 10**400, "returned 1000"),
        (lambda *_: (1, 2, 3), "returned (1, 2, 3); wanted a number"),
        (lambda *_: (1, None), "returned the reason None; wanted a text"),
        (lambda *_: Unshowable(), "RuntimeError: no repr"),
        (raising(KeyError("ticket")), "KeyError: 'ticket'"),
        (raising(SystemExit(2)), "SystemExit: 2"),
        (raising(Unsayable()), "Unsayable"),
        (raising(ValueError("\ud800")), "ValueError: ?"),
    ],
)
def test_rubbish_is_no_score(function: Any, reason: str) -> None:
    score = scored(function)
    assert score.value is None
    assert score.failed
    assert score.reason.startswith(f"scorer failed: {reason}")
    assert Score.model_validate_json(score.model_dump_json()) == score


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), lambda x: st.tuples(x, x) | st.lists(x)))
def test_whatever_is_returned_can_be_stored(returned: object) -> None:
    score = scored(lambda case, step, answer: returned)
    assert score.value is None or 0 <= score.value <= 1
    assert Score.model_validate_json(score.model_dump_json()) == score


def test_interrupting_a_scorer_interrupts_the_run() -> None:
    with pytest.raises(KeyboardInterrupt):
        scored(raising(KeyboardInterrupt()))


def test_an_answer_without_a_step(tmp_path: Path) -> None:
    seen: list[object] = []
    failed = Parsed(stage="parse", reason="no step")
    call = Completion(tool_calls=(ToolCall(name="send", arguments="{}"),))
    assert scored(lambda *given: seen.extend(given[1:]), failed, call) == Score()
    assert seen == [None, ""]


# ---------------------------------------------------------------------------------------------- what is refused

NO_SCORER = "wanted file.py:function, such as evals/scorers.py:mentions_ticket"


@pytest.mark.parametrize(
    ("source", "entry", "message"),
    [
        (
            GOOD,
            "evals/scorer.py:polite",
            "file 'evals/scorer.py' not found (did you mean 'evals/scorers.py'?); there are: evals/scorers.py",
        ),
        (GOOD, "nowhere/s.py:polite", "file 'nowhere/s.py' not found; there are: none"),
        (
            GOOD,
            f"{FILE}:polit",
            f"{FILE}: function 'polit' not found (did you mean 'polite'?); there are: Own, _hidden, polite, sent",
        ),
        (GOOD, f"{FILE}:LIMIT", f"{FILE}: LIMIT is no function, but 3"),
        (GOOD, "polite", f"'polite' is no scorer; {NO_SCORER}"),
        (GOOD, "evals/scorers.txt:polite", f"'evals/scorers.txt:polite' is no scorer; {NO_SCORER}"),
        (GOOD, "/tmp/s.py:polite", "'/tmp/s.py' lies outside the project; wanted a path from its root"),
        (GOOD, "../s.py:polite", "'../s.py' lies outside the project; wanted a path from its root"),
        (
            GOOD,
            f"{FILE}:intent",
            "'intent' is a score that is built in (intent, arguments, correct, valid, forbidden); give the function another name",
        ),
        (GOOD, f"{FILE}:cost", "'cost' is a column of the tables; give the function another name"),
        ("def f(case, step):\n    return 1", f"{FILE}:f", f"{FILE}: f takes (case, step); wanted (case, step, answer)"),
        ("def f(a, b, c, d):\n    return 1", f"{FILE}:f", f"{FILE}: f takes (a, b, c, d); wanted (case, step, answer)"),
        ("def f(*, case):\n    return 1", f"{FILE}:f", f"{FILE}: f takes (*, case); wanted (case, step, answer)"),
        (
            "async def f(case, step, answer):\n    return 1",
            f"{FILE}:f",
            f"{FILE}: f is async; a scorer answers at once, from what it is given",
        ),
        ("x = 1\ndef f(case:", f"{FILE}:f", f"{FILE}:2: SyntaxError: '(' was never closed"),
        ("x = 1\ny = x / 0", f"{FILE}:f", f"{FILE}:2: raised ZeroDivisionError: division by zero"),
        (b"\xff\xfe", f"{FILE}:f", f"{FILE}:1: SyntaxError: "),
    ],
)
def test_a_wrong_scorer_is_named_with_the_suites_line(tmp_path: Path, source: str | bytes, entry: str, message: str) -> None:
    path = wrote(tmp_path, source, [entry])
    line = next(i for i, text in enumerate(path.read_text().splitlines(), 1) if text == f"- {entry}")
    with pytest.raises(SuiteError) as error:
        resolve(load_suite(path))
    assert str(error.value).startswith(f"{path}:{line}: scorers.0: {message}")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    path = wrote(tmp_path, scorers=["evals/x.py:f"])
    (tmp_path / "evals" / "x.py").mkdir()
    with pytest.raises(SuiteError, match=r"scorers\.0: evals/x\.py can't be read: "):
        resolve(load_suite(path))


def test_two_scorers_of_one_name(tmp_path: Path) -> None:
    path = wrote(tmp_path, scorers=[f"{FILE}:polite", "other.py:polite"])
    with pytest.raises(SuiteError, match=r"scorers\.1: 'polite' is named twice; scores go by the function's name$"):
        resolve(load_suite(path))


def test_a_requirement_names_a_score_that_is_there(tmp_path: Path) -> None:
    path = wrote(tmp_path, require=[{"score": "polit", "min": 0.5}])
    with pytest.raises(
        SuiteError,
        match=re.escape("require.0.score: score 'polit' not found (did you mean 'polite'?); there are: answer_tokens,"),
    ):
        resolve(load_suite(path))
    with pytest.raises(SuiteError, match=r"require\.0\.score"):
        resolve(load_suite(path), Selection(formats=["tags"]))


def test_every_column_of_the_tables_is_reserved(tmp_path: Path) -> None:
    async def with_logprobs(request: Request) -> Completion:
        return (await obey(request)).model_copy(update={"logprobs": (("{", -0.5),)})

    run = phrasing.run(world(tmp_path), complete=with_logprobs)
    columns = {*run.trials().columns, *run.summary().reset_index().columns}
    assert columns - {*NAMES, *user.RESERVED} == set()


def test_an_older_record_knows_of_no_scorers() -> None:
    assert record().scorers == {}


# ---------------------------------------------------------------------------------------------- docs/scorers.md


def test_the_documents_example_runs(tmp_path: Path) -> None:
    text = DOCS.read_text("utf-8")
    source = text.split("```python\n")[1].split("```")[0]
    path = wrote(tmp_path, source, yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])["scorers"])
    run = phrasing.run(path, complete=obey)
    assert values(run, "short_message")["a-2"] == Score(value=1.0, reason="4 characters")
    assert values(run, "short_message")["a-1"].value is None
    assert {score.reason for score in values(run, "names_the_tag").values()} == {""}
    wrote(tmp_path, source, [f"{FILE}:short_mesage"])
    with pytest.raises(SuiteError) as error:
        resolve(load_suite(path))
    said = text.split("suite's line:\n\n```\n")[1].split("\n")[0]
    assert str(error.value).partition("scorers.0")[2] == said.partition("scorers.0")[2]
