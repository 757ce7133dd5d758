"""Figures that come from columns are, to the last digit, those that whole results give."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from phrasing.analysis.run import Run
from phrasing.errors import StoreError
from phrasing.records import Result
from phrasing.runs import run_folders, store
from phrasing.scores import STORED
from phrasing.suite.schema import Suite
from phrasing.types import SCORER_FAILED, CaseNote
from support import figures_of_results as plain
from support.paths import REPOSITORY
from support.tiers import examples, few
from support.tiny_runs import SUITE, record, result

VARIANTS = [("F", "none", "lines", "prompted", "m"), ("F", "cut", "lines", "tool", "m"), ("G", "none", "tags", "prompted", "n")]
GONE = ("F", "none", "gone", "prompted", "m")
CASES = {
    "mail": {f"c-{i}": CaseNote(expect=("send",), group="talk" if i < 2 else None, last="mail", events=i) for i in range(4)},
    "desk": {"c-0": CaseNote(expect=("ask", "send"), last="note", events=2), "c-9": CaseNote(expect=("ask",), last="mail")},
}
CASES_LOGGED = {**CASES, "desk": {name: replace(note, strength="logged") for name, note in CASES["desk"].items()}}
SCORERS = ("polite", "short")

COUNT = st.integers(0, 2000)
MAYBE = st.none() | COUNT
AMOUNT = st.none() | st.floats(0, 3)
SCORE = st.fixed_dictionaries(
    {"value": st.sampled_from([None, 0.0, 1.0, 1 / 3, 0.1])},
    optional={"reason": st.sampled_from(["", "why", f"{SCORER_FAILED}no"])},
)
COMPLETION = st.fixed_dictionaries(
    {
        "text": st.text(st.characters(codec="utf-8"), max_size=6),
        "tool_calls": st.lists(
            st.fixed_dictionaries({"name": st.just("f"), "arguments": st.sampled_from(["", "{}"])}), max_size=2
        ),
        "finish_reason": st.sampled_from([None, "stop"]),
        "usage": st.fixed_dictionaries({"prompt": MAYBE, "completion": MAYBE, "cached": MAYBE, "reasoning": MAYBE}),
        "latency": AMOUNT,
        "cost": AMOUNT,
        "attempts": st.integers(1, 3),
        "emulated": st.sampled_from([None, "tools"]),
    }
)
STEP = st.none() | st.builds(lambda name, to: {"intent": name, "args": {"to": to}}, st.sampled_from(["send", "ask"]), COUNT)
PARSED = st.fixed_dictionaries(
    {
        "step": STEP,
        "form": st.sampled_from(["exact", "wrapped", "repaired", "unparsable"]),
        "stage": st.sampled_from([None, "parse", "truncated"]),
        "marks": st.lists(st.sampled_from(["text_call", "several_steps"]), max_size=2, unique=True),
    }
)
KIND = st.sampled_from(["transient", "outdated", "not recorded"])
ERROR = st.fixed_dictionaries({"kind": KIND, "message": st.text("ab")})
TOKENS = st.dictionaries(st.sampled_from(["instructions", "schema", "thread", "framing"]), COUNT)


@st.composite
def lines(draw: st.DrawFn) -> Result:
    """A line of results: of a trial that has others perhaps, or that the run has no more."""
    dataset = draw(st.sampled_from(["mail", "desk", "gone"]))
    return result(
        draw(st.sampled_from(["c-0", "c-1", "c-2", "c-9"])),
        variant=draw(st.sampled_from([*VARIANTS, GONE])),
        dataset=dataset,
        repeat=draw(st.integers(0, 2)),
        key=draw(st.sampled_from("kl")),
        tokens=draw(TOKENS) | {"spread": draw(st.sampled_from([0, 0, 0, 7]))},
        at=draw(st.sampled_from(["", "2030-01-02T03:04:05.000Z", "2030-01-02T03:04:06.500Z"])),
        error=draw(st.none() | ERROR),
        completion=draw(st.none() | COMPLETION),
        parsed=draw(st.none() | PARSED),
        scores=draw(st.dictionaries(st.sampled_from([*STORED, *SCORERS]), SCORE)),
    )


def written(folder: Path, results: list[Result], cases: Mapping[str, Mapping[str, CaseNote]]) -> Run:
    """Write a run of these lines."""
    variants = [",".join(variant) for variant in VARIANTS]
    made = record(
        resolved=Suite.model_validate({**SUITE, "scorers": [f"evals/scorers.py:{name}" for name in SCORERS]}).stored,
        variants=variants,
        baselines=dict.fromkeys(variants, variants[0]),
        cases=cases,
        steps={f"{dataset} {function}": ["send", "ask"] for dataset in cases for function in "FG"},
        trials=len(results),
    )
    store.write_run(folder, made)
    (folder / run_folders.RESULTS).write_text("".join(f"{store.line(one)}\n" for one in results), "utf-8")
    return Run(folder)


def check(run: Run) -> None:
    """Hold all that a run makes of its columns against what its results give."""
    whole = plain.results_of(run.folder, run.record)
    assert dict(run.results) == whole
    assert list(run.results) == list(whole)
    scorers = run.suite.scorer_names
    check_rows(run.trials(), plain.rows(whole, scorers))
    report = run.report()
    assert report.errors == plain.errors(whole)
    assert report.scorers == plain.failures(whole.values(), scorers)
    for part, said, drawn in zip(run.parts, report.parts, run.figures(), strict=True):
        mine = {trial: one for trial, one in whole.items() if one.case in part.record.cases.get(one.dataset, ())}
        by_variant = {v: [one for one in mine.values() if one.variant == v] for v in run.record.variants}
        by_variant = {variant: results for variant, results in by_variant.items() if results}
        for bill in said.bills:
            expected = plain.bill(by_variant[bill.variant], run.record.cases)
            assert_same({name: getattr(bill, name) for name in expected}, expected)
        assert [bill.variant for bill in said.bills] == list(by_variant)
        assert said.chosen == {
            v: plain.counts(found, lambda one: one.parsed.step.intent if one.parsed and one.parsed.step else None)
            for v, found in by_variant.items()
        }
        assert_same(drawn.segments, {variant: plain.segments(found) for variant, found in by_variant.items()})
        assert_same(drawn.lengths, {variant: plain.lengths(found, run.record.cases) for variant, found in by_variant.items()})
        spreads = {spread.variant: [*dataclasses.astuple(spread)[1:]] for spread in drawn.spreads}
        assert_same(spreads, {variant: plain.spread(found) for variant, found in by_variant.items()})
        harm = [(one.trial, one.chosen) for one in drawn.harm]
        assert harm == [pair for found in by_variant.values() for pair in sorted(plain.harmful(found))]


def check_rows(table: pd.DataFrame, rows: list[dict[str, Any]]) -> None:
    for name in rows[0]:
        column = table[name].astype(object)
        assert column.where(column.notna(), None).tolist() == [row[name] for row in rows], name


def assert_same(found: Any, expected: Any) -> None:
    np.testing.assert_equal(found, expected)  # NaN is NaN; numbers have no tolerance here


RECORDED = run_folders.recorded(REPOSITORY / run_folders.RECORDINGS)


@pytest.mark.parametrize("name", few(RECORDED, ["aa"]))
def test_figures_of_every_recording(name: str) -> None:
    check(Run(REPOSITORY / run_folders.RECORDINGS / name))


@examples(8, 60)
@given(st.lists(lines(), max_size=40), st.sampled_from([CASES, CASES_LOGGED]))
@example([result(variant=VARIANTS[0], tokens={})], CASES)  # no token to hold others against
def test_figures_of_any_run(results: list[Result], cases: Mapping[str, Mapping[str, CaseNote]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = written(Path(folder), results, cases)
        if plain.results_of(run.folder, run.record):
            check(run)
        else:
            assert not run.results
            with pytest.raises(StoreError, match="holds no result yet"):
                run.report()


@examples(8, 40)
@given(st.lists(lines(), min_size=1, max_size=20), st.lists(lines(), max_size=5))
def test_answers_are_the_same_where_all_of_each_is(first: list[Result], changed: list[Result]) -> None:
    """Whether two runs hold the same answers to the same requests is told from digests, as from the answers themselves."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [Path(folder, name) for name in "ab"]
        for place, results in zip(runs, (first, [*first, *changed]), strict=True):
            place.mkdir()
            written(place, results, CASES)
        mine, theirs = (plain.results_of(place, Run(place).record) for place in runs)
        one, other = map(Run, runs)
        for variant in one.record.variants:
            assert one._unchanged(variant, other, variant) == plain.unchanged(variant, mine, theirs)
