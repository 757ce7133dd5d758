"""The grid: everything is asked once, nothing is lost, and what went wrong stays apart from what was wrong."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phrasing.errors import CompletionError, ModelError
from phrasing.plan.resolve import Plan, resolve
from phrasing.records import Result
from phrasing.runs import lazy, provenance, runner, single_step, store
from phrasing.runs.budget import Budget
from phrasing.runs.early_stop import EarlyStop
from phrasing.runs.procedure import Exchange, Sent
from phrasing.runs.runner import Outcome
from phrasing.runs.single_step import SingleStep
from phrasing.runs.store import Store
from phrasing.types import Completion, Request, Trial
from support.tiers import few
from support.tiny_runs import CASES, Model, cache, case, obey, planned

__all__ = ["cache"]


def ask(plan: Plan, folder: Path, complete: runner.Complete, **options: Any) -> Outcome:
    """Bring a folder up to date with a plan."""
    folder.mkdir(exist_ok=True)
    with Store(folder) as opened:
        return asyncio.run(runner.run(plan, opened, complete, done=lazy.Answers(folder), **options))


def keys(plan: Plan) -> dict[str, str]:
    return {trial.id: plan.request(trial, plan.prompt(trial)).key for trial in plan.trials}


# ---------------------------------------------------------------------------------------------- asking


class AskAgain:
    """A procedure of two requests: the second asks what the first was answered."""

    def first(self, plan: Plan, trial: Trial) -> Sent:
        return SingleStep().first(plan, trial)

    def inputs(self, plan: Plan) -> Callable[[Trial], str | None]:
        return lambda trial: None

    async def bring(self, plan: Plan, trial: Trial, sent: Sent, exchange: Exchange) -> None:
        answered = await exchange.ask(sent)
        assert answered is not None
        assert answered.completion is not None
        messages = (*sent.request.messages, {"role": "user", "content": f"you said {answered.completion.text}"})
        last = await exchange.ask(Sent(sent.prompt, replace(sent.request, messages=messages)))
        if last is not None:
            exchange.keep(single_step.score(plan, trial, last))


def test_what_is_done_for_a_trial_is_handed_in(tmp_path: Path) -> None:
    plan, model = planned(tmp_path), Model()
    outcome = ask(plan, tmp_path / "run", model, procedure=AskAgain())
    assert (outcome.asked, outcome.unasked) == (24, 0)
    assert sum("you said" in str(request.messages) for request in model.asked) == 12
    kept = store.results(tmp_path / "run")
    assert kept.keys() == keys(plan).keys()
    assert all(result.scores for result in kept.values())


def test_every_trial_is_asked_once_and_kept_with_its_scores(tmp_path: Path) -> None:
    plan = planned(tmp_path, repeats=2)
    model, seen = Model(), list[Result]()
    outcome = ask(plan, tmp_path / "run", model, report=seen.append)
    kept = store.results(tmp_path / "run")
    assert len(model.asked) == len(plan.trials) == len(CASES) * 2 * 2
    assert Counter(model.keys) == Counter(keys(plan).values())
    assert outcome == Outcome(asked=24)
    assert {name: result.key for name, result in kept.items()} == keys(plan)
    assert sorted(seen, key=lambda r: r.trial) == sorted(kept.values(), key=lambda r: r.trial)
    assert {r.case: r.scores["intent"].value for r in kept.values()} == {
        "a-1": 1, "a-2": 1, "a-3": 0, "a-4": 0, "a-5": 1, "a-6": 1
    }  # fmt: skip
    assert {r.case: r.scores["harm"].value for r in kept.values()} == {
        "a-1": None, "a-2": None, "a-3": None, "a-4": 1, "a-5": 0, "a-6": 0
    }  # fmt: skip


def test_what_was_sent_can_be_read_back_for_every_trial(tmp_path: Path) -> None:
    plan = planned(tmp_path, formats=["lines", "calls"], outputs=["prompted", "native", "tool"], cases=CASES[:2])
    model = Model()
    ask(plan, tmp_path / "run", model)
    texts = store.prompts(tmp_path / "run")
    sent = {request.key: request for request in model.asked}
    for result in store.results(tmp_path / "run").values():
        prompt, request = store.prompt(texts, result.prompt), sent[result.key]
        assert prompt.messages == request.messages
        assert (prompt.tools, prompt.response_format) == (request.tools, request.response_format)


def test_repeats_have_seeds_of_their_own_and_variants_share_them(tmp_path: Path) -> None:
    plan = planned(tmp_path, repeats=3, cases=CASES[:2])
    model = Model()
    ask(plan, tmp_path / "run", model)
    seeds: dict[str, set[int]] = {}
    for request in model.asked:
        seeds.setdefault("a-1" if "a-1" in str(request.messages) else "a-2", set()).add(request.params["seed"])
    assert {name: len(found) for name, found in seeds.items()} == {"a-1": 3, "a-2": 3}
    assert not seeds["a-1"] & seeds["a-2"]


@pytest.mark.parametrize(("jobs", "own", "most"), [(1, None, 1), (3, None, 3), (8, 2, 2), (8, None, 8)])
def test_no_model_holds_more_requests_than_its_jobs(tmp_path: Path, jobs: int, own: int | None, most: int) -> None:
    plan = planned(tmp_path, models=[{"id": "openai/slow", "jobs": own}, "openai/other"])
    model = Model(turns=200)
    ask(plan, tmp_path / "run", model, jobs=jobs)
    assert model.peaks == {"openai/slow": most, "openai/other": jobs}


@pytest.mark.parametrize("kind", ["answer", "overflow", "transient"])
def test_the_loop_polls_between_two_trials_that_are_worked_on(tmp_path: Path, kind: Any) -> None:
    plan = planned(tmp_path)
    rounds = 0
    worked: list[tuple[int, str]] = []

    async def count() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    class Watched(SingleStep):
        def first(self, plan: Plan, trial: Trial) -> Sent:
            worked.append((rounds, trial.id))
            return super().first(plan, trial)

    async def run(opened: Store) -> None:
        asked, ready = 0, asyncio.Event()

        async def complete(request: Request) -> Completion:
            nonlocal asked
            asked += 1
            if asked == len(plan.trials):
                ready.set()
            await ready.wait()  # all answers come in one round
            if kind != "answer":
                raise CompletionError(kind, "no")
            return await obey(request)

        counting = asyncio.create_task(count())
        await runner.run(
            plan,
            opened,
            complete,
            jobs=len(plan.trials),
            report=lambda result: worked.append((rounds, result.trial)),
            procedure=Watched(),
        )
        counting.cancel()

    (tmp_path / "run").mkdir()
    with Store(tmp_path / "run") as opened:
        asyncio.run(run(opened))
    assert len(worked) == 2 * len(plan.trials)
    assert set(Counter(number for number, _ in worked).values()) == {1}


@pytest.mark.parametrize("jobs", few([1, 8, 20], [8]))
def test_a_run_that_may_stop_early_completes_groups_in_their_order(tmp_path: Path, jobs: int) -> None:
    plan = planned(
        tmp_path,
        cases=[case(f"c-{i}", group=f"g-{i // 3}") for i in range(70)],
        models=["openai/quick", "openai/slow"],
        compare={"confidence": 0.999999},
    )
    places = {group: number for number, block in enumerate(plan.blocks) for group in block}
    block = {trial.id: places[plan.group(trial)] for trial in plan.trials}
    of_key = {key: block[name] for name, key in keys(plan).items()}
    waiting: Counter[int] = Counter(block.values())
    held: Counter[str] = Counter()
    furthest = most = 0

    async def complete(request: Request) -> Completion:
        nonlocal furthest, most
        held[request.model] += 1
        most = max(most, *held.values())
        furthest = max(furthest, of_key[request.key] - min(number for number, count in waiting.items() if count))
        # a trial is begun in every second round of the loop: all of both models before the first answer
        for _ in range(1000 if "slow" in request.model else 4 * jobs + 10):
            await asyncio.sleep(0)
        held[request.model] -= 1
        return await obey(request)

    def arrived(result: Result) -> None:
        waiting[block[result.trial]] -= 1

    stop = EarlyStop(provenance.describe(plan, started="2030-01-01T00:00:00Z", stops=True))
    outcome = ask(plan, tmp_path / "run", complete, jobs=jobs, early_stop=stop, report=arrived)
    assert outcome == Outcome(asked=280)
    # where 20 are asked at a time, three blocks of eight cases or more keep all of them busy
    assert furthest == {1: 1, 8: 1, 20: 3}[jobs]
    assert most == jobs


@pytest.mark.parametrize("last", [0, 3, 30])
def test_a_run_in_order_that_is_cut_off_ends(tmp_path: Path, last: int) -> None:
    plan = planned(tmp_path, cases=[case(f"c-{i}") for i in range(30)], models=["openai/one", "openai/two"])
    stop = EarlyStop(provenance.describe(plan, started="2030-01-01T00:00:00Z", stops=True))
    ask(plan, tmp_path / "run", Model(last=last), jobs=3, early_stop=stop)
    assert len(store.results(tmp_path / "run")) == last


# ---------------------------------------------------------------------------------------------- resuming


@pytest.mark.parametrize("last", range(0, 13, 3))
def test_cut_after_any_answer_only_the_rest_is_asked(tmp_path: Path, last: int) -> None:
    plan = planned(tmp_path)
    first, second = Model(last=last), Model()
    outcome = ask(plan, tmp_path / "run", first, jobs=1)
    assert outcome.asked == min(last + 1, 12)
    assert len(store.results(tmp_path / "run")) == last
    outcome = ask(plan, tmp_path / "run", second)
    assert outcome.asked == 12 - last
    assert sorted(first.keys + second.keys) == sorted(keys(plan).values())


def test_complete_run_asks_nothing_again(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    ask(plan, tmp_path / "run", obey)
    before = (tmp_path / "run" / "results.jsonl").read_bytes()
    model, seen = Model(), list[Result]()
    assert ask(plan, tmp_path / "run", model, report=seen.append) == Outcome()
    assert model.asked == []
    assert len(seen) == 12
    assert (tmp_path / "run" / "results.jsonl").read_bytes() == before


def test_changed_format_asks_only_its_own_cells_again(tmp_path: Path) -> None:
    ask(planned(tmp_path), tmp_path / "run", obey)
    changed = tmp_path / "formats" / "tags.j2"
    text = changed.read_text()
    plan = planned(tmp_path)
    changed.write_text(text.replace("<{{ event.type }}>", "<{{ event.type }} >"))
    plan = resolve(plan.file)
    model = Model()
    outcome = ask(plan, tmp_path / "run", model)
    assert outcome.asked == 6
    assert all("<mail >" in str(request.messages) for request in model.asked)
    assert {r.trial: r.key for r in store.results(tmp_path / "run").values()} == keys(plan)


def test_answer_to_a_request_that_changed_is_in_no_figure_even_if_it_is_not_asked_again(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    ask(plan, tmp_path / "run", obey)
    changed = tmp_path / "formats" / "tags.j2"
    changed.write_text(changed.read_text().replace("<{{ event.type }}>", "<{{ event.type }} >"))
    plan = resolve(plan.file)
    outcome = ask(plan, tmp_path / "run", Model(last=0))
    assert outcome.asked == 6
    kept = store.results(tmp_path / "run").values()
    assert {(r.format, r.error.kind if r.error else None) for r in kept} == {("lines", None), ("tags", "outdated")}
    assert ask(plan, tmp_path / "run", obey).asked == 6
    assert not any(r.error for r in store.results(tmp_path / "run").values())


# ---------------------------------------------------------------------------------------------- what goes wrong


def failing(kind: Any, names: Mapping[str, str] | None = None) -> runner.Complete:
    """Fail for the cases or models named in a request, else obey."""

    async def complete(request: Request) -> Completion:
        for _ in range(20):  # rounds of the loop in which others are begun
            await asyncio.sleep(0)
        if any(name in str(request.messages) + request.model for name in names or {"": ""}):
            raise CompletionError(kind, f"it was {kind}", attempts=3)
        return await obey(request)

    return complete


def test_transient_failure_is_an_error_without_scores_and_is_asked_again(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    outcome = ask(plan, tmp_path / "run", failing("transient", {"a-2": ""}))
    assert (outcome.asked, outcome.errors, outcome.stopped) == (12, 2, {})
    failed = [r for r in store.results(tmp_path / "run").values() if r.error]
    assert [(r.case, r.error.kind, r.error.message, r.scores, r.parsed) for r in failed if r.error] == [
        ("a-2", "transient", "it was transient", {}, None)
    ] * 2
    assert (ask(plan, tmp_path / "run", obey).asked, len(store.results(tmp_path / "run"))) == (2, 12)
    assert not any(r.error for r in store.results(tmp_path / "run").values())


@pytest.mark.parametrize("kind", ["overflow", "refused"])
def test_overflow_and_refusal_score_0_and_are_not_asked_again(tmp_path: Path, kind: str) -> None:
    plan = planned(tmp_path)
    outcome = ask(plan, tmp_path / "run", failing(kind, {"a-5": ""}))
    assert (outcome.errors, outcome.stopped) == (0, {})
    failed = [r for r in store.results(tmp_path / "run").values() if r.case == "a-5"]
    for r in failed:
        assert r.parsed is not None
        assert r.completion is not None
        assert (r.error, r.parsed.stage, r.completion.attempts) == (None, kind, 3)
        assert {name: score.value for name, score in r.scores.items()} == {
            "intent": 0, "args": None, "step": 0, "strict": 0, "harm": 0
        }  # fmt: skip
    assert ask(plan, tmp_path / "run", obey).asked == 0


def test_fatal_failure_stops_that_model_only(tmp_path: Path) -> None:
    plan = planned(tmp_path, models=["openai/dead", "openai/alive"])
    outcome = ask(plan, tmp_path / "run", failing("fatal", {"openai/dead": ""}), jobs=2)
    assert outcome.stopped == {"dead": "it was fatal"}
    assert outcome.errors == 2  # as many as were on their way
    assert outcome.unasked == 10
    kept = store.results(tmp_path / "run").values()
    assert Counter((r.model, r.error is not None) for r in kept) == {("dead", True): 2, ("alive", False): 12}
    model = Model()
    ask(plan, tmp_path / "run", model)
    assert {request.model for request in model.asked} == {"openai/dead"}
    assert len(model.asked) == 12


def test_cost_limit_starts_no_further_request(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    model = Model(cost=0.25)
    outcome = ask(plan, tmp_path / "run", model, jobs=1, budget=Budget(max_cost=1.0))
    assert len(model.asked) == 4
    assert (outcome.cost, outcome.unasked, outcome.stopped) == (1.0, 8, {"scripted": "the limit of $1 is reached"})
    assert ask(plan, tmp_path / "run", Model(cost=0.25), budget=Budget(max_cost=100)).asked == 8


def test_cost_limit_of_nothing_asks_nothing(tmp_path: Path) -> None:
    model = Model(cost=0.25)
    assert ask(planned(tmp_path), tmp_path / "run", model, budget=Budget(max_cost=0.0)).unasked == 12
    assert model.asked == []


def test_users_mistake_inside_a_run_comes_out_as_itself_and_keeps_what_was_answered(tmp_path: Path) -> None:
    plan = planned(tmp_path)

    async def complete(request: Request) -> Completion:
        if "a-3" in str(request.messages):
            raise ModelError("not given")
        return await obey(request)

    with pytest.raises(ModelError, match="not given"):
        ask(plan, tmp_path / "run", complete, jobs=1)
    assert 12 - ask(plan, tmp_path / "run", obey).asked == [trial.case for trial in plan.trials].index("a-3")


def test_answers_of_every_kind_are_kept(tmp_path: Path) -> None:
    texts = ["", "no json at all", "{" * 5000, "\x00\u2028\U0001f600", '{"intent": "send", "to": "a", "urgent": 1e999}']
    plan = planned(tmp_path, cases=CASES[:5], formats=["lines"])
    order = [f"a-{i}" for i in range(1, 6)]

    async def complete(request: Request) -> Completion:
        return Completion(text=texts[next(i for i, name in enumerate(order) if name in str(request.messages))])

    assert ask(plan, tmp_path / "run", complete).errors == 0
    kept = store.results(tmp_path / "run")
    assert [r.completion.text for r in sorted(kept.values(), key=lambda r: r.case) if r.completion] == texts
    assert {r.scores["strict"].value for r in kept.values()} == {0}


# ---------------------------------------------------------------------------------------------- recordings


def recording(folder: Path) -> runner.Recorded:
    kept = store.results(folder)

    def recorded(trial: Trial, request: Request, step: int) -> Result | None:
        found = kept.get(trial.id)
        return found if found and found.key == request.key else None

    return recorded


def test_recorded_answers_are_scored_anew_and_keep_their_times(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    ask(plan, tmp_path / "run", obey)
    model = Model()
    outcome = ask(plan, tmp_path / "again", model, recorded=recording(tmp_path / "run"))
    assert (outcome, model.asked) == (Outcome(), [])
    assert store.results(tmp_path / "again") == store.results(tmp_path / "run")


@pytest.mark.parametrize("missing", ["error", "ask", "skip"])
def test_what_a_recording_lacks(tmp_path: Path, missing: Any) -> None:
    small, plan = planned(tmp_path, cases=CASES[:4]), planned(tmp_path)
    ask(small, tmp_path / "run", obey)
    model = Model()
    outcome = ask(plan, tmp_path / "again", model, recorded=recording(tmp_path / "run"), missing=missing)
    kept = store.results(tmp_path / "again")
    lacking = [r for r in kept.values() if r.case in ("a-5", "a-6")]
    if missing == "error":
        assert (outcome.errors, outcome.unasked, len(model.asked)) == (4, 0, 0)
        assert {(r.error.kind, r.at) for r in lacking if r.error} == {("not recorded", "")}
    elif missing == "ask":
        assert (outcome.errors, outcome.unasked, len(model.asked)) == (0, 0, 4)
        assert not any(r.error for r in lacking)
    else:
        assert (outcome.errors, outcome.unasked, len(model.asked), lacking) == (0, 4, 0, [])


@pytest.mark.parametrize(("missing", "kinds"), [("error", {"transient"}), ("skip", {"transient"}), ("ask", {None})])
def test_recorded_error_is_replayed_or_asked_again(tmp_path: Path, missing: Any, kinds: set[str | None]) -> None:
    plan = planned(tmp_path)
    ask(plan, tmp_path / "run", failing("transient", {"a-2": ""}))
    ask(plan, tmp_path / "again", obey, recorded=recording(tmp_path / "run"), missing=missing)
    before, after = store.results(tmp_path / "run"), store.results(tmp_path / "again")
    assert {r.error.kind if r.error else None for r in after.values() if r.case == "a-2"} == kinds
    assert (after == before) == (missing != "ask")


def test_rescoring_uses_the_labels_of_now(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    ask(plan, tmp_path / "run", obey)
    right = planned(tmp_path, cases=[{**c, "expect": [{"intent": "finish"}]} for c in CASES])
    before = store.results(tmp_path / "run")
    after = [single_step.score(right, trial, before[trial.id]) for trial in right.trials]
    assert {r.case: r.scores["intent"].value for r in after} == {"a-1": 0, "a-2": 0, "a-3": 1, "a-4": 0, "a-5": 0, "a-6": 0}
    failed = next(iter(before.values())).model_copy(update={"completion": None, "scores": {}, "parsed": None})
    assert single_step.score(right, right.trials[0], failed) == failed
