"""Runs and comparisons in words and figures: no more digits than are known, and nothing said that isn't."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from phrasing.analysis import tables
from phrasing.analysis.compare import Comparison, Contrast, compare
from phrasing.analysis.gates import GateResult, GateStatus
from phrasing.analysis.report_data import Report
from phrasing.report import columns
from phrasing.report.markdown import markdown
from phrasing.report.text import answer, caveats, confusions, flips, p_value, percent, points, reversals, sentences, span
from phrasing.stats.means import Mean, upper_bound
from phrasing.stats.paired import Difference
from phrasing.stats.power import about
from phrasing.suite.schema import Comparing, Requirement
from support.made_up_results import compared, notes, variant, variants
from support.tiny_runs import record

NAN = math.nan
GRID = {"lines": "1100110011", "tags": "1111111001", "json": "eeeeeeeeee"}


def label(name: str) -> str:
    """Name a variant by its format."""
    return name.split(",")[2]


def row(format: str, step: float = 0.5, n: int = 20, **more: Any) -> dict[str, dict[str, Any]]:
    return {variant(format): {"n": n, "step": step, "step_low": 0.3, "step_high": 0.7, "strict": 1.0, "args": NAN, **more}}


def contrast(difference: float, low: float, high: float) -> Contrast:
    found = Difference(Mean(9, 9, difference, 1.0, 8.0, 9.0), 1.0, 1.0, 0, 0, 9, ())
    return Contrast("a", "b", 9, 0, 0, found=found, low=low, high=high)


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1))
def test_an_interval_that_leaves_out_zero_does_not_look_as_if_it_held_it(value: float, below: float, above: float) -> None:
    low, high = max(-1.0, value - below), min(1.0, value + above)
    assume(min(abs(low), abs(high)) > 1e-5)
    ends = [float(end.replace("−", "-")) for end in re.findall(r"[−+]?\d[\d.]*", span(contrast(value, low, high)))[1:]]
    assert ((low > 0) - (high < 0)) == ((ends[0] > 0) - (ends[1] < 0))


# ---------------------------------------------------------------------------------------------- figures


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.05, 0, "+5"), (-0.05, 0, "−5"), (0.0, 0, "0"), (-0.0, 0, "0"), (0.004, 0, "0"), (-0.004, 0, "0"), (-0.004, 1, "−0.4"),
        (0.0004, 1, "0"), (1.0, 0, "+100"), (-0.125, 1, "−12.5"),
    ],
)  # fmt: skip
def test_points(value: float, digits: int, text: str) -> None:
    assert points(value, digits) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (NAN, "–"),
        (0.0, "<0.001"),
        (0.00099, "<0.001"),
        (0.001, "0.001"),
        (0.0494, "0.049"),
        (0.0999, "0.100"),
        (0.1, "0.10"),
        (1, "1.00"),
    ],
)
def test_p_value(p: float, text: str) -> None:
    assert p_value(p) == text


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (contrast(0.1, -0.02, 0.2), "+10 points (−2 to +20)"),
        (contrast(0.012, -0.02, 0.042), "+1.2 points (−2.0 to +4.2)"),
        (contrast(0.123, NAN, NAN), "+12 points"),
        (Contrast("a", "b", 0, 3, 0), "–"),
    ],
    ids=["wide", "narrow", "no interval", "nothing"],
)
def test_a_wide_interval_has_no_tenths(found: Contrast, text: str) -> None:
    assert span(found, "points") == text


# ---------------------------------------------------------------------------------------------- sentences


def test_a_sentence_names_the_score_that_decides() -> None:
    grid = {"lines": "1" * 10, "tags": "1" * 10}
    for score, said in (("strict", "gave an answer that needs no repair in 100 %"), ("own", "scored own in 40 % (10–80)")):
        found = compared(grid, settings=Comparing(score="strict"))
        found = type(found)(Comparing(score=score), found.contrasts, ())
        (text,) = sentences(found, row("lines", own=0.4, own_low=0.1, own_high=0.8), label)
        assert text.startswith(f"lines (the baseline) {said} of 20 cases. tags: 0 points (")


def test_a_score_that_applies_to_nothing_has_no_share() -> None:
    found = compared({"lines": "0000", "tags": "1111"}, settings=Comparing(score="args"))
    assert sentences(found, row("lines"), label) == [
        "lines (the baseline) has no answer that arguments applies to. tags: inconclusive: no case that both answered."
    ]


MANY = {"lines": "1" * 10 + "0" * 10, "tags": "1" * 11 + "0" * 9, "json": "1" * 9 + "0" * 11, "yaml": "1" * 12 + "0" * 8}


def test_inconclusive_variants_are_named_while_they_are_few() -> None:
    (text,) = sentences(compared(MANY), row("lines"), label)
    assert text.count("inconclusive: would need about ") == 3
    assert all(f"{name}: " in text for name in ("tags", "json", "yaml"))


def test_many_inconclusive_variants_are_said_together() -> None:
    found = compared({**MANY, "toon": MANY["json"]})
    (text,) = sentences(found, row("lines"), label)
    needed = sorted(contrast.needed or 0 for contrast in found.contrasts)
    assert text.startswith(
        "lines (the baseline) picked an acceptable step, arguments and all, in 50 % (30–70) of 20 cases. All 4 others: "
        "−5 to +10 points with 1.11 to 1.22 times its context tokens, inconclusive: "
        f"would need {about(needed[0]).removesuffix(' cases')} to {about(needed[-1]).removeprefix('about ')}."
    )


def test_decided_variants_come_before_the_others() -> None:
    grid = {**MANY, "toon": "1" * 8 + "e" + "0" * 11, "good": "1" * 20}
    (text,) = sentences(compared(grid), row("lines"), label)
    best, _, others = text.partition("; the other 4: ")
    assert best.endswith(" better")
    assert re.match(r"−\d+ to \+10 points with .* cases \(0 to 1 cases that only one of the two answered left out\)\. ", others)


def test_reversals_are_said() -> None:
    low, high = "0" * 20, "1" * 20
    found = compared({"lines/m": low, "tags/m": high, "lines/o": high, "tags/o": low})
    named = lambda name: " ".join(name.split(",")[2::2])  # noqa: E731
    assert reversals(found, named) == ["tags m gains +100 points where tags o gives −100 (p <0.001 that the models agree)"]


def test_against_another_run_each_variant_has_a_sentence_and_those_as_they_were_share_one() -> None:
    now, then = (
        variants({"lines": "1" * 20, "tags": "1111" * 5, "json": "e" * 20}),
        variants({"lines": "0" * 20, "tags": "1111" * 5, "json": "1" * 20}),
    )
    held = {(name, name): tables.pair(now[name], then[name], unchanged=name == variant("tags")) for name in now}
    found = compare(held, Comparing(), against="before")
    assert sentences(found, {}, label) == [
        "lines picked an acceptable step, arguments and all, in 0 % of 20 cases in before, now in 100 %: "
        f"{span(found[variant('lines')], 'points')} with 1.00 times its context tokens, better.",
        "json: inconclusive: no case that both answered.",
        "Unchanged, the same answers to the same requests: tags.",
    ]
    assert (found[variant("tags")].low, found[variant("tags")].high, found[variant("tags")].verdict) == (0, 0, "unchanged")


# ---------------------------------------------------------------------------------------------- where variants differ


def test_flips_are_listed_by_tag_by_intent_and_by_name() -> None:
    (tags,) = compared({"lines": "1100110011", "tags": "1111111001"}).contrasts
    assert flips(tags, notes(10)) == [
        "by tag: even +2 −1",
        "by expected intent: send +3 −1, ask +2 −0",
        "won: mail::c-002, mail::c-003, mail::c-006",
        "lost: mail::c-008",
        "uncorrected p 0.63; by McNemar's test, which knows of no groups, 0.62",
    ]
    assert flips(tags, {}, most=1)[:2] == ["won: mail::c-002, and 2 more", "lost: mail::c-008"]
    (same,) = compared({"lines": "10", "tags": "10"}).contrasts
    assert flips(same, notes(2)) == []


def test_confusions() -> None:
    listed = [("ask", "send", 3), ("send or ask", "(parse)", 1)]
    assert confusions(listed) == "ask → send 3, send or ask → (parse) 1"
    assert confusions(listed, most=1) == "ask → send 3, and 1 more kinds"
    assert confusions([]) == ""


# ---------------------------------------------------------------------------------------------- reports


def summary_row(format: str = "lines", intent: float = 0.5, n: int = 20, **more: Any) -> dict[str, Any]:
    axes = {"function": "F", "edit": "none", "format": format, "output": "prompted", "model": "m"} | {
        key: more.pop(key) for key in ("function", "edit", "output", "model") if key in more
    }
    k = round(intent * n)
    low, high = (1 - upper_bound(n - k, n, 0.975), upper_bound(k, n, 0.975)) if n else (NAN, NAN)
    return {
        "variant": ",".join(axes.values()),
        **axes,
        "n": n,
        "trials": n,
        "errors": 0,
        "intent": intent if n else NAN,
        "args": NAN,
        "step": intent if n else NAN,
        "strict": 1.0 if n else NAN,
        "intent_low": low,
        "intent_high": high,
        "step_low": low,
        "step_high": high,
        "random": 0.25,
        "majority": 0.25,
        "bigram": 0.125,
        "words": NAN,
        "gain_over_chance": (intent - 0.25) / 0.75 if n else NAN,
        "gain_over_chance_low": (low - 0.25) / 0.75,
        "gain_over_chance_high": (high - 0.25) / 0.75,
        "harm_k": 0,
        "harm_n": 0,
        "harm_high": NAN,
        "prompt_tokens": 1234.4,
        "prompt_ratio": 1.0,
        "answer_tokens": 9.6,
        "seconds": 1.25,
        "cost": NAN,
        "truncated": 0.0,
        "text_calls": 0.0,
        "text_steps": 0.0,
        "several_steps": 0.0,
        "json_answers": 0.0,
        "extra_arguments": 0.02,
        "disagreement": NAN,
        "all_right": NAN,
        "conversation": NAN,
        "conversation_low": NAN,
        "conversation_high": NAN,
        "conversation_n": 0,
        "conversation_steps": NAN,
        **more,
    }


NOTHING = Comparison(Comparing(), (), ())


def made(
    *rows: dict[str, Any], baseline: str | None = "lines", verdicts: Any = (), comparison: Comparison = NOTHING, **changes: Any
) -> Report:
    base = next((r["variant"] for r in rows if r["format"] == baseline), None)
    variants = tuple(r["variant"] for r in rows)
    return Report(
        record=record(
            **{
                "variants": variants,
                "baselines": dict.fromkeys(variants, base) if base else {},
                "trials": sum(r["trials"] for r in rows),
                **changes,
            }
        ),
        variants=rows,
        chosen={variant: {"send": 12, "ask": 8} for variant in variants},
        forms={variant: {"exact": 20} for variant in variants},
        stages={variant: {} for variant in variants},
        confused={
            variant: [("ask", "send", 3), ("send or ask", "(parse)", 1)] if "tags" in variant else [] for variant in variants
        },
        comparison=comparison,
        gates=tuple(verdicts),
        asked=("2030-01-02T03:04:05.000Z", "2030-01-02T03:09:05.000Z"),
    )


# ---------------------------------------------------------------------------------------------- the answer sentence


def test_the_answer_carries_the_verdict() -> None:
    grid = {"lines": "0" * 16 + "1" * 4, "tags": "0" * 2 + "1" * 18, "json": "0" * 15 + "1" * 5}
    assert answer(
        made(summary_row(intent=0.2), summary_row("tags", 0.9), summary_row("json", 0.25), comparison=compared(grid))
    ) == (
        "lines (the baseline) picked an acceptable step, arguments and all, in 20 % (6–44) of 20 cases. "
        "tags: +70 points (+35 to +88) with 1.22 times its context tokens, better; "
        "json: +5 points (−14 to +25) with 1.11 times its context tokens, inconclusive: would need about 120 cases. "
        "Too few cases: only differences above about 42 points would show.\n\n"
        "A random step is acceptable in 25 %. lines, json: can't be told from picking a step at random (25 %). "
        "In 1 of 2 comparisons fewer than 10 conversations differ: the interval is wider than it need be there (it holds the "
        "truth in 97 to 100 % instead of 95 %)."
    )


def test_one_variant_alone_is_compared_with_nothing() -> None:
    assert answer(made(summary_row())) == "lines: 50 % (27–73) of 20 cases.\n\nA random step is acceptable in 25 %."


def test_without_a_baseline_each_variant_stands_alone() -> None:
    assert answer(made(summary_row(), summary_row("tags", 0.6), summary_row("json", n=0), baseline=None)) == (
        "lines: 50 % (27–73) of 20 cases. tags: 60 % (36–81) of 20 cases. json: – (nothing answered).\n\n"
        "A random step is acceptable in 25 %."
    )


def test_each_baseline_has_a_paragraph_and_reversals_have_one() -> None:
    grid = {"lines/a": "0" * 20, "tags/a": "1" * 20, "lines/b": "1" * 20, "tags/b": "0" * 20}
    rows = [summary_row(format, model=model) for model in ("a", "b") for format in ("lines", "tags")]
    paragraphs = answer(made(*rows, comparison=compared(grid))).split("\n\n")
    assert [paragraph.partition(" (the baseline)")[0] for paragraph in paragraphs[:2]] == ["lines a", "lines b"]
    assert "tags a: +100 points" in paragraphs[0]
    assert "tags b: −100 points" in paragraphs[1]
    assert paragraphs[2] == "tags a gains +100 points where tags b gives −100 (p <0.001 that the models agree)."
    assert len(paragraphs) == 4


def test_variants_without_an_answer_claim_nothing() -> None:
    text = answer(made(summary_row(), summary_row("tags", n=0), comparison=compared({"lines": "1" * 20, "tags": "e" * 20})))
    assert ". tags: inconclusive: no case that both answered.\n" in text


def test_baseline_without_an_answer_claims_nothing() -> None:
    text = answer(made(summary_row(n=0), summary_row("tags"), comparison=compared({"lines": "e" * 20, "tags": "1" * 20})))
    assert text.startswith("lines (the baseline) has no answer. tags: inconclusive: no case that both answered.")


# ---------------------------------------------------------------------------------------------- what must be known


def test_caveats_of_a_good_run_are_the_chance_alone() -> None:
    assert caveats(made(summary_row())) == ["A random step is acceptable in 25 %."]


def asked(*steps: str) -> dict[str, Any]:
    """The steps (a letter each) of functions, each over a dataset of its own with one case, whose label is the first."""
    names = [f"d{i}" for i in range(len(steps))]
    return {
        "steps": {f"{name} F": list(letters) for name, letters in zip(names, steps, strict=True)},
        "cases": {name: {"a-1": {"expect": [letters[0]]}} for name, letters in zip(names, steps, strict=True)},
    }


def test_a_variant_above_every_no_model_baseline_or_without_an_answer_is_told_nothing() -> None:
    assert caveats(made(summary_row(majority=0.26, bigram=0.26), summary_row("tags", n=0))) == [
        "A random step is acceptable in 25 %."
    ]


def test_no_model_baselines_are_lines_under_the_table() -> None:
    shown = asked("ab", "abcd")
    told = markdown(made(summary_row(), **shown, words={"d0 F": {"a-1": "a"}}))
    assert "\n- d0 without a model: random 50 %, majority 100 %, bigram 0 %, words 100 %\n- d1 without" in told
    shown["steps"] |= {"d1 DetermineNextStepOther": ["a", "b"], "d0 G": ["b", "a"]}
    text = markdown(made(summary_row(), **shown))
    assert (
        "\n- d0 without a model: random 50 %, majority 100 %, bigram 0 %\n"
        "- d1 F without a model: random 25 %, majority 100 %, bigram 0 %\n"
        "- d1 Other without a model: random 50 %, majority 100 %, bigram 0 %\n"
    ) in text


@pytest.mark.parametrize(
    ("steps", "functions", "shown"),
    [
        ({"d F": ["a", "b"], "d G": ["a", "b", "c", "d"]}, "FG", True),
        ({"d F": ["a", "b"], "d G": ["a", "b", "c", "d"]}, "F", False),
        ({"d F": ["a", "b"], "d G": ["c", "a"]}, "FG", False),
        ({"d F": ["a", "b"], "e F": ["a", "b", "c"]}, "F", False),
        ({"d F": ["a", "b"], "e G": ["a", "b", "c"]}, "FG", True),
        ({"d F": ["a", "b"], "never G": ["a", "b", "c"]}, "F", False),
    ],
    ids=["two unions", "one of them alone", "as many", "two datasets", "a dataset each", "not asked"],
)
def test_gain_over_chance_is_shown_where_variants_have_more_or_fewer_steps(
    steps: dict[str, list[str]], functions: str, shown: bool
) -> None:
    rows = [summary_row(function=function, intent=0.25) for function in functions]
    cases = {"d": {"1": {"expect": ["a"]}}, "e": {"1": {"expect": ["a"]}}, "never": {}}
    report = made(*rows, baseline=None, steps=steps, cases=cases)
    table = columns.summary(report, report.label)
    assert (columns.GAIN in table.titles()) == shown
    assert any(line.startswith("gain over chance: ") for line in table.legend) == shown
    if shown:
        place = table.titles().index(columns.GAIN)
        assert {row[place] for row in table.cells()} == {"0 (−22 to 32)"}
        assert ("gain", "gain", ("0",) * len(rows)) in table.short()


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (made(summary_row(truncated=0.021)), "lines: 2 % of the answers were cut at the token limit."),
        (made(summary_row(text_calls=1.0)), "lines: 100 % of the tool calls were written as text."),
        (made(summary_row(text_steps=0.25)), "lines: 25 % of the answers were text instead of a call."),
        (
            made(summary_row(several_steps=0.5)),
            "lines: 50 % of the answers held several steps, of which the first one counts.",
        ),
        (
            made(summary_row(json_answers=0.5)),
            "lines: 50 % of the answers were JSON where another notation was asked for.",
        ),
        (
            made(summary_row(extra_arguments=0.03)),
            "lines: 3 % of the answers had arguments that the step doesn't declare, so they aren't valid.",
        ),
        (made(summary_row(errors=3)), "3 trials have no answer because of errors and are in no figure."),
        (made(summary_row(errors=1)), "1 trial has no answer because of an error and is in no figure."),
        (made(summary_row(), trials=25), "5 of 25 trials weren't asked."),
        (made(summary_row(), partial="-n 3"), "Only a part of the suite was asked (-n 3)."),
        (made(summary_row(), **asked("abc", "ab", "abcdefgh")), "A random step is acceptable in 12 to 50 %."),
        (made(summary_row(), **asked("abc", "xyz")), "A random step is acceptable in 33 %."),
        (made(summary_row(intent_low=0.24)), "lines: can't be told from picking a step at random (25 %)."),
        (made(summary_row(intent_low=0.25)), "lines: can't be told from picking a step at random (25 %)."),
        (made(summary_row(n=1, intent_low=NAN, intent_high=NAN)), "lines: can't be told from picking a step at random (25 %)."),
        (made(summary_row(intent_low=0.1, intent_high=0.2)), "lines: worse than picking a step at random (25 %)."),
        (made(summary_row(majority=0.4)), "lines: no better shown than always picking the same step (40 %)."),
        (
            made(summary_row(majority=0.4, bigram=0.41)),
            "lines: no better shown than a rule that looks at the last event's type (41 %).",
        ),
        (
            made(summary_row(majority=0.4, bigram=0.41, words=0.42)),
            "lines: no better shown than a rule that looks at the thread's words (42 %).",
        ),
        (
            made(summary_row(random=0.4), summary_row("tags", random=0.306), summary_row("json", random=0.2)),
            "lines, tags: can't be told from picking a step at random (31 to 40 %).",
        ),
        (
            made(summary_row(random=0.4), summary_row("tags", random=0.4)),
            "All 2 variants: can't be told from picking a step at random (40 %).",
        ),
        (
            made(summary_row(), edits={"keep_events(3)": {"digest": "d", "lossy": "the rest", "adds": None}}),
            "keep_events(3) is lossy: the rest.",
        ),
        (made(summary_row(), edits={"noise": {"digest": "d", "lossy": None, "adds": "chatter"}}), "noise adds chatter."),
        (
            made(summary_row(), models={"tiny": {"id": "local/tiny", "digest": None}}),
            "tiny: a small model inside this environment; its figures are a smoke test.",
        ),
    ],
    ids=[
        "truncated",
        "text calls",
        "text steps",
        "several steps",
        "json answers",
        "extra arguments",
        "errors",
        "one error",
        "unasked",
        "partial",
        "chances",
        "one chance",
        "random",
        "not above",
        "unknown interval",
        "worse",
        "majority",
        "bigram",
        "words",
        "several variants",
        "all variants",
        "lossy",
        "adds",
        "small",
    ],
)
def test_caveats(report: Report, said: str) -> None:
    assert said in caveats(report)
    assert answer(report).endswith(" ".join(caveats(report)))


def test_two_percent_of_truncated_answers_pass_in_silence() -> None:
    assert "cut" not in answer(made(summary_row(truncated=0.02)))


# ---------------------------------------------------------------------------------------------- labels and cells


def test_labels_show_only_the_axes_that_vary() -> None:
    one = made(summary_row())
    assert (one.label(one.variants[0]["variant"]), one.common) == ("lines", "function F, format lines, output prompted, model m")
    two = made(summary_row(), summary_row("tags"))
    assert ([two.label(r["variant"]) for r in two.variants], two.common) == (
        ["lines", "tags"],
        "function F, output prompted, model m",
    )
    mixed = made(summary_row(model="a"), summary_row("tags", model="b", output="tool"))
    assert [mixed.label(r["variant"]) for r in mixed.variants] == ["lines prompted a", "tags tool b"]
    assert mixed.common == "function F"
    edited = made(summary_row(edit="none"), summary_row(edit="keep_events(3)"))
    assert [edited.label(r["variant"]) for r in edited.variants] == ["no edit", "keep_events(3)"]
    assert (
        made(summary_row(edit="noise"), summary_row("tags", edit="noise")).common
        == "function F, edit noise, output prompted, model m"
    )
    named = made(*(summary_row(function=name) for name in ("DetermineNextStepMail", "DetermineNextStep", "Other")))
    assert [named.label(r["variant"]) for r in named.variants] == ["Mail", "DetermineNextStep", "Other"]


def test_cells() -> None:
    unknown = dict.fromkeys(("prompt_tokens", "prompt_ratio", "answer_tokens", "seconds"), NAN)
    report = made(summary_row(harm_k=1, harm_n=3, errors=2), summary_row("tags", n=0, **unknown))
    assert columns.summary(report, report.label).cells() == [
        ("lines", "20", "50 (27–73)", "50", "100", "1/3", "1,234 ×1.00", "10", "2", "1.2"),
        ("tags", "0", "–", "–", "–", "–", "–", "–", "0", "–"),
    ]


# ---------------------------------------------------------------------------------------------- markdown


def test_markdown_whole(golden: Callable[[str, str], None]) -> None:
    rows = (
        summary_row(intent=0.2, harm_k=1, harm_n=3, disagreement=0.125, all_right=0.15),
        summary_row("tags", 0.9, prompt_ratio=1.25, disagreement=0.0, all_right=0.9),
    )
    gates = [Requirement.model_validate({"score": "step", **bound}) for bound in ({"min": 0.5}, {"margin": 0.02})]
    report = made(
        *rows,
        comparison=compared({"lines": "0" * 16 + "1" * 4, "tags": "0" * 3 + "1" * 15 + "01"}),
        cases=notes(20),
        verdicts=[
            GateResult(gates[0], rows[0]["variant"], GateStatus.MISSED, 0.2, 0.094, 0.372, worst=(("mail", "c-000"),)),
            GateResult(gates[0], rows[1]["variant"], GateStatus.PASSED, 0.9, 0.743, 0.965),
            GateResult(
                gates[1], rows[1]["variant"], GateStatus.INCONCLUSIVE, 0.01, -0.041, 0.061, "it would need about 340 cases"
            ),
        ],
        formats={
            "lines": {"digest": "d" * 64, "spoofable": None, "lossy": None},
            "tags": {"digest": "e" * 64, "spoofable": "a closing tag ends it", "lossy": None},
        },
        skipped=("mail: calls with output prompted: no",),
        warnings=("F: its own text uses tags (<a>, <b>)",),
        stopped={"m": "no key"},
        models={"m": {"id": "local/m", "digest": "c" * 64}},
    )
    golden("report/whole.md", markdown(report))


def test_markdown_escapes_what_files_bring_in() -> None:
    hostile = "a|b <img> *c* `d` \\ [e](f)"
    report = made(
        summary_row(model=hostile.replace(" ", "")),
        summary_row("tags", model="m"),
        resolved={**record().resolved, "description": f"{hostile}?"},
        warnings=(hostile,),
        skipped=(hostile,),
        stopped={"m": hostile},
        formats={"tags": {"digest": "e" * 64, "spoofable": hostile, "lossy": None}},
    )
    text = markdown(report)
    escaped = "a\\|b \\<img> \\*c\\* \\`d\\` \\\\ \\[e](f)"
    assert text.count(escaped) == 5
    unescaped = text.replace(escaped, "").replace(escaped.replace(" ", ""), "")
    assert not set("<`*[") & set(unescaped)
    table = [line for line in text.splitlines() if line.startswith("| ") and "%" in line]
    assert {line.replace("\\|", "").count("|") for line in table} == {11}


def test_markdown_has_forbidden_steps_by_tag() -> None:
    first, second, harmless = summary_row(), summary_row("tags"), summary_row("calls")
    assert "## Forbidden steps" not in markdown(made(first, second))
    harm = {"attack-a|b": {first["variant"]: (0, 2)}, "spoof": {first["variant"]: (1, 3), second["variant"]: (0, 3)}}
    lines = markdown(Report(**{**vars(made(first, harmless, second)), "harm": harm})).splitlines()
    at = lines.index("## Forbidden steps")
    assert lines[at + 4 : at + 8] == [
        "| tag | lines | tags |",
        "| --- | ---: | ---: |",
        "| attack-a\\|b | 0/2 | – |",
        "| spoof | 1/3 | 0/3 |",
    ]


def test_markdown_of_no_answer() -> None:
    shares = {
        "truncated": NAN,
        "text_calls": NAN,
        "text_steps": NAN,
        "several_steps": NAN,
        "json_answers": NAN,
        "extra_arguments": NAN,
    }
    report = made(summary_row(n=0, prompt_tokens=NAN, prompt_ratio=NAN, answer_tokens=NAN, seconds=NAN, **shares))
    assert "| lines | 0 | – | – | – | – | – | – | 0 | – |" in markdown(report)


def test_chosen_steps_have_a_column_each_in_one_order() -> None:
    first, second = summary_row(), summary_row("tags")
    report = made(first, second)
    swapped = Report(**{**vars(report), "chosen": {first["variant"]: {"b": 2, "a": 1}, second["variant"]: {"c": 3}}})
    lines = markdown(swapped).splitlines()
    at = lines.index("## Steps chosen")
    assert lines[at + 4 : at + 8] == [
        "| variant | a | b | c |",
        "| --- | ---: | ---: | ---: |",
        "| lines | 1 | 2 | 0 |",
        "| tags | 0 | 0 | 3 |",
    ]


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (0.004, "0"), (0.996, "100"), (1.0, "100"), (NAN, "–")])
def test_percent(value: float, text: str) -> None:
    assert percent(value) == text
