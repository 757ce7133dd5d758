"""The whole way in one call: a suite becomes a run, a run becomes tables and reports, and recorded answers give them again."""

from __future__ import annotations

import asyncio
import gzip
import json
import pydoc
import random
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

import phrasing
from phrasing import api
from phrasing.analysis.run import Run
from phrasing.costs import estimate
from phrasing.costs.changes import token_changes
from phrasing.errors import CompletionError, ModelError, StoreError, SuiteError, UserError
from phrasing.plan.selection import Selection
from phrasing.project import revision
from phrasing.report import recording
from phrasing.report.recording import update_recording
from phrasing.report.text import sentences
from phrasing.runs import run_folders, store
from phrasing.suite.schema import Comparing, Requirement
from phrasing.types import Completion, Request, StepMatch, ToolCall, Usage
from support.paths import TESTS
from support.tiers import examples, few
from support.tiny_runs import CASES, FORMATS, Model, cache, case, commit, obey, reply_in, says, world

__all__ = ["cache"]


def reports(run: Run) -> tuple[str, str]:
    """The Markdown report and the CSV of a run, read from its folder anew."""
    fresh = Run(run.folder)
    made = recording.texts(fresh)
    return made["report.md"], made["trials.csv"]


async def flaky(request: Request) -> Completion:
    """Obey, but fail for one case."""
    if "a-2" in str(request.messages):
        raise CompletionError("transient", "HTTP 503")
    return await obey(request)


# ---------------------------------------------------------------------------------------------- running


def test_run_gives_tables_and_a_folder_that_gives_them_again(tmp_path: Path) -> None:
    seen: list[Any] = []
    run = phrasing.run(
        world(tmp_path, repeats=2), complete=obey, started=lambda folder, plan: seen.append(folder), report=seen.append
    )
    assert run.outcome is not None
    assert run.outcome.asked == 24
    assert seen[0] == run.folder == run.folder.parents[1] / "small" / run.folder.name
    assert len(seen) == 25
    assert run.folder.parents[1] == tmp_path / "runs"
    assert len(run.trials()) == 24
    summary = run.summary()
    assert list(summary.index) == list(run.record.variants)
    assert list(summary["intent"]) == pytest.approx([4 / 6, 4 / 6])
    assert list(summary["prompt_ratio"]) == pytest.approx([1.0, 100 / 80])
    assert list(summary["forbidden_k"]) == [1, 1]
    assert list(summary["forbidden_n"]) == [3, 3]
    assert Run(run.folder).summary().equals(summary)
    assert run.suite == api.load_suite(tmp_path / "evals" / "small.yaml").suite


def test_run_record_says_what_the_run_was_made_of(tmp_path: Path) -> None:
    suite = world(tmp_path, formats=["lines", "tags", "calls"], outputs=["prompted", "tool"], cases=CASES[:3])
    history = {"type": "look_up", "data": {"query": "x"}}
    threads = [
        {**c, "thread": {"events": [*c["thread"]["events"], history, {"type": "look_up_result", "data": "y"}]}} for c in CASES
    ]
    world(tmp_path, formats=["lines", "tags", "calls"], outputs=["prompted", "tool"], cases=threads[:3])
    record = phrasing.run(suite, complete=obey).record
    assert (record.suite, record.partial, record.trials) == ("small", None, 3 * 5)
    assert list(record.cases["mail"]) == ["a-1", "a-2", "a-3"]
    note = record.cases["mail"]["a-1"]
    assert (note.tags, note.expect, note.last, note.events) == (("short",), ("send",), "look_up_result", 3)
    assert note.labels == tuple(StepMatch.model_validate(label) for label in CASES[0]["expect"])
    assert record.finished is not None
    assert record.started <= record.finished
    assert len(record.variants) == 5
    assert [skipped.partition(": its")[0] for skipped in record.skipped] == ["mail: calls with output prompted"]
    assert record.steps == {"mail DetermineNextStepMail": ("look_up", "send", "ask", "finish")}
    assert record.formats["tags"]["spoofable"] == "text that holds a closing tag ends its event early"
    assert set(record.baml) == {"baml_src/mail.baml"}
    assert {"phrasing", "baml-py", "jinja2", "tiktoken"} <= set(record.versions)
    assert record.models == {"scripted": {"id": "openai/scripted", "digest": None}}
    everything = "".join(path.read_text() for path in (tmp_path / "runs").rglob("*.json*"))
    assert str(tmp_path) not in everything


def test_run_works_inside_a_running_event_loop(tmp_path: Path) -> None:
    suite = world(tmp_path)

    async def notebook() -> Run:
        return phrasing.run(suite, complete=obey)

    assert len(asyncio.run(notebook()).results) == 12


def test_failure_inside_a_running_event_loop_comes_out(tmp_path: Path) -> None:
    suite = world(tmp_path)

    async def broken(request: Request) -> Completion:
        raise ModelError("not given")

    async def notebook() -> Run:
        return phrasing.run(suite, complete=broken)

    with pytest.raises(ModelError, match="not given"):
        asyncio.run(notebook())


def test_loaded_suites_and_plans_run_too(tmp_path: Path) -> None:
    file = phrasing.load_suite(world(tmp_path))
    assert len(phrasing.run(file, formats=["tags"], cases=2, complete=obey).results) == 2
    plan = phrasing.resolve(file, Selection(select="a-1 or a-2"))
    with pytest.raises(SuiteError, match=r"^plan: is resolved already; narrow it where it is resolved, by -f tags -n 2$"):
        phrasing.run(plan, formats=["tags"], cases=2, complete=obey)
    run = phrasing.run(plan, runs=tmp_path / "elsewhere", complete=obey)
    assert run.folder.is_relative_to(tmp_path / "elsewhere")
    assert len(run.results) == 4


def test_run_of_a_part_evaluates_no_requirement(tmp_path: Path) -> None:
    suite = world(tmp_path, require=[{"score": "intent", "min": 0.9}])
    assert [v.passed for v in phrasing.run(suite, complete=obey).report().gates] == [False, False]
    for narrowed in ({"cases": 3}, {"select": "a-1"}):
        found = phrasing.run(suite, complete=obey, **narrowed).report()  # type: ignore[arg-type]
        assert found.record.partial
        assert found.gates == ()
    assert phrasing.run(suite, complete=obey, cases=6).record.partial is None


def test_run_without_an_answer_reports_all_the_same(tmp_path: Path) -> None:
    async def dead(request: Request) -> Completion:
        raise CompletionError("transient", "no")

    text, table = reports(phrasing.run(world(tmp_path), complete=dead))
    assert "12 trials have no answer because of errors and are in no figure." in text
    assert "lines (the baseline) has no answer. tags: inconclusive: no case that both answered." in text
    assert table.count(",transient,") == 12


def test_run_killed_before_its_first_result_says_so(tmp_path: Path) -> None:
    run = phrasing.run(world(tmp_path), complete=Model(last=0))
    with pytest.raises(StoreError, match="holds no result yet"):
        run.trials()


# ---------------------------------------------------------------------------------------------- killed, and resumed

SLOW = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import phrasing
from support.tiny_runs import obey

answered = 0
async def slow(request):
    global answered
    if answered == 7:
        print("hanging", flush=True)
        await asyncio.sleep(600)
    answered += 1
    return await obey(request)

phrasing.run(sys.argv[2], complete=slow, jobs=1)
"""


@pytest.mark.slow
def test_killed_run_keeps_every_answer_and_resumes_with_the_rest(tmp_path: Path) -> None:
    suite = world(tmp_path)
    command = [sys.executable, "-c", SLOW, str(TESTS), str(suite)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"hanging\n"
        process.send_signal(signal.SIGKILL)
    folder = run_folders.find(tmp_path / "runs", "latest")
    assert len(store.results(folder)) == 7
    assert Run(folder).record.finished is None
    model = Model()
    run = phrasing.run(suite, resume=folder, complete=model)
    assert run.folder == folder
    assert run.outcome is not None
    assert (len(model.asked), len(run.results)) == (5, 12)
    assert run.record.finished is not None


def test_resume_refuses_a_run_of_another_suite(tmp_path: Path) -> None:
    run = phrasing.run(world(tmp_path, name="other"), complete=obey)
    before = {path.name: path.read_bytes() for path in run.folder.iterdir()}
    with pytest.raises(StoreError, match="is a run of 'other', not of 'small'"):
        phrasing.run(world(tmp_path), resume=run.folder, complete=obey)
    assert {path.name: path.read_bytes() for path in run.folder.iterdir()} == before


def test_resumed_run_leaves_out_variants_that_it_no_longer_has(tmp_path: Path) -> None:
    suite = world(tmp_path)
    run = phrasing.run(suite, complete=obey)
    world(tmp_path, formats=["tags"])
    narrowed = phrasing.run(suite, resume=run.folder, complete=obey)
    assert {r.format for r in narrowed.results.values()} == {"tags"}
    world(tmp_path)
    model = Model()
    assert len(phrasing.run(suite, resume=run.folder, complete=model).results) == 12
    assert model.asked == []


@pytest.mark.parametrize("cut", few([0, 1, 5, 12], [5]))
def test_order_of_asking_and_cuts_do_not_change_the_reports(tmp_path: Path, cut: int) -> None:
    suite = world(tmp_path)
    straight = phrasing.run(suite, complete=obey, jobs=1)
    broken = phrasing.run(suite, complete=Model(last=cut), jobs=1)
    again = phrasing.run(suite, resume=broken.folder, complete=obey, jobs=8)

    def without_times(run: Run) -> tuple[str, str]:
        text, table = reports(run)
        for result in run.results.values():
            text, table = text.replace(result.at, "AT"), table.replace(result.at, "AT")
        return text, table

    assert without_times(again) == without_times(straight)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with everything in it: errors, two functions, two datasets, repeats."""
    extra = [case("b-1"), case("b-2", reply="ask", forbid="ask"), case("a-2", reply="ask", expect="ask")]
    suite = world(
        tmp_path_factory.mktemp("finished"),
        datasets={"mail": CASES, "more": extra},
        agents=[
            {"dataset": "mail", "functions": ["DetermineNextStepMail", "DetermineNextStepMailTerse"]},
            {"dataset": "more", "functions": ["DetermineNextStepMail"]},
        ],
        repeats=2,
    )
    return phrasing.run(suite, complete=flaky)


@pytest.fixture(scope="module")
def its_reports(finished: Run) -> tuple[str, str]:
    return reports(finished)


@examples(2, 20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_shuffled_results_give_the_same_reports(finished: Run, its_reports: tuple[str, str], tmp_path: Path, seed: int) -> None:
    folder = tmp_path / str(seed)
    folder.mkdir(exist_ok=True)
    store.write_run(folder, finished.record)
    lines = (finished.folder / "results.jsonl").read_text().splitlines(keepends=True)
    random.Random(seed).shuffle(lines)
    (folder / "results.jsonl").write_text("".join(lines))
    assert reports(Run(folder)) == its_reports


# ---------------------------------------------------------------------------------------------- replaying


REPLAYS = [(source, missing) for source in ("folder", "file", "gz") for missing in ("error", "skip")]


@pytest.mark.parametrize(("source", "missing"), few(REPLAYS, [("folder", "error"), ("gz", "skip")]))
def test_replay_gives_the_same_bytes(
    finished: Run, its_reports: tuple[str, str], tmp_path: Path, source: str, missing: Any
) -> None:
    path = finished.folder
    if source != "folder":
        path = path / "results.jsonl"
    if source == "gz":
        path = tmp_path / "results.jsonl.gz"
        path.write_bytes(gzip.compress((finished.folder / "results.jsonl").read_bytes()))
    suite = finished.folder.parents[2] / "evals" / "small.yaml"
    replayed = phrasing.run(suite, runs=tmp_path / "runs", replay=path, missing=missing)
    assert replayed.outcome is not None
    assert (replayed.outcome.asked, len(replayed.results)) == (0, len(finished.results))
    assert reports(replayed) == its_reports
    assert (replayed.folder / "prompts.jsonl").read_bytes() == (finished.folder / "prompts.jsonl").read_bytes()


def test_replay_without_the_recording_of_a_changed_prompt(tmp_path: Path) -> None:
    suite = world(tmp_path)
    first = phrasing.run(suite, complete=obey)
    (tmp_path / "formats" / "tags.j2").write_text(FORMATS["tags.j2"].replace("<{{", "< {{"))
    one, two = (phrasing.run(suite, replay=first.folder) for _ in range(2))
    assert reports(one) == reports(two)
    assert {(r.format, r.error.kind if r.error else None) for r in one.results.values()} == {
        ("lines", None),
        ("tags", "not recorded"),
    }
    skipped = phrasing.run(suite, replay=first.folder, missing="skip")
    assert skipped.outcome is not None
    assert skipped.outcome.unasked == 6
    assert {r.format for r in skipped.results.values()} == {"lines"}
    model = Model()
    asked = phrasing.run(suite, replay=first.folder, missing="ask", complete=model)
    assert len(model.asked) == 6
    assert not any(r.error for r in asked.results.values())


def test_replay_of_nothing_recorded_has_no_time(tmp_path: Path) -> None:
    suite = world(tmp_path)
    first = phrasing.run(suite, formats=["tags"], complete=obey)
    replayed = phrasing.run(suite, formats=["lines"], replay=first.folder)
    assert "asked between" not in reports(replayed)[0]


def test_variants_that_send_the_same_have_answers_of_their_own(tmp_path: Path) -> None:
    suite = world(tmp_path, formats=["lines", "twin"], models=["openai/scripted"], cases=CASES[:3])
    (tmp_path / "formats" / "twin.j2").write_text(FORMATS["lines.j2"])
    order = iter(range(100))

    async def counting(request: Request) -> Completion:
        return says("send").model_copy(update={"latency": float(next(order))})

    first = phrasing.run(suite, complete=counting)
    assert len({r.key for r in first.results.values()}) == 3
    assert len({r.completion.latency for r in first.results.values() if r.completion}) == 6
    assert reports(phrasing.run(suite, replay=first.folder)) == reports(first)
    lines = (first.folder / "results.jsonl").read_text().splitlines(keepends=True)
    half = tmp_path / "half.jsonl"
    half.write_text("".join(line for line in lines if ",lines," in line))
    replayed = phrasing.run(suite, replay=half)
    assert {r.format for r in replayed.results.values() if r.error} == {"twin"}
    assert {r.format for r in replayed.results.values() if not r.error} == {"lines"}


def test_renamed_format_still_finds_its_answers_once(tmp_path: Path) -> None:
    suite = world(tmp_path)
    first = phrasing.run(suite, complete=obey)
    (tmp_path / "formats" / "tags.j2").rename(tmp_path / "formats" / "xml.j2")
    world(tmp_path, formats=["lines", "xml"])
    (tmp_path / "formats" / "tags.j2").unlink()
    replayed = phrasing.run(suite, replay=first.folder)
    assert replayed.outcome is not None
    assert (len(replayed.results), replayed.outcome.errors) == (12, 0)
    (tmp_path / "formats" / "xml2.j2").write_text(FORMATS["tags.j2"])
    world(tmp_path, formats=["lines", "xml", "xml2"])
    shared = phrasing.run(suite, replay=first.folder).outcome
    assert shared is not None
    assert (shared.asked, shared.errors) == (0, 6)


def test_repeats_are_matched_with_repeats(tmp_path: Path) -> None:
    suite = world(tmp_path)
    first = phrasing.run(suite, complete=obey, repeats=2)
    replayed = phrasing.run(suite, replay=first.folder, repeats=3).outcome
    assert replayed is not None
    assert (replayed.asked, replayed.errors) == (0, 12)


# ---------------------------------------------------------------------------------------------- mistakes

MISTAKES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "format": ({"formats": ["lines", "tag"]}, {}, "format 'tag' not found (did you mean 'tags'?)"),
    "dataset": ({"agents": [{"dataset": "mial", "functions": ["F"]}]}, {}, "dataset 'mial' not found"),
    "function": ({"agents": [{"dataset": "mail", "functions": ["F"]}]}, {}, "function 'F' not found"),
    "key": ({"formatss": ["x"]}, {}, "key 'formatss' not found"),
    "secret": ({"params": {"api_key": "x"}}, {}, "looks like a key"),
    "baseline": ({"baseline": {"format": "calls"}}, {}, "format 'calls' not found"),
    "require": ({"require": [{"score": "intent", "min": 0.5, "where": {"format": "x"}}]}, {}, "format 'x' not found"),
    "label": ({"cases": [case("a-1", expect="sned")]}, {}, "intent 'sned' not found"),
    "ids": ({"cases": [case("a-1"), case("a-1")]}, {}, "id 'a-1' is already used on line 1"),
    "tokenizer": ({"tokenizer": "x"}, {}, "'x' not found"),
    "expression": ({}, {"select": "and"}, "-k 'and': a word was expected"),
    "selection": ({}, {"select": "nothing-like-it"}, "selects no trial"),
    "replay": ({}, {"replay": Path("nowhere.jsonl")}, "no such run folder or file"),
    "resume": ({}, {"resume": Path("nowhere")}, "run.json: can't be read"),
}


@pytest.mark.parametrize(("keys", "options", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_found_before_anything_is_written_or_sent(
    tmp_path: Path, keys: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    model = Model()
    with pytest.raises(UserError) as caught:
        phrasing.run(world(tmp_path, **keys), **{"complete": model, **options})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert model.asked == []
    assert not (tmp_path / "runs").exists()


# ---------------------------------------------------------------------------------------------- looking back


def test_rescore_uses_labels_of_now_and_says_which(tmp_path: Path) -> None:
    suite = world(tmp_path)
    run = phrasing.run(suite, complete=flaky)
    before = run.record
    assert api.rescore(run)[1] == 0
    assert Run(run.folder).record == before
    world(tmp_path, cases=[{**c, "expect": [{"intent": "ask"}, {"intent": "finish"}], "forbid": []} for c in CASES])
    scored, changed = api.rescore(Run(run.folder))
    assert {r.case: r.scores["intent"].value for r in scored.results.values() if not r.error} == {
        "a-1": 0, "a-3": 1, "a-4": 0, "a-5": 0, "a-6": 1
    }  # fmt: skip
    assert changed == 10
    assert scored.record.datasets != before.datasets
    assert scored.summary()["no_model_random"].unique() == [0.5]
    assert scored.record.cases["mail"]["a-2"].expect == ("ask", "finish")
    kept = {name: getattr(before, name) for name in ("datasets", "cases", "words")}
    assert scored.record.model_copy(update=kept) == before


def test_rescore_of_a_run_that_left_the_baseline_out(tmp_path: Path) -> None:
    suite = world(tmp_path, require=[{"score": "intent", "min": 0.5, "where": {"format": "lines"}}])
    run = phrasing.run(suite, complete=obey, formats=["tags"])
    scored, changed = api.rescore(run)
    assert (changed, scored.record) == (0, run.record)


def test_an_answer_that_no_file_can_hold_ends_no_run(tmp_path: Path) -> None:
    async def half(request: Request) -> Completion:
        call = ToolCall(name="send\ud800", arguments='{"to": "\udc00"}')
        return Completion(text="half a pair: \ud83d", tool_calls=(call,), finish_reason="stop")

    run = phrasing.run(world(tmp_path, outputs=["prompted", "tool"]), complete=half)
    assert {result.completion.text for result in run.results.values() if result.completion} == {"half a pair: ?"}
    assert run.unanswered == 0


def test_text_may_stand_for_a_step_where_a_call_is_not_required(tmp_path: Path) -> None:
    async def speak(request: Request) -> Completion:
        if request.params["tool_choice"] == "auto" and reply_in(request) == "ask":
            return Completion(text="Who is Ann?", finish_reason="stop")
        return await obey(request)

    agents = [{"dataset": "mail", "functions": ["DetermineNextStepMail"], "text": "ask"}]
    suite = world(tmp_path, agents=agents, outputs=["tool", "tool_auto"], formats=["lines"], baseline={"output": "tool"})
    run = phrasing.run(suite, complete=speak)
    spoken = [result for result in run.results.values() if result.parsed and "text_step" in result.parsed.marks]
    assert sorted((result.case, result.output) for result in spoken) == [("a-2", "tool_auto"), ("a-6", "tool_auto")]
    assert {result.scores["strict"].value for result in spoken} == {1}
    assert {str(result.parsed.step.args) for result in spoken if result.parsed and result.parsed.step} == {
        "{'message': 'Who is Ann?'}"
    }
    summary = run.summary()
    assert list(summary["correct"]) == pytest.approx([4 / 6, 4 / 6])
    assert list(summary["text_steps"]) == pytest.approx([0, 2 / 6])
    replayed = phrasing.run(suite, replay=run.folder)
    assert replayed.unanswered == 0
    assert replayed.summary().equals(summary)


def test_rescore_keeps_trials_whose_case_is_gone(tmp_path: Path) -> None:
    run = phrasing.run(world(tmp_path), complete=obey)
    world(tmp_path, cases=CASES[1:])
    scored, changed = api.rescore(run)
    assert changed == 0
    assert len(scored.results) == 12


def test_rescore_outside_a_project(tmp_path: Path) -> None:
    run = phrasing.run(world(tmp_path / "project"), runs=tmp_path / "runs", complete=obey)
    with pytest.raises(SuiteError, match=r"evals/small.yaml not found in any folder above the run"):
        api.rescore(run)


def test_estimate_names_calls_tokens_and_price(tmp_path: Path) -> None:
    priced = {"id": "openai/mine", "api_base": "http://127.0.0.1:9", "price": {"prompt": 1.0, "completion": 2.0}}
    unpriced = {"id": "openai/other", "api_base": "http://127.0.0.1:9"}
    suite = world(tmp_path, models=[priced, unpriced], params={"max_tokens": 1000}, repeats=2)
    mine, other = estimate.estimate(api.resolve(api.load_suite(suite)))
    assert mine.startswith("mine: 24 calls, about ")
    tokens = int(mine.split("about ")[1].split()[0].replace(",", ""))
    assert mine.endswith(f"${(tokens + 2 * 24_000) / 1e6:.4f} (answers of at most 1000 tokens)")
    assert other.endswith("price unknown")


def test_only_the_public_names_are_given() -> None:
    assert all(getattr(phrasing, name) for name in phrasing.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = phrasing.Nothing


def test_help_is_a_page_one_can_read() -> None:
    page = pydoc.render_doc(phrasing, renderer=pydoc.plaintext)
    assert page.count("\n") < 500
    assert "A session in a notebook" in page
    assert {"Run", "UserError", "load", "run"} <= set(dir(phrasing)) <= set(phrasing.__all__)


def test_results_hold_what_a_notebook_asks_for(finished: Run) -> None:
    table = finished.trials()
    assert {"trial", "intent", "correct", "answer", "tokens_thread", "prompt_tokens", "latency", "chosen", "error"} <= set(table)
    assert json.loads(table["answer"].dropna().iloc[0])["intent"] in ("send", "ask", "finish", "look_up")
    assert list(table["trial"]) == sorted(table["trial"])


def test_what_words_picks_is_kept_with_a_run_and_older_runs_are_read_without(tmp_path: Path) -> None:
    run = phrasing.run(world(tmp_path), select="a-1 or a-2", complete=obey)
    assert run.record.words == {"mail DetermineNextStepMail": {f"a-{i}": "ask" for i in (1, 2, 3, 5, 6)} | {"a-4": "look_up"}}
    assert list(run.summary()["no_model_words"]) == [0.5, 0.5]  # learnt from all of the suite's cases, held against those asked
    world(tmp_path, cases=[*CASES[:2], case("a-3", expect="send"), case("a-4", expect="send")])
    rescored, _ = api.rescore(run)
    assert rescored.record.words == {"mail DetermineNextStepMail": dict.fromkeys(["a-1", "a-2", "a-3", "a-4"], "send")}
    stored = json.loads((run.folder / "run.json").read_text())
    del stored["words"]
    (run.folder / "run.json").write_text(json.dumps(stored))
    old = Run(run.folder)
    assert old.summary()["no_model_words"].isna().all()
    assert re.search(r"^- mail without a model: .*, bigram \d+ %$", reports(old)[0], re.MULTILINE)


# ---------------------------------------------------------------------------------------------- comparing


async def eager(request: Request) -> Completion:
    """Obey, but send what should be asked in the case a-2, where the context has tags."""
    return says("send") if "a-2" in str(request.messages) and "<mail>" in str(request.messages) else await obey(request)


def test_run_is_compared_by_its_baseline_and_settings(tmp_path: Path) -> None:
    run = phrasing.run(world(tmp_path, compare={"score": "intent", "margin": 0.3}), complete=eager)
    (found,) = run.comparison().contrasts
    assert (found.variant.split(",")[2], found.baseline.split(",")[2]) == ("tags", "lines")
    assert (found.n, found.left, found.mine, found.theirs) == (6, 0, pytest.approx(3 / 6), pytest.approx(4 / 6))
    assert [flip.case for flip in found.flips] == ["a-2"]
    assert found.ratios["prompt_tokens"].value == pytest.approx((5 * 100 + 100) / (6 * 80))
    assert run.comparison().settings == run.suite.compare == Comparing(score="intent", margin=0.3)
    assert run.comparison(settings=Comparing(score="strict")).contrasts[0].difference == 0
    assert run.report().comparison == run.comparison()


def test_errors_leave_the_pair(tmp_path: Path) -> None:
    (found,) = phrasing.run(world(tmp_path), complete=flaky).comparison().contrasts
    assert (found.n, found.left, found.apart) == (5, 1, 0)


def test_run_against_itself_is_unchanged(tmp_path: Path) -> None:
    run = phrasing.run(world(tmp_path), complete=eager)
    found = run.comparison(Run(run.folder), name="itself")
    assert (found.against, found.changed) == ("itself", ())
    assert [(c.variant, c.baseline, c.verdict, c.difference, c.low, c.high) for c in found.contrasts] == [
        (variant, variant, "unchanged", 0.0, 0.0, 0.0) for variant in run.record.variants
    ]


async def slower(request: Request) -> Completion:
    """Say the same as ``obey`` at another time, for another price."""
    return (await obey(request)).model_copy(update={"latency": 9.0, "cost": 0.1, "attempts": 2, "usage": Usage()})


def test_two_runs_with_the_same_answers_are_unchanged(tmp_path: Path) -> None:
    suite = world(tmp_path)
    one, other = phrasing.run(suite, complete=obey), phrasing.run(suite, complete=slower)
    found = one.comparison(other).contrasts
    assert [(c.verdict, c.n, c.left, c.apart) for c in found] == [("unchanged", 6, 0, 0)] * 2
    assert [(c.difference, c.low, c.high) for c in found] == [(0, 0, 0)] * 2
    # under another label it is the same model, asked the same
    world(tmp_path, models=[{"label": "renamed", "id": "openai/scripted"}])
    renamed = phrasing.run(suite, complete=slower)
    assert [c.verdict for c in renamed.comparison(one).contrasts] == ["unchanged", "unchanged"]
    gate = Requirement(score="correct", margin=0.02, against="recorded")
    assert [held.status for held in other.gates([gate], recorded=one)] == ["passed", "passed"]


def test_the_same_score_by_another_answer_is_tested(tmp_path: Path) -> None:
    suite = world(tmp_path)

    async def wordy(request: Request) -> Completion:
        said = await obey(request)
        return said.model_copy(update={"text": f"{said.text} "}) if "a-3" in str(request.messages) else said

    one, other = phrasing.run(suite, complete=obey), phrasing.run(suite, complete=wordy)
    found = one.comparison(other).contrasts
    assert [(c.difference, c.verdict) for c in found] == [(0, "inconclusive")] * 2


def test_what_only_one_of_two_runs_answered_is_said_beside_the_same_answers(tmp_path: Path) -> None:
    suite = world(tmp_path)
    whole, part = phrasing.run(suite, complete=obey), phrasing.run(suite, select="not a-1", complete=slower)
    some = phrasing.run(suite, complete=flaky)
    for other, left, apart in ((part, 0, 1), (some, 1, 0)):
        found = next(c for c in whole.comparison(other).contrasts if c.left == left)
        assert (found.verdict, found.n, found.apart) == ("unchanged", 5, apart)
        (told,) = sentences(replace(whole.comparison(other), contrasts=(found,)), {}, str)
        assert told.endswith(f"({'1 case without an answer left out' if left else '1 asked of one only'}).")


def test_run_against_another_pairs_its_variants_with_those_of_then(tmp_path: Path) -> None:
    suite = world(tmp_path)
    before = phrasing.run(suite, complete=obey)
    world(tmp_path, cases=[*CASES[1:], case("z-1")])
    (tmp_path / "formats" / "tags.j2").write_text(FORMATS["tags.j2"].replace("<{{", "< {{"))

    async def changed(request: Request) -> Completion:
        return says("send") if "a-2" in str(request.messages) and "< mail>" in str(request.messages) else await obey(request)

    found = phrasing.run(suite, complete=changed).comparison(before)
    assert found.against == str(before.folder)
    lines, tags = found.contrasts
    assert (lines.variant, lines.n, lines.apart, lines.flips) == (lines.baseline, 5, 2, ())
    assert (tags.variant, tags.n, tags.difference, [flip.case for flip in tags.flips]) == (
        tags.baseline,
        5,
        pytest.approx(-0.2),
        ["a-2"],
    )
    assert any("tags" in change for change in found.changed)


def test_run_of_another_model_is_compared_with_the_same_formats(tmp_path: Path) -> None:
    suite = world(tmp_path)
    one, two = (phrasing.run(suite, models=[name], complete=complete) for name, complete in (("x/one", eager), ("x/two", obey)))
    assert {contrast.variant: contrast.baseline for contrast in two.comparison(one).contrasts} == {
        variant: variant.replace(",two", ",one") for variant in two.record.variants
    }
    assert [contrast.difference for contrast in two.comparison(one).contrasts] == [0, pytest.approx(1 / 6)]
    other = phrasing.run(world(tmp_path, formats=["calls"]), complete=obey)
    with pytest.raises(StoreError, match="the runs have no variant in common"):
        other.comparison(two)


def test_a_score_that_a_run_doesnt_have_is_refused(tmp_path: Path) -> None:
    run = phrasing.run(world(tmp_path), complete=obey)
    for score, shown in {"corect": "corect", "harm": "forbidden", "tokens": "tokens"}.items():
        with pytest.raises(
            SuiteError, match=f"score '{shown}' not found.*; there are: arguments, conversation, correct, intent, valid$"
        ):
            run.comparison(settings=Comparing.model_construct(score=score, margin=0.1, confidence=0.9))
    with pytest.raises(
        SuiteError, match=r"score 'corect' not found \(did you mean 'correct'\?\); there are: answer_tokens, arguments, correct, "
    ):
        run.gates([Requirement(score="corect", min=0.5)])


def test_gates_of_a_run_are_those_of_its_suite_or_those_given(tmp_path: Path) -> None:
    run = phrasing.run(world(tmp_path, require=[{"score": "step", "min": 0.6}, {"score": "step", "margin": 0.9}]), complete=eager)
    assert [(verdict.requirement.min, verdict.variant.split(",")[2], verdict.status) for verdict in run.gates()] == [
        (0.6, "lines", "passed"),
        (0.6, "tags", "missed"),
        (None, "tags", "passed"),
    ]
    assert run.gates() == list(run.report().gates)
    assert run.gates([]) == []
    (only,) = run.gates([Requirement(score="prompt_tokens", max_ratio=1.2)])
    assert (only.status, only.value) == ("missed", pytest.approx(1.25))


def test_gates_against_a_recording(tmp_path: Path) -> None:
    gate = Requirement(score="step", margin=0.1, against="recorded")
    suite = world(tmp_path)
    now = phrasing.run(suite, complete=eager)
    assert {(verdict.status, verdict.note) for verdict in now.gates([gate])} == {("error", "nothing is recorded for this suite")}
    lines = phrasing.run(suite, formats=["lines"], complete=obey)
    notes = {verdict.variant.split(",")[2]: (verdict.status, verdict.note) for verdict in now.gates([gate], recorded=lines)}
    assert notes == {
        "lines": ("passed", "the same answers to the same requests"),
        "tags": ("error", "the recording has no such variant"),
    }
    then = phrasing.run(suite, complete=obey)
    verdicts = {verdict.variant.split(",")[2]: verdict for verdict in now.gates([gate], recorded=then)}
    assert (verdicts["lines"].status, verdicts["tags"].status) == ("passed", "inconclusive")
    assert verdicts["tags"].value == pytest.approx(-1 / 6)
    assert verdicts["tags"].worst == (("mail", "a-2"),)


def test_gates_find_the_recording_of_the_suite(tmp_path: Path) -> None:
    gate = Requirement(score="step", margin=0.1, against="recorded")
    suite = world(tmp_path)
    update_recording(phrasing.run(suite, complete=obey))
    statuses = {verdict.variant.split(",")[2]: verdict.status for verdict in phrasing.run(suite, complete=eager).gates([gate])}
    assert statuses == {"lines": "passed", "tags": "inconclusive"}


def test_an_variant_whose_baseline_wasnt_asked_is_held_by_no_difference(tmp_path: Path) -> None:
    run = phrasing.run(world(tmp_path, baseline={"format": "lines"}), formats=["tags"], complete=obey)
    (found,) = run.gates([Requirement(score="step", margin=0.1)])
    assert (found.status, found.note) == ("error", "its baseline wasn't asked")
    assert run.comparison().contrasts == ()


@pytest.mark.parametrize("cut", few([1, 7], [7]))
def test_a_run_in_pieces_is_compared_like_one(tmp_path: Path, cut: int) -> None:
    suite = world(tmp_path)
    straight = phrasing.run(suite, complete=obey, jobs=1)
    broken = phrasing.run(suite, complete=Model(last=cut), jobs=1)
    whole = phrasing.run(suite, resume=broken.folder, complete=obey, jobs=3)
    assert repr(whole.comparison()) == repr(straight.comparison())
    assert [verdict.verdict for verdict in whole.comparison(straight).contrasts] == ["unchanged", "unchanged"]


# ---------------------------------------------------------------------------------------------- recordings


def test_recorded_run_is_a_recording_that_replays_to_the_same_bytes(tmp_path: Path) -> None:
    suite = world(tmp_path, repeats=2)
    first = phrasing.run(suite, complete=obey)
    folder = update_recording(first)
    assert folder == tmp_path / "reports" / "reference" / "small"
    written = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}
    assert sorted(written)[-4:] == ["report.md", "results.jsonl.gz", "run.json", "trials.csv"]
    assert {"charts/accuracy-tokens.svg", "charts/differences.svg", "charts/segments.svg"} <= written.keys()
    recording = Run(folder)
    assert recording.results == first.results
    assert reports(recording) == reports(first) == (written["report.md"].decode(), written["trials.csv"].decode())
    asked = sorted(result.at for result in first.results.values())
    assert (recording.record.started, recording.record.finished) == (asked[0], asked[-1])
    replayed = phrasing.run(suite, replay=folder)
    assert reports(replayed) == reports(first)
    update_recording(replayed)
    assert {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")} == written


@pytest.mark.slow
def test_a_later_run_takes_the_place_of_the_recording(tmp_path: Path) -> None:
    suite = world(tmp_path)
    folder = update_recording(phrasing.run(suite, complete=obey))

    async def finishes(request: Request) -> Completion:
        return says("finish")

    later = phrasing.run(suite, complete=finishes)
    assert update_recording(later) == folder
    assert Run(folder).results == later.results


@pytest.mark.slow
def test_recording_elsewhere_and_of_a_merged_run(tmp_path: Path) -> None:
    suite = world(tmp_path, cases=[case(f"a-{i}") for i in range(9)])
    pieces = [phrasing.run(suite, shard=f"{i}/2", complete=obey) for i in (1, 2)]
    merged = api.merge(pieces, runs=tmp_path / "runs")
    assert update_recording(merged, tmp_path / "kept") == tmp_path / "kept"
    assert Run(tmp_path / "kept").results == merged.results
    with pytest.raises(StoreError, match=r"only a part of the suite was asked \(--shard 1/2\)"):
        update_recording(pieces[0])


NOT_RECORDED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "part": ({"cases": 3}, {}, r"only a part of the suite was asked \(-n 3\)"),
    "errors": ({"complete": flaky}, {}, "2 of 12 trials have no answer"),
    "other formats": ({"formats": ["tags"]}, {}, "evals/small.yaml isn't the suite that was asked"),
    "repeats": ({"repeats": 2}, {}, "evals/small.yaml isn't the suite that was asked"),
    "suite edited since": ({}, {"seed": 3}, "evals/small.yaml isn't the suite that was asked"),
}


@pytest.mark.parametrize(("options", "later", "message"), NOT_RECORDED.values(), ids=NOT_RECORDED)
def test_what_can_not_be_a_recording(tmp_path: Path, options: dict[str, Any], later: dict[str, Any], message: str) -> None:
    run = phrasing.run(world(tmp_path), **{"complete": obey, **options})
    world(tmp_path, **later)
    with pytest.raises(StoreError, match=rf"can't be the recording of 'small': .*{message}"):
        update_recording(Run(run.folder))
    assert not (tmp_path / "reports").exists()


def test_run_that_was_left_is_no_recording(tmp_path: Path) -> None:
    run = phrasing.run(world(tmp_path), complete=Model(last=7), jobs=1)
    with pytest.raises(StoreError, match="5 of 12 trials have no answer"):
        update_recording(Run(run.folder))


# ---------------------------------------------------------------------------------------------- revisions


def test_run_at_a_revision_is_kept_in_the_project_and_names_the_commit(tmp_path: Path) -> None:
    suite = world(tmp_path)
    v1 = commit(tmp_path, "v1")
    (tmp_path / "formats" / "tags.j2").write_text(FORMATS["tags.j2"].replace("<{{", "< {{"))
    now = phrasing.run(suite, complete=obey)
    with revision.files_at(tmp_path, "v1") as files:
        then = phrasing.run(files.suite(suite), complete=obey)
    assert then.folder.is_relative_to(tmp_path / "runs")
    assert then.record.commit == v1
    assert now.record.commit == f"{v1}+"
    assert then.record.formats["tags"] != now.record.formats["tags"]
    assert str(files.folder) not in "".join(path.read_text() for path in then.folder.iterdir())


def change(tmp_path: Path, was: str, now: str) -> None:
    path = tmp_path / "baml_src" / "mail.baml"
    path.write_text(path.read_text().replace(was, now))


@pytest.mark.parametrize("name", few(["folder", "latest", "recorded", "v1"], ["v1"]))
def test_tokens_against_a_run_or_a_revision(tmp_path: Path, name: str) -> None:
    suite = world(tmp_path, repeats=2)
    first = phrasing.run(suite, complete=obey)
    update_recording(first)
    commit(tmp_path, "v1")
    counts = estimate.count(api.resolve(api.load_suite(suite), Selection(cases=4)))
    before = {f"{','.join(kind)},scripted": sum(count.total for count in cases.values()) for kind, cases in counts.items()}
    change(tmp_path, "You send mail for a person.", "You send mail for a person, and for nobody else in the world.")
    resolved = api.resolve(api.load_suite(suite), Selection(cases=4))
    changes = token_changes(resolved, str(first.folder) if name == "folder" else name)
    assert [(row.variant, row.cases, row.why) for row in changes] == [(variant, 4, None) for variant in before]
    for row in changes:
        assert row.before == before[row.variant]
        assert row.after - row.before == 4 * 8
        assert row.ratio == row.after / row.before


def test_tokens_of_variants_that_only_one_side_has(tmp_path: Path) -> None:
    both = ["DetermineNextStepMail", "DetermineNextStepMailTerse"]
    suite = world(tmp_path, formats=["lines", "tags"])
    commit(tmp_path, "v1")
    world(tmp_path, formats=["lines", "calls"], agents=[{"dataset": "mail", "functions": both}], models=["openai/other"])
    changes = {row.variant: row for row in token_changes(api.resolve(api.load_suite(suite)), "v1")}
    assert {variant: row.why for variant, row in changes.items()} == {
        "DetermineNextStepMail,none,lines,prompted,other": None,
        "DetermineNextStepMail,none,calls,prompted,other": "only here: no format calls in v1",
        "DetermineNextStepMailTerse,none,lines,prompted,other": "only here: no function DetermineNextStepMailTerse in v1",
        "DetermineNextStepMailTerse,none,calls,prompted,other": "only here: no function DetermineNextStepMailTerse in v1",
        "DetermineNextStepMail,none,tags,prompted": "only in v1: no format tags here",
    }
    assert changes["DetermineNextStepMail,none,lines,prompted,other"].ratio == 1


def test_tokens_of_the_cases_that_both_have(tmp_path: Path) -> None:
    suite = world(tmp_path, cases=CASES[:4])
    commit(tmp_path, "v1")
    world(tmp_path, cases=[*CASES[2:], case("z", reply="send " * 50)])
    assert {row.cases for row in token_changes(api.resolve(api.load_suite(suite)), "v1")} == {2}
    world(tmp_path, cases=CASES[4:])
    with pytest.raises(SuiteError, match=r"^v1: no variant can be compared with it; .*: no case of it is in v1 too"):
        token_changes(api.resolve(api.load_suite(suite)), "v1")


def test_tokens_against_what_can_not_be_compared(tmp_path: Path) -> None:
    suite = world(tmp_path, tokenizer="cl100k_base")
    run = phrasing.run(suite, complete=obey)
    commit(tmp_path, "v1")
    world(tmp_path)
    resolved = api.resolve(api.load_suite(suite))
    for name in (str(run.folder), "v1"):
        with pytest.raises(SuiteError, match=rf"^{name}: counts by 'cl100k_base', this suite by 'o200k_base'"):
            token_changes(resolved, name)
    with pytest.raises(UserError, match=r"^run or git revision 'v2' not found; there are: main, v1$"):
        token_changes(resolved, "v2")
    with pytest.raises(StoreError, match="recording 'small' not found"):
        token_changes(resolved, "recorded")
