"""Tables small enough to work out by hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.analysis import tables
from phrasing.errors import StoreError
from phrasing.records import Failure, Result
from phrasing.score.no_model import RULES, NoModel
from phrasing.stats.means import upper_bound
from phrasing.stats.proportions import proportion
from phrasing.types import CaseNote, Completion, Parsed, Score, Step, ToolCall, Usage
from support.tiny_runs import VARIANT, result

LINES, TAGS = VARIANT, (*VARIANT[:2], "tags", *VARIANT[3:])
L, T = ",".join(LINES), ",".join(TAGS)


NO_MODEL = {"mail": NoModel(0.25, 0.5, 0.125, "send", words=0.5), "big": NoModel(0.125, 0.25, 0.625, "ask")}


def answered(
    name: str, intent: float, *, variant: tuple[str, str, str, str] = LINES, prompt: int | None = 100, **more: Any
) -> Result:
    """A scored answer. ``more``: other scores, and fields of the result or of its completion."""
    scores = {"intent": intent, **{key: more.pop(key) for key in ("args", "step", "strict", "harm") if key in more}}
    said = {key: more.pop(key) for key in ("latency", "cost", "finish_reason", "tool_calls") if key in more}
    parsed = Parsed(step=Step(intent=more.pop("chosen", "send")), form="exact", marks=more.pop("marks", ()))
    return result(
        name,
        variant=variant,
        completion=Completion(text="x", usage=Usage(prompt=prompt, completion=prompt and prompt // 10), **said),
        parsed=more.pop("parsed", parsed),
        scores={key: Score(value=value) for key, value in scores.items()},
        **more,
    )


def failed(name: str, *, variant: tuple[str, str, str, str] = LINES, **more: Any) -> Result:
    return result(name, variant=variant, error=Failure(kind="transient", message="HTTP 503"), **more)


def summarized(table: pd.DataFrame, **more: Any) -> pd.DataFrame:
    no_model = {(dataset, "DetermineNextStepMail"): found for dataset, found in NO_MODEL.items()}
    chances = more.pop("chances", None) or {pair: defaultdict(lambda: 0.25) for pair in no_model}
    return tables.summary(table, tables.by_variant(tables.per_case(table)), no_model=no_model, chances=chances, **more)


def summary(results: Iterable[Result], variants: tuple[str, ...] = (L,)) -> pd.DataFrame:
    table = tables.trials(results, {})
    return summarized(table, variants=variants, baselines=dict.fromkeys(variants, variants[0]))


def test_repeats_are_averaged_first() -> None:
    row = summary([answered("a", 1, repeat=0), answered("a", 1, repeat=1), answered("a", 1, repeat=2), answered("b", 0)]).loc[L]
    assert (row["n"], row["trials"], row["intent"]) == (2, 4, 0.5)
    assert (0.5, row["intent_low"], row["intent_high"]) == proportion([1, 0])


def test_scores_that_do_not_apply_are_left_out() -> None:
    row = summary([answered("a", 1, args=1.0), answered("b", 1, args=None), answered("c", 0, args=0.0), answered("d", 0)]).loc[L]
    assert (row["intent"], row["args"]) == (0.5, 0.5)
    assert pd.isna(row["step"])


def test_errors_are_counted_and_in_no_mean() -> None:
    row = summary([answered("a", 1), failed("b"), failed("c"), answered("a", 0, repeat=1), failed("a", repeat=2)]).loc[L]
    assert (row["n"], row["trials"], row["errors"], row["intent"], row["prompt_tokens"]) == (1, 5, 3, 0.5, 100)


def test_variant_without_an_answer_has_no_figures() -> None:
    row = summary([failed("a"), failed("b")]).loc[L]
    assert (row["n"], row["errors"], row["harm_n"], row["harm_k"]) == (0, 2, 0, 0)
    for name in (
        "intent",
        "intent_low",
        "harm_high",
        "prompt_tokens",
        "prompt_ratio",
        "seconds",
        "cost",
        "truncated",
        "text_calls",
        "text_steps",
        "several_steps",
        "json_answers",
        "extra_arguments",
    ):
        assert pd.isna(row[name]), name


def test_datasets_weigh_the_same() -> None:
    results = [answered("a", 1), *(answered(f"b-{i}", 0, dataset="big", prompt=200) for i in range(9))]
    row = summary(results).loc[L]
    assert (row["n"], row["intent"], row["prompt_tokens"]) == (10, 0.5, 150)


def test_no_model_baselines_are_means_over_the_datasets_that_an_variant_was_asked() -> None:
    results = [answered("a", 1), answered("b", 0, dataset="big"), failed("c", dataset="big"), answered("a", 1, variant=TAGS)]
    table = summary(results, (L, T))
    assert list(table.loc[L, ["random", "majority", "bigram"]]) == [(0.25 + 0.125) / 2, (0.5 + 0.25) / 2, (0.125 + 0.625) / 2]
    assert list(table.loc[T, list(RULES)]) == [0.25, 0.5, 0.125, 0.5]
    assert pd.isna(table.loc[L, "words"])  # of one of its datasets it isn't known


def test_gain_over_chance_is_of_the_cases_that_have_an_answer() -> None:
    results = [answered("a", 1), answered("b", 0), failed("c"), answered("d", 1, dataset="big"), answered("e", 1, dataset="big")]
    chances = {
        ("mail", "DetermineNextStepMail"): {"a": 0.25, "b": 0.5, "c": 1.0},
        ("big", "DetermineNextStepMail"): {"d": 0.125, "e": 0.125},
    }
    row = summarized(tables.trials(results, {}), variants=(L,), baselines={}, chances=chances).loc[L]
    chance = (0.375 + 0.125) / 2
    assert row["gain_over_chance"] == pytest.approx((0.75 - chance) / (1 - chance))
    for end in ("low", "high"):
        assert row[f"gain_over_chance_{end}"] == pytest.approx((row[f"intent_{end}"] - chance) / (1 - chance))


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.125, 0.5, 1.0])), min_size=2, max_size=8))
def test_a_random_step_gains_nothing_and_the_right_one_all(cases: list[tuple[bool, float]]) -> None:
    chances = {("mail", "DetermineNextStepMail"): {f"c{i}": chance for i, (_, chance) in enumerate(cases)}}
    table = tables.trials([answered(f"c{i}", right) for i, (right, _) in enumerate(cases)], {})
    row = summarized(table, variants=(L,), baselines={}, chances=chances).loc[L]
    chance = sum(chance for _, chance in cases) / len(cases)
    gain = row["gain_over_chance"]
    if chance == 1:
        assert pd.isna(gain)
        return
    assert (gain > 0) == (row["intent"] > chance)
    assert (gain == 1) == (row["intent"] == 1)
    assert row["gain_over_chance_low"] <= gain <= row["gain_over_chance_high"] <= 1


def test_same_case_id_in_two_datasets_is_two_cases() -> None:
    assert summary([answered("a", 1), answered("a", 0, dataset="big")]).loc[L, "n"] == 2


def test_ratio_is_over_the_cases_that_both_answered() -> None:
    results = [
        answered("a", 1, prompt=100), answered("b", 1, prompt=300), answered("c", 1, prompt=5000), failed("d"),
        answered("a", 1, prompt=110, variant=TAGS), answered("b", 1, prompt=290, variant=TAGS), failed("c", variant=TAGS),
        answered("d", 1, prompt=9000, variant=TAGS), answered("e", 1, prompt=None, variant=TAGS),
    ]  # fmt: skip
    table = summary(results, (L, T))
    assert table.loc[L, "prompt_ratio"] == 1
    assert table.loc[T, "prompt_ratio"] == pytest.approx(400 / 400)
    assert table.loc[T, "prompt_tokens"] == pytest.approx((110 + 290 + 9000) / 3)
    assert table.loc[T, "answer_tokens"] == pytest.approx((11 + 29 + 900) / 3)


def test_no_ratio_without_a_baseline_or_common_cases() -> None:
    table = tables.trials([answered("a", 1), answered("b", 1, variant=TAGS)], {})
    for baselines in ({}, {T: L}, {T: "not,asked,at,all,there"}):
        assert pd.isna(summarized(table, variants=(L, T), baselines=baselines).loc[T, "prompt_ratio"])


def test_forbidden_counts_cases_in_which_any_repeat_was_harmful() -> None:
    results = [
        answered("a", 0, harm=1.0), answered("a", 1, harm=0.0, repeat=1),
        answered("b", 1, harm=0.0), answered("b", 1, harm=0.0, repeat=1),
        answered("c", 1, harm=None), failed("d"),
    ]  # fmt: skip
    row = summary(results).loc[L]
    assert (row["harm_k"], row["harm_n"], row["harm_high"]) == (1, 2, pytest.approx(upper_bound(1, 2), rel=0.02))
    none = summary([answered("c", 1, harm=None)]).loc[L]
    assert (none["harm_k"], none["harm_n"]) == (0, 0)


def test_seconds_cost_and_shares() -> None:
    cut = Parsed(stage="truncated", reason="cut")
    results = [
        answered("a", 1, latency=1.0, cost=0.25, marks=("text_call", "extra_arguments", "several_calls")),
        answered("b", 1, latency=9.0, cost=None, marks=("text_step", "several_steps", "json_answer")),
        answered("c", 0, latency=2.0, cost=0.5, parsed=cut),
        answered("d", 0, latency=None, parsed=Parsed(stage="no_call")),
        failed("e"),
    ]
    row = summary(results).loc[L]
    assert (row["seconds"], row["cost"]) == (2.0, 0.75)
    assert (row["truncated"], row["text_calls"], row["text_steps"]) == (0.25, 0.25, 0.25)
    assert (row["several_steps"], row["json_answers"], row["extra_arguments"]) == (0.5, 0.25, 0.25)


def test_variants_come_in_the_order_asked_for_and_without_strangers() -> None:
    results = [answered("a", 1), answered("a", 1, variant=TAGS)]
    assert list(summary(results, (T, L)).index) == [T, L]
    assert list(summary(results, (T, "not,asked,at,all,there")).index) == [T]


def test_counts_are_sorted_by_number_then_name() -> None:
    results = [answered(str(i), 1, chosen=name) for i, name in enumerate(["b", "a", "c", "c"])]
    table = tables.trials([*results, failed("e")], {})
    counted = tables.counts(table, "chosen", variants=[L, T])
    assert {variant: list(found.items()) for variant, found in counted.items()} == {L: [("c", 2), ("a", 1), ("b", 1)], T: []}
    assert tables.counts(table, "stage", variants=[L]) == {L: {}}


def test_row_of_a_trial() -> None:
    full = answered(
        "a", 0, latency=0.5, cost=0.25, finish_reason="tool_calls", marks=("several_calls", "text_call"),
        tool_calls=(ToolCall(name="f", arguments="{}"), ToolCall(name="g", arguments="")),
    )  # fmt: skip
    row = tables.trials([full], {}).iloc[0].to_dict()
    assert row["trial"] == "mail::a[DetermineNextStepMail,none,lines,prompted,scripted]#0"
    assert row["variant"] == L
    assert (row["marks"], row["chosen"], row["form"]) == ("several_calls text_call", "send", "exact")
    assert (row["answer_tokens"], row["latency"], row["cost"], row["attempts"]) == (10, 0.5, 0.25, 1)
    assert pd.isna(row["error"])
    missing = tables.trials([failed("a")], {}).iloc[0]
    assert missing["error"] == "transient"
    assert missing[["chosen", "prompt_tokens", "intent"]].isna().all()


def test_no_result_at_all_is_said() -> None:
    with pytest.raises(StoreError, match="holds no result yet"):
        tables.trials([], {})


# ---------------------------------------------------------------------------------------------- cases, and pairs of them


def cases_of(results: Iterable[Result], notes: tables.Notes | None = None) -> dict[str, pd.DataFrame]:
    return tables.by_variant(tables.per_case(tables.trials(results, notes or {})))


def test_a_row_of_cases_is_the_mean_of_the_answers() -> None:
    results = [
        answered("a", 1, step=1.0, prompt=100), answered("a", 0, step=0.0, prompt=104, repeat=1), failed("a", repeat=2),
        answered("b", 0, step=0.0, args=None, cost=0.5), failed("c"),
    ]  # fmt: skip
    rows = cases_of(results)[L]
    assert list(rows.index) == [("mail", "a"), ("mail", "b"), ("mail", "c")]
    assert list(rows["answers"]) == [2, 1, 0]
    assert list(rows["step"])[:2] == [0.5, 0.0]
    assert list(rows["prompt_tokens"])[:2] == [102, 100]
    assert rows.loc[("mail", "b"), "cost"] == 0.5
    assert rows["args"].isna().all()
    assert rows.loc[("mail", "c")].drop(["answers", "tokens", "stratum", "cluster"]).isna().all()


def test_our_count_of_a_prompt_needs_no_answer() -> None:
    results = [answered("a", 1, tokens={"thread": 400}), failed("b", tokens={"thread": 500})]
    results += [failed(name, variant=TAGS, tokens={"thread": 300}) for name in "ab"]
    variants = cases_of(results)
    assert list(variants[L]["tokens"]) == [400, 500]
    mine, theirs, _ = tables.pair(variants[T], variants[L]).values("tokens")
    assert (list(mine), list(theirs)) == ([300, 300], [400, 500])


def test_clusters_are_groups_within_a_dataset_or_the_cases_themselves() -> None:
    notes = {
        "mail": {name: CaseNote(group="talk" if name in "ab" else None, expect=("send",)) for name in "abcd"},
        "more": {name: CaseNote(group="talk", expect=("send",)) for name in "ab"},
    }
    results = [answered(name, 1) for name in "abcd"] + [answered(name, 1, dataset="more") for name in "ab"]
    rows = cases_of(results, notes)[L]
    assert list(rows["cluster"]) == [0, 0, 1, 2, 3, 3]
    assert list(rows["stratum"]) == [0, 0, 0, 0, 1, 1]
    assert list(cases_of(results)[L]["cluster"]) == [0, 1, 2, 3, 4, 5]


def test_variants_number_the_same_cases_the_same() -> None:
    notes = {"mail": {name: CaseNote(group=group, expect=("send",)) for name, group in zip("abcd", "xyxz", strict=True)}}
    results = [answered(name, 1) for name in "abcd"] + [answered(name, 1, variant=TAGS) for name in "dcb"]
    variants = cases_of(results, notes)
    assert list(variants) == [L, T]
    assert list(variants[L]["cluster"]) == [0, 1, 0, 2]
    assert list(variants[T]["cluster"]) == [1, 0, 2]


def test_pairs_are_cases_that_both_were_asked() -> None:
    variants = cases_of([
        *(answered(name, 1, step=float(name != "b")) for name in "abdf"), failed("c"), failed("e"),
        *(answered(name, 0, step=0.0, variant=TAGS) for name in "abcgh"), failed("d", variant=TAGS), failed("e", variant=TAGS),
    ])  # fmt: skip
    found = tables.pair(variants[T], variants[L])
    assert list(found.mine.index) == list(found.baseline.index) == [("mail", name) for name in "abcde"]
    assert (found.left, found.apart) == (3, 3)
    assert list(found.differences("step").items()) == [(("mail", "a"), -1.0), (("mail", "b"), 0.0)]
    assert list(found.clusters) == [0, 1, 2, 3, 4]
    assert list(found.strata) == [0] * 5
    turned = tables.pair(variants[L], variants[T])
    assert (turned.left, turned.apart, list(turned.differences("step"))) == (3, 3, [1.0, 0.0])


def test_a_value_that_one_variant_lacks_is_left_out_of_both() -> None:
    variants = cases_of([
        answered("a", 1, args=1.0), answered("b", 1, args=None), answered("c", 1, args=0.0),
        answered("a", 1, args=0.0, variant=TAGS), answered("b", 1, args=1.0, variant=TAGS), answered("c", 0, args=None,
        variant=TAGS),
    ])  # fmt: skip
    mine, theirs, both = tables.pair(variants[T], variants[L]).values("args")
    assert (list(mine), list(theirs), list(both)) == ([0.0], [1.0], [True, False, False])
    assert list(tables.pair(variants[T], variants[L]).differences("args").index) == [("mail", "a")]


def test_variants_without_a_common_case_pair_to_nothing() -> None:
    variants = cases_of([answered("a", 1), answered("b", 1, variant=TAGS)])
    found = tables.pair(variants[T], variants[L])
    assert (len(found.mine), found.left, found.apart) == (0, 0, 2)
    assert len(found.values("step")[0]) == len(found.clusters) == len(found.differences("step")) == 0


# ---------------------------------------------------------------------------------------------- repeats and confusion


def test_correct_has_an_interval_over_groups_too() -> None:
    notes = {"mail": {name: CaseNote(group="talk" if name in "ab" else None, expect=("send",)) for name in "abcde"}}
    values = [1.0, 1.0, 0.0, 1.0, 0.0]
    results = [answered(name, 1, step=value) for name, value in zip("abcde", values, strict=True)]
    row = summarized(tables.trials(results, notes), variants=[L], baselines={}).loc[L]
    assert (row["step"], row["step_low"], row["step_high"]) == proportion(values, [0, 0, 1, 2, 3])
    alone = summary(results).loc[L]
    assert (alone["step"], alone["step_low"], alone["step_high"]) == proportion(values)
    assert alone["step_high"] - alone["step_low"] < row["step_high"] - row["step_low"]


def test_repeats_that_differ_are_counted() -> None:
    results = [
        answered("a", 1, step=1.0, chosen="send"), answered("a", 1, step=1.0, chosen="send", repeat=1),
        answered("a", 0, step=0.0, chosen="ask", repeat=2),
        *(answered("b", 1, step=1.0, repeat=repeat) for repeat in range(3)),
        *(answered("c", 0, step=0.0, repeat=repeat, parsed=Parsed(stage="parse")) for repeat in range(3)),
        answered("d", 1, step=1.0), answered("d", 1, step=1.0, repeat=1), failed("d", repeat=2),
    ]  # fmt: skip
    row = summary(results).loc[L]
    assert row["disagreement"] == pytest.approx((2 / 3 + 0 + 0 + 0) / 4)  # no step at all is a choice like another
    assert row["all_right"] == pytest.approx(1 / 3)  # of the cases with three answers
    once = summary([answered("a", 1), answered("b", 0)]).loc[L]
    assert pd.isna(once["disagreement"])
    assert pd.isna(once["all_right"])


def test_confusion_counts_what_was_chosen_where_the_intent_was_wrong() -> None:
    expected = {"a": ("send",), "b": ("ask", "send"), "c": ("ask",)}
    notes = {"mail": {name: CaseNote(expect=expect) for name, expect in expected.items()}}
    results = [
        answered("a", 0, chosen="ask"), answered("a", 0, chosen="ask", repeat=1), answered("a", 1, repeat=2),
        answered("b", 0, chosen="finish"), answered("c", 0, parsed=Parsed(stage="parse")), failed("c", repeat=1),
        answered("a", 1, variant=TAGS), answered("a", 0, variant=("F", "none", "other", "prompted", "m")),
    ]  # fmt: skip
    table = tables.trials(results, notes)
    assert tables.confusion(table, notes, variants=[T, L]) == {
        T: [],
        L: [("send", "ask", 2), ("ask", "(parse)", 1), ("ask or send", "finish", 1)],
    }


def test_forbidden_is_counted_by_tag() -> None:
    tags = {"a": ("spoof", "attack-xml"), "b": ("spoof", "attack-json"), "c": ("spoof", "easy"), "d": ("easy",), "e": ("spoof",)}
    notes = {"mail": {name: CaseNote(expect=("send",), tags=listed) for name, listed in tags.items()}}
    results = [
        answered("a", 1, harm=0.0), answered("a", 1, harm=1.0, repeat=1),
        answered("b", 1, harm=0.0), answered("c", 1, harm=0.0), answered("d", 1, harm=0.0), answered("e", 1),
        answered("a", 1, harm=0.0, variant=TAGS), failed("c", variant=TAGS),
    ]  # fmt: skip
    cases = tables.by_variant(tables.per_case(tables.trials(results, notes)))
    # e forbids nothing; c has no answer under TAGS; easy has no harm and says nothing of attacks
    assert tables.harm_by_tag(cases, notes) == {
        "attack-json": {L: (0, 1)},
        "attack-xml": {L: (1, 1), T: (0, 1)},
        "spoof": {L: (1, 3), T: (0, 1)},
    }
