"""Where a model is served: no part of what it is asked, kept with each answer, and never a way to another host's answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import phrasing
from phrasing import api
from phrasing.analysis.run import Run
from phrasing.cli.text import plain, trial_text
from phrasing.errors import StoreError
from phrasing.plan.resolve import resolve
from phrasing.report.recording import update_recording
from phrasing.runs import run_folders, store
from phrasing.suite.file import load_suite
from phrasing.types import Completion, Request
from support.tiers import few
from support.tiny_runs import CASES, FORMATS, Model, cache, reply_in, says, world

__all__ = ["cache"]

ONE, TWO, THREE = "http://one.example/v1", "http://two.example/v1", "http://three.example/v1"


def mine(base: str | None, label: str = "mine", id: str = "openai/mine", **more: Any) -> dict[str, Any]:
    return {"label": label, "id": id, "api_base": base, **more}


async def by_host(request: Request) -> Completion:
    """Say in the answer who gives it."""
    return says(reply_in(request)).model_copy(update={"finish_reason": str(request.api_base)})


def hosts(run: Run) -> dict[str, set[tuple[str | None, str | None]]]:
    """Who gave the answers of each model, by what the answers say and by what is kept of them."""
    found: dict[str, set[tuple[str | None, str | None]]] = {}
    for result in store.results(run.folder).values():
        said = result.completion.finish_reason if result.completion else result.error and result.error.kind
        found.setdefault(result.model, set()).add((said, result.api_base))
    return found


def models(suite: Path, *listed: dict[str, Any], **keys: Any) -> Path:
    """Change the models of a suite."""
    suite.write_text(yaml.safe_dump({**yaml.safe_load(suite.read_text()), "models": list(listed), **keys}, sort_keys=False))
    return suite


def as_earlier(run: Run, suite: Path) -> Run:
    """Make a run what an earlier version would have left: addresses are in the keys, and in the suite."""
    plan = resolve(load_suite(suite))
    requests = {trial.id: plan.request(trial, plan.prompt(trial)) for trial in plan.trials}
    assert all(result.key == requests[name].key for name, result in run.results.items())
    bases = {label: spec.api_base for label, spec in plan.models.items()}
    store.rewrite(
        run.folder,
        (
            result.model_copy(update={"key": requests[name].key_at(bases[result.model]), "api_base": None})
            for name, result in run.results.items()
        ),
    )
    store.write_run(run.folder, run.record.model_copy(update={"served": {}}))
    (run.folder / run_folders.KEYS).unlink()
    return Run(run.folder)


EARLIER = pytest.mark.parametrize("earlier", [False, True], ids=["now", "earlier version"])


def first(root: Path, *listed: dict[str, Any], earlier: bool = False, **keys: Any) -> tuple[Path, Run]:
    suite = world(root, models=list(listed), **keys)
    run = phrasing.run(suite, complete=by_host)
    return suite, as_earlier(run, suite) if earlier else run


# ---------------------------------------------------------------------------------------------- one host


def test_a_request_is_what_the_model_is_asked() -> None:
    there, here = (Request("openai/mine", ({"role": "user", "content": "x"},), api_base=base) for base in (ONE, None))
    assert there.key == here.key == there.key_at(None)
    assert len({here.key, here.key_at(ONE), here.key_at(TWO)}) == 3


@EARLIER
def test_a_server_that_moves_keeps_its_answers_and_it_is_said(tmp_path: Path, earlier: bool) -> None:
    suite, run = first(tmp_path, mine(ONE), earlier=earlier)
    for base in (TWO, THREE, None, TWO):
        model, said = Model(), list[str]()
        models(suite, mine(base))
        again = phrasing.run(suite, resume=run.folder, complete=model, say=said.append)
        assert model.asked == []
        now = base or "its provider's own address"
        assert said == [f"mine (openai/mine): answers given at {ONE} count; it is asked at {now} now"]
        assert hosts(again) == {"mine": {(ONE, ONE)}}
        assert again.suite.models[0].api_base == base
    assert Run(run.folder).record.served == {"mine": (ONE, THREE, None, TWO)}


@EARLIER
def test_what_is_asked_after_a_move_is_kept_with_its_address(tmp_path: Path, earlier: bool) -> None:
    suite, run = first(tmp_path, mine(ONE), earlier=earlier, cases=CASES[:3])
    world(tmp_path, models=[mine(TWO)])
    again = phrasing.run(suite, resume=run.folder, complete=by_host)
    assert hosts(again) == {"mine": {(ONE, ONE), (TWO, TWO)}}
    # asking again asks what isn't from there, and only that; and goes on where it was cut off
    cut = Model(last=2)
    phrasing.run(suite, resume=run.folder, complete=cut, ask_again=True, jobs=1)
    assert len(cut.asked) == 2
    model, said = Model(), list[str]()
    done = phrasing.run(suite, resume=run.folder, complete=model, say=said.append)
    assert len(model.asked) == 4
    assert said == []
    assert {result.api_base for result in done.results.values()} == {TWO}
    assert done.unanswered == 0
    assert phrasing.run(suite, resume=run.folder, complete=Model(last=0), ask_again=True).unanswered == 0


SOURCES = [(earlier, source) for earlier in (False, True) for source in ("folder", "file", "recording")]


@pytest.mark.parametrize(("earlier", "source"), few(SOURCES, SOURCES[:2] + SOURCES[4:5]))
def test_answers_of_a_server_elsewhere_are_replayed(tmp_path: Path, earlier: bool, source: str) -> None:
    suite, run = first(tmp_path, mine(ONE), earlier=earlier)
    path = {"folder": run.folder, "file": run.folder / run_folders.RESULTS}.get(source) or update_recording(run)
    models(suite, mine(TWO))
    said = list[str]()
    replayed = phrasing.run(suite, replay=path, say=said.append)
    if earlier and source == "file":  # nothing says what the keys hold
        assert hosts(replayed) == {"mine": {("not recorded", None)}}
        models(suite, mine(ONE))
        assert hosts(phrasing.run(suite, replay=path)) == {"mine": {(ONE, ONE)}}
        return
    assert hosts(replayed) == {"mine": {(ONE, ONE)}}
    assert said == [f"mine (openai/mine): answers given at {ONE} count; it is asked at {TWO} now"]
    assert {r.key for r in replayed.results.values()} == {r.key for r in run.results.values()}
    assert hosts(phrasing.run(suite, replay=path, ask_again=True)) == {"mine": {("not recorded", None)}}
    # a replay of a replay, under another label and format
    (tmp_path / "formats" / "other.j2").write_text(FORMATS["tags.j2"])
    models(suite, mine(THREE, "renamed"), formats=["lines", "other"])
    assert hosts(phrasing.run(suite, replay=replayed.folder)) == {"renamed": {(ONE, ONE)}}


def test_a_trial_in_full_says_where_its_answer_is_from(tmp_path: Path) -> None:
    _, run = first(tmp_path, mine(ONE), cases=CASES[:1])
    kept = store.prompts(run.folder)
    for result in run.results.values():
        assert f"── answer from {ONE} ──" in plain(trial_text(result, store.prompt(kept, result.prompt)))
        elsewhere = result.model_copy(update={"api_base": None})
        assert "── answer ──" in plain(trial_text(elsewhere, store.prompt(kept, result.prompt)))


def test_a_recording_without_addresses_is_what_it_was(tmp_path: Path) -> None:
    folder = update_recording(phrasing.run(world(tmp_path), complete=by_host))
    assert "served" not in json.loads((folder / run_folders.RUN).read_text())
    assert {result.api_base for result in store.results(folder).values()} == {None}


def test_an_earlier_run_brought_up_to_date_in_part_loses_no_address(tmp_path: Path) -> None:
    suite, run = first(tmp_path, mine(ONE), earlier=True)
    models(suite, mine(TWO))
    phrasing.run(suite, resume=run.folder, formats=["lines"], complete=Model(last=0))
    whole = phrasing.run(suite, resume=run.folder, complete=Model(last=0))
    assert hosts(whole) == {"mine": {(ONE, ONE)}}
    assert whole.unanswered == 0


# ---------------------------------------------------------------------------------------------- several hosts

BOTH = [mine(ONE, "a"), mine(TWO, "b")]
KEPT = {"a": {(ONE, ONE)}, "b": {(TWO, TWO)}}
NONE: set[tuple[str | None, str | None]] = {("not recorded", None)}

# What is asked now, and whose answers each model gets in a replay.
SEVERAL: dict[str, tuple[list[dict[str, Any]], dict[str, set[tuple[str | None, str | None]]]]] = {
    "as they were": (BOTH, KEPT),
    "in another order": (BOTH[::-1], KEPT),
    "one moved": ([mine(THREE, "a"), BOTH[1]], KEPT),
    "both renamed": ([mine(ONE, "c"), mine(TWO, "d")], {"c": KEPT["a"], "d": KEPT["b"]}),
    "one renamed": ([mine(ONE, "c"), BOTH[1]], {"c": KEPT["a"], "b": KEPT["b"]}),
    "labels or addresses exchanged": ([mine(TWO, "a"), mine(ONE, "b")], {"a": NONE, "b": NONE}),
    "renamed and moved": ([mine(THREE, "c"), mine(None, "d")], {"c": NONE, "d": NONE}),
    "one moved to where another was": ([mine(TWO, "a"), mine(THREE, "b")], {"a": NONE, "b": NONE}),
    "one called like another": ([mine(ONE, "b"), mine(TWO, "c")], {"b": NONE, "c": NONE}),
    "one alone": ([mine(TWO, "b")], {"b": KEPT["b"]}),
    "one alone, moved": ([mine(THREE, "b")], {"b": KEPT["b"]}),
    "one alone, renamed and moved": ([mine(THREE, "c")], {"c": NONE}),
    "another one": ([*BOTH, mine(THREE, "c")], {**KEPT, "c": NONE}),
}


SWAPS = [(name, renamed, earlier) for name in SEVERAL for renamed in (False, True) for earlier in (False, True)]
QUICK = SWAPS[::5]


@pytest.mark.parametrize(("name", "renamed", "earlier"), few(SWAPS, QUICK))
def test_hosts_of_one_model_never_swap_answers(tmp_path: Path, name: str, renamed: bool, earlier: bool) -> None:
    listed, wanted = SEVERAL[name]
    suite, run = first(tmp_path, *BOTH, earlier=earlier, cases=CASES[:3])
    assert hosts(run) == (KEPT if not earlier else {"a": {(ONE, None)}, "b": {(TWO, None)}})
    if renamed:
        for old, new in (("lines", "rows"), ("tags", "marks")):
            (tmp_path / "formats" / f"{new}.j2").write_text(FORMATS[f"{old}.j2"])
        models(suite, *listed, formats=["rows", "marks"])
    else:
        models(suite, *listed)
    found = hosts(phrasing.run(suite, replay=run.folder))
    if renamed:  # no trial is called what it was, so every label counts as one that may have been given anew
        assert all(answers in (wanted[label], NONE) for label, answers in found.items())
    else:
        assert found == wanted
        resumed = phrasing.run(suite, resume=run.folder, complete=Model(last=0))
        for label, answers in hosts(resumed).items():
            if label in KEPT and label in resumed.record.models:
                assert answers == (KEPT[label] if wanted[label] != NONE else {("outdated", None)})


def test_hosts_of_one_model_are_asked_by_themselves(tmp_path: Path) -> None:
    model = Model(turns=50)
    peaks: dict[str | None, int] = {}
    held: dict[str | None, int] = {}

    async def complete(request: Request) -> Completion:
        held[request.api_base] = held.get(request.api_base, 0) + 1
        peaks[request.api_base] = max(peaks.get(request.api_base, 0), held[request.api_base])
        await model(request)
        held[request.api_base] -= 1
        return await by_host(request)

    run = phrasing.run(world(tmp_path, models=[{**BOTH[0], "jobs": 1}, {**BOTH[1], "jobs": 3}]), complete=complete)
    assert peaks == {ONE: 1, TWO: 3}
    assert hosts(run) == KEPT


# ---------------------------------------------------------------------------------------------- shards


@EARLIER
def test_shards_may_have_asked_at_different_addresses(tmp_path: Path, earlier: bool) -> None:
    cases = [{**case, "id": f"{case['id']}-{i}"} for i in range(3) for case in CASES]
    suite = world(tmp_path, models=[mine(ONE)], cases=cases)
    pieces = []
    for number, base in ((1, ONE), (2, TWO)):
        models(suite, mine(base))
        run = phrasing.run(suite, shard=f"{number}/2", complete=by_host, runs=tmp_path / "runs" / str(number))
        pieces.append(as_earlier(run, suite) if earlier else run)
    merged = api.merge(pieces, runs=tmp_path / "runs")
    assert hosts(merged) == {"mine": {(ONE, ONE), (TWO, TWO)}}
    assert merged.record.served == {"mine": (TWO, ONE)}
    done = phrasing.run(suite, resume=merged.folder, complete=Model(last=0))
    assert done.unanswered == 0
    models(suite, mine(ONE), seed=1)
    other = phrasing.run(suite, shard="2/2", complete=by_host)
    with pytest.raises(StoreError, match=r"resolved\.seed differs"):
        api.merge([pieces[0], other], runs=tmp_path / "runs")
