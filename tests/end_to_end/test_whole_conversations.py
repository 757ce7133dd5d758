"""Whole conversations on the way from a suite to everything that shows a run: beside steps, and as what is compared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import phrasing
from phrasing.analysis.run import Run
from phrasing.cli import main
from phrasing.cli.report import page
from phrasing.cli.terminal import report, show
from phrasing.errors import SuiteError
from phrasing.plan.describe import plan_text
from phrasing.plan.resolve import resolve
from phrasing.report.ci import summary
from phrasing.report.markdown import markdown
from phrasing.scores import CONVERSATION
from phrasing.suite.file import load_suite
from phrasing.suite.schema import Comparing
from phrasing.types import Completion, Request
from support.tiers import few
from support.tiny_runs import cache, case, obey, says, world

__all__ = ["cache"]


def grouped(groups: Sequence[str | None] = ("g", "g", "h", "h", "i", None)) -> list[dict[str, Any]]:
    """Six cases that the model gets right, cut from conversations."""
    return [case(f"a-{i}", **({"group": group} if group else {})) for i, group in enumerate(groups)]


async def slips(request: Request) -> Completion:
    """Get a step of h wrong, and one of i where the context has tags."""
    said = str(request.messages)
    return says("ask") if "a-3" in said or ("a-4" in said and "<mail>" in said) else await obey(request)


def ran(root: Path, groups: Sequence[str | None] = ("g", "g", "h", "h", "i", None), **keys: Any) -> Run:
    return phrasing.run(world(root, cases=grouped(groups), **keys), complete=slips)


def printed(root: Path, *words: str) -> str:
    """What a command prints, in one line."""
    done = CliRunner().invoke(main, [*words], catch_exceptions=False)
    return " ".join(done.output.split())


def test_they_stand_beside_the_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ran(tmp_path)
    found = run.summary()
    assert list(found["correct"]) == pytest.approx([5 / 6, 4 / 6])
    assert list(found["conversation"]) == pytest.approx([2 / 3, 1 / 3])
    assert list(found["conversation_n"]) == [3, 3]
    assert list(found["conversation_steps"]) == pytest.approx([4 / 5, 3 / 5])
    assert (found["conversation_low"] < found["conversation"]).all()
    assert (found["conversation"] < found["conversation_high"]).all()
    compared = run.compare()
    assert list(compared["conversation_n"]) == [3]
    assert list(compared["conversation_difference"]) == pytest.approx([-1 / 3])
    text = markdown(run.report())
    assert "\n## Whole conversations\n" in text
    assert "\n| variant | conversations | all steps right % (95 %) | right steps % | points (95 %) |\n" in text
    assert "\n| lines | 3 | 67 (" in text
    assert "|\n| tags | 3 | 33 (" in text
    show(*report(run.report()))
    assert "\nWhole conversations\nvariant conversations all right (95 %) right steps " in capsys.readouterr().out
    assert "Whole conversations" in page([(run, run.report())])
    trials = run.trials().set_index(["format", "case"])["conversation"]
    assert [trials["lines", f"a-{i}"] for i in range(5)] == [1, 1, 0, 0, 1]
    assert trials.isna().sum() == 2


STEPS: list[list[str | None]] = [["g", "h", "i", "j", "k", None], [None] * 6]


@pytest.mark.parametrize("groups", few(STEPS, STEPS[:1]), ids=["a step each", "no conversation"])
def test_they_are_left_out_where_each_has_one_step(
    tmp_path: Path, groups: list[str | None], capsys: pytest.CaptureFixture[str]
) -> None:
    run = ran(tmp_path, groups)
    assert "Whole" not in markdown(run.report())
    assert "Whole" not in page([(run, run.report())])
    show(*report(run.report()))
    assert "Whole" not in capsys.readouterr().out
    assert run.compare()["conversation_difference"].isna().all()


def test_they_join_no_family_of_comparisons(tmp_path: Path) -> None:
    with_groups, without = ran(tmp_path / "with"), ran(tmp_path / "without", ["g", "h", "i", "j", "k", "l"])
    (one,), (other,) = with_groups.comparison().contrasts, without.comparison().contrasts
    assert one.p == one.corrected
    assert one.flips == other.flips
    assert "verdict" not in markdown(with_groups.report()).partition("## Whole")[2].partition("## ")[0]


@pytest.mark.slow
def test_variants_are_compared_by_them_where_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ran(tmp_path, compare={"score": "conversation", "confidence": 0.9})
    (contrast,) = run.comparison().contrasts
    assert (contrast.n, contrast.mine, contrast.theirs) == (3, pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert run.comparison().conversations == ()
    assert run.compare()["conversation_n"].isna().all()
    text = markdown(run.report())
    assert "Differences from the baseline, score conversation, paired by conversation; p is corrected:" in text
    assert "lines (the baseline) got every step right, arguments and all, in 67 % (" in text
    assert " of 3 conversations. tags: −33 points (" in text
    assert "- lost: mail::i\n" in text
    assert "by tag" not in text.partition("tags: where they differ")[2].partition("</details>")[0]
    assert run.figures()[0].score == "step"  # charts are of cases
    assert "Whole conversations" in page([(run, run.report())])
    assert "conversation" in summary(run.report(), run.results)
    monkeypatch.chdir(tmp_path)
    plain = ran(tmp_path)
    said = printed(tmp_path, "compare", str(plain.folder))
    assert "Whole conversations: differences from the baseline, paired by conversation; not tested" in said
    said = printed(tmp_path, "compare", str(plain.folder), "--score", "conversation")
    assert "score conversation, paired by conversation" in said
    assert "would need about" in said
    assert said.count(" conversations") >= 2
    assert " cases" not in said.replace("cases needed", "")


def test_a_group_lends_no_tags_of_a_case_of_its_name(tmp_path: Path) -> None:
    cases = [case("g", group="x", tags=["other"]), case("a-2", group="g"), case("a-4", group="g")]
    run = phrasing.run(world(tmp_path, cases=cases, compare={"score": "conversation"}), complete=slips)
    assert [flip.case for flip in run.comparison().contrasts[0].flips] == ["g"]
    assert "by tag" not in markdown(run.report())


@pytest.mark.slow
def test_another_run_is_compared_by_them(tmp_path: Path) -> None:
    before = ran(tmp_path)
    after = phrasing.run(tmp_path / "evals" / "small.yaml", complete=obey)
    settings = Comparing(score=CONVERSATION)
    found = after.comparison(before, settings=settings).contrasts
    assert [(c.n, c.apart, c.difference) for c in found] == [(3, 0, pytest.approx(1 / 3)), (3, 0, pytest.approx(2 / 3))]
    assert [apart.difference for apart in after.comparison(before).conversations] == pytest.approx([1 / 3, 2 / 3])
    again = phrasing.run(tmp_path / "evals" / "small.yaml", complete=obey)
    assert [c.verdict for c in again.comparison(after, settings=settings).contrasts] == ["unchanged", "unchanged"]
    assert [(a.low, a.high) for a in again.comparison(after).conversations] == [(0, 0), (0, 0)]
    # where a step of g was left out, it is another conversation
    part = phrasing.run(tmp_path / "evals" / "small.yaml", select="not a-0", complete=obey)
    assert [(c.n, c.apart) for c in part.comparison(after, settings=settings).contrasts] == [(2, 1), (2, 1)]


def test_a_suite_is_told_beforehand_what_they_can_show(tmp_path: Path) -> None:
    plan = resolve(load_suite(world(tmp_path, cases=grouped(), compare={"score": "conversation"})))
    (line,) = [line for line in plan_text(plan).splitlines() if " of 1 comparisons " in line]
    assert ", 3 conversations: conversation shows differences" in line or ", 3 conversations: no difference shows" in line
    assert "% of conversations)" in line
    with pytest.raises(SuiteError, match="takes a score of cases, not 'conversation'"):
        phrasing.run(tmp_path / "evals" / "small.yaml", complete=obey, until_decided=True)
    with pytest.raises(SuiteError, match=r"small\.yaml:\d+: require\.0\.score: gates hold scores of cases"):
        resolve(load_suite(world(tmp_path, cases=grouped(), require=[{"score": "conversation", "min": 0.5}])))


def test_logged_steps_make_no_conversation_with_judged_ones(tmp_path: Path) -> None:
    cases = [{**one, "strength": "logged" if i % 2 else "gold"} for i, one in enumerate(grouped(["g", "g", "g", "g", "h", "h"]))]
    run = phrasing.run(world(tmp_path, cases=cases), complete=slips)
    judged, logged = run.parts
    assert list(judged.summary()["conversation"]) == [1, 0.5]  # a-0 and a-2 of g, a-4 of h
    assert list(logged.summary()["conversation"]) == [0.5, 0.5]  # a-1 and a-3 of g, a-5 of h
    text = markdown(run.report())
    assert "all steps right % (95 %)" in text.partition("## Agreement with")[0]
    assert "all steps agreed % (95 %) | agreed steps %" in text.partition("## Agreement with")[2]


def test_an_older_run_whose_own_score_is_called_so_is_read(tmp_path: Path) -> None:
    (tmp_path / "evals").mkdir(parents=True)
    (tmp_path / "evals" / "own.py").write_text("def polite(case, step, answer):\n    return 0.25\n")
    run = ran(tmp_path, scorers=["evals/own.py:polite"])
    for name in ("run.json", "results.jsonl"):
        stored = (run.folder / name).read_text()
        (run.folder / name).write_text(
            stored.replace("own.py:polite", "own.py:conversation").replace('"polite"', '"conversation"')
        )
    old = Run(run.folder)
    assert json.loads((run.folder / "run.json").read_text())["resolved"]["scorers"] == ["evals/own.py:conversation"]
    assert set(old.trials()["conversation"]) == {0.25}
    assert list(old.summary()["conversation"]) == [0.25, 0.25]
