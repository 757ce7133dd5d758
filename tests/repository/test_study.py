"""The study: its page says what its files hold, and asking goes on where it stopped."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import phrasing
from phrasing.plan.resolve import lay_out
from phrasing.runs import run_folders, store
from phrasing.suite.file import load_suite
from support.paths import REPOSITORY
from support.tiny_runs import Model, cache, world
from support.tools import tool

__all__ = ["cache"]


@pytest.fixture(scope="module")
def study() -> Any:
    return tool("study")


@pytest.fixture(scope="module")
def answers() -> Any:
    return tool("study_answers")


@pytest.mark.slow
def test_the_page_says_what_the_files_hold() -> None:
    done = subprocess.run(
        [sys.executable, "tools/study.py", "--check"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("fresh\n", 0), "run: python tools/study.py"


def test_what_is_declared_is_in_the_suites(study: Any) -> None:
    """Each family shares 5 %, each case has one of five wordings, and nothing is drawn when the model answers."""
    folder = REPOSITORY / "evals" / "study"
    declared = {path.relative_to(folder).with_suffix("").as_posix(): load_suite(path).suite for path in folder.rglob("*.yaml")}
    assert declared.keys() == {*study.SUITES} == {*study.PRIMARY, *study.CHECKS, *study.LARGE}
    for name, suite in declared.items():
        assert suite.compare.score == "intent"
        assert suite.compare.margin == study.MARGIN
        assert suite.compare.confidence == (0.975 if name.rpartition("/")[2] in ("steps", "noise") else 0.95)
        drawn = {"temperature": 0.7} if name == "temperature" else {"logprobs": True, "top_logprobs": 10}
        assert suite.params == {"max_tokens": 160, "cache_prompt": name == "cached", **drawn}
        assert suite.repeats == (5 if drawn.get("temperature") else 1)
        for agent in suite.agents:
            for names in agent.functions.values():
                assert [each.partition("(")[2] for each in names] == [f"wording_{number})" for number in range(1, 6)]


def test_what_is_asked_again_is_the_same(study: Any) -> None:
    """The larger model gets the suites of the smaller one, and the checks the requests of the controls."""
    for name in study.PRIMARY:
        ours, larger = (study.load(each).suite for each in (name, f"large/{name}"))
        assert [model.label for model in larger.models] == ["qwen2.5-coder-1.5b"]
        whole = tuple(agent.model_copy(update={"sample": None}) for agent in larger.agents)
        assert larger.model_copy(update={"models": ours.models, "agents": type(ours.agents)(whole)}) == ours
    controls = {trial.id for trial in lay_out(study.load("controls")).trials}
    for name in ("reordered", "cached"):
        again = [trial.id for trial in lay_out(study.load(name)).trials]
        assert {*again} == {trial for trial in controls if "xml_yaml_renamed" not in trial}
    assert {*again} < controls


def test_equal_variants_are_shown_to_be_equal_within_a_margin_that_shrinks_with_cases(study: Any) -> None:
    margins = [study.margin(size, 0.25, alpha=0.025, added=1.0) for size in (100, 200, 400, 800)]
    assert margins == sorted(margins, reverse=True)
    assert 0.08 < margins[2] < 0.12


@pytest.mark.parametrize(("cases", "differ", "low", "high"), [(450, 0.25, 0.8, 1.0), (60, 0.3, 0.0, 0.35)])
def test_a_ruler_is_found_where_the_design_can_find_it(answers: Any, cases: int, differ: float, low: float, high: float) -> None:
    rng = np.random.default_rng(1)
    theirs = (rng.random(cases) < 0.5).astype(float)
    mine = np.where(rng.random(cases) < differ, 1 - theirs, theirs)
    chance, clusters, strata = np.full(cases, 0.1), np.arange(cases), np.zeros(cases, int)

    def found(loss: float) -> float:
        return float(answers.found_losses(mine, theirs, chance, clusters, strata, loss=loss, alpha=0.025, draws=100))

    shares = [found(loss) for loss in (0.0, 0.05, 0.1, 0.2)]
    assert shares == sorted(shares)
    assert shares[0] <= 0.05  # variants that are alike, exchanged: nothing is there to be found
    assert low <= shares[2] <= high
    assert np.isnan(found(0.6))


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 2)), min_size=4, max_size=60), st.floats(0, 0.3))
def test_wrong_labels_never_do_more_harm_than_is_said(answers: Any, cases: list[tuple[bool, bool, int]], share: float) -> None:
    """Whichever labels are wrong, and whatever is right in their place: the difference stays on the safe side of the bound."""
    mine, theirs, strata = (np.array(column, float) for column in zip(*cases, strict=True))
    strata = np.unique(strata, return_inverse=True)[1]
    weights = 1 / np.bincount(strata)[strata] / (strata.max() + 1)
    rng = np.random.default_rng(len(cases))
    for side in (1, -1):
        one, other = answers.against(mine, theirs, strata, share=share, side=side)
        bound = side * float(((one - other) * weights).sum())
        for _ in range(20):
            wrong = rng.permutation(len(cases))[: round(share * len(cases))]
            changed = [mine.copy(), theirs.copy()]
            for each in changed:
                each[wrong] = rng.integers(0, 2, len(wrong))
            assert side * float(((changed[0] - changed[1]) * weights).sum()) >= bound - 1e-9


def test_tables_say_what_the_recordings_hold(answers: Any) -> None:
    """On recordings that are there: the figures are those of the run's own tables, whatever part they are of."""
    run = phrasing.load(REPOSITORY / run_folders.RECORDINGS / "quickstart")
    by_intent = run.comparison(settings=run.suite.compare.model_copy(update={"score": "intent"}))
    head, *rows = answers.parts({"quickstart": run})
    whole = {one.variant: one for one in by_intent.contrasts}
    for pairs in answers.contrasts(run):
        one = whole[pairs.variant]
        assert pairs.difference().mean.value == pytest.approx(one.difference)
        named = [row for row in rows if row[0] == f"quickstart: {pairs.name}"]
        datasets = [row for row in named if row[1] in run.record.cases]
        assert sum(int(row[2]) for row in datasets) == one.n
        lengths = [row for row in named if row[1] in answers.LENGTHS]
        assert sum(int(row[2]) for row in lengths) == one.n
    assert len(head) == len(rows[0])


def test_a_model_differs_in_nothing_from_itself(answers: Any) -> None:
    run = phrasing.load(REPOSITORY / run_folders.RECORDINGS / "outputs")
    _, *rows = answers.interaction({"outputs": (run, run)})
    assert rows
    for row in rows:
        assert row[2] == row[3]
        assert row[4].partition(" ")[0] == "0"


def test_answers_that_are_the_same_are_counted(answers: Any) -> None:
    """Here each answer of one format under two names was drawn anew, so that few are the same."""
    run = phrasing.load(REPOSITORY / run_folders.RECORDINGS / "aa")
    _, (_, again, same), (_, both, equal) = answers.same({"controls": run, "cached": run})
    assert int(same) < int(again) == int(both) / 4
    assert equal == both


def test_log_odds_are_compared_as_scores_are(answers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they are 2 for each right answer and -2 for each wrong one, they differ by four times as much as the scores do.

    The test is cautious: a conversation that nobody has seen might differ by their whole range.
    """
    run = phrasing.load(REPOSITORY / run_folders.RECORDINGS / "quickstart")
    trials = run.trials()
    monkeypatch.setattr(type(run), "trials", lambda run: trials.assign(log_odds=4 * trials["intent"] - 2))
    _, *rows = answers.odds({"quickstart": run})
    for row, pairs in zip(rows, answers.contrasts(run), strict=True):
        assert float(row[4]) == pytest.approx(4 * pairs.difference().mean.value, abs=0.006)
        assert float(row[6]) >= float(row[7])


def test_what_is_not_known_is_a_dash(answers: Any) -> None:
    """Of the few cases of one dataset each, some say nothing: no table calls that a number."""
    run = phrasing.load(REPOSITORY / run_folders.RECORDINGS / "human")
    for make in (answers.answers, answers.sensitivity, answers.differences, answers.parts, answers.wrong_labels, answers.rulers):
        head, *rows = make({"human": run})
        assert rows
        assert all(len(row) == len(head) and "nan" not in " ".join(row) for row in rows)


def test_cases_to_read_again_are_mixed_and_hold_all_that_differ(answers: Any) -> None:
    run = phrasing.load(REPOSITORY / run_folders.RECORDINGS / "outputs")
    listed = answers.to_reread([run], concordant=5)
    by_intent = run.comparison(settings=run.suite.compare.model_copy(update={"score": "intent"}))
    differ = {(flip.dataset, flip.case) for one in by_intent.contrasts for flip in one.flips}
    assert differ < set(listed)
    assert len(listed) == len(set(listed)) == len(differ) + 5
    assert listed != sorted(listed)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, study: Any) -> Path:
    """A study of one small suite."""
    world(tmp_path)
    (tmp_path / "evals" / "study").mkdir()
    shutil.move(tmp_path / "evals" / "small.yaml", tmp_path / "evals" / "study" / "small.yaml")
    monkeypatch.setattr(study, "ROOT", tmp_path)
    monkeypatch.setattr(study, "CHECKPOINTS", tmp_path / "reports" / "study")
    return tmp_path


def test_asking_goes_on_where_it_stopped(small: Path, monkeypatch: pytest.MonkeyPatch, study: Any) -> None:
    """No answer that was kept is asked again, whoever has only what is committed; the last slice makes a recording."""
    model, kept = Model(), [0]
    monkeypatch.setattr(study.phrasing, "run", partial(phrasing.run, complete=model, max_calls=5))
    while not study.is_whole("small"):
        study.keep("small", 1)
        shutil.rmtree(small / "runs")
        kept.append(len(study.answers("small")))
    total = store.read_run(study.recorded("small")).trials
    assert kept == [*range(0, total, 5), total]
    assert len(model.asked) == total
    assert not (small / "reports" / "study" / "small").exists()
    assert study.recorded("small") == small / run_folders.RECORDINGS / "study" / "small"


def test_a_slice_that_is_interrupted_keeps_what_was_answered(small: Path, monkeypatch: pytest.MonkeyPatch, study: Any) -> None:
    """And no other slice is begun."""
    monkeypatch.setattr(study, "SUITES", ("small",))
    for last in (3, 2):
        monkeypatch.setattr(study.phrasing, "run", partial(phrasing.run, complete=Model(last=last)))
        study.ask(60)
        shutil.rmtree(small / "runs")
    assert len(study.answers("small")) == 5
    assert not study.is_whole("small")
