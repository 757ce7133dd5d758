"""What a reader is told: figures as they are, and no more than they show."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from phrasing.analysis.compare import Comparison
from phrasing.analysis.gates import GateResult, GateStatus
from phrasing.analysis.report_data import Report
from phrasing.report import columns
from phrasing.report.markdown import markdown
from phrasing.report.text import answer, caveats, percent
from phrasing.stats.means import wilson
from phrasing.suite.schema import Comparing, Requirement
from support.made_up_results import compared, notes
from support.tiny_runs import record

NAN = math.nan


def row(format: str = "lines", intent: float = 0.5, n: int = 20, **more: Any) -> dict[str, Any]:
    axes = {"function": "F", "edit": "none", "format": format, "output": "prompted", "model": "m"} | {
        key: more.pop(key) for key in ("function", "edit", "output", "model") if key in more
    }
    low, high = wilson(intent, n, 1.96) if n else (NAN, NAN)
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
        "disagreement": NAN,
        "all_right": NAN,
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
    assert answer(made(row(intent=0.2), row("tags", 0.9), row("json", 0.25), comparison=compared(grid))) == (
        "lines (the baseline) picked an acceptable step, arguments and all, in 20 % (8–42) of 20 cases. "
        "tags: +70 points (+39 to +86) with 1.22 times its context tokens, better; "
        "json: +5 points (−14 to +25) with 1.11 times its context tokens, inconclusive: would need about 97 cases. "
        "Too few cases: only differences above about 42 points would show.\n\n"
        "A random step is acceptable in 25 %. lines, json: can't be told from picking a step at random (25 %)."
    )


def test_one_variant_alone_is_compared_with_nothing() -> None:
    assert answer(made(row())) == "lines: 50 % (30–70) of 20 cases.\n\nA random step is acceptable in 25 %."


def test_without_a_baseline_each_variant_stands_alone() -> None:
    assert answer(made(row(), row("tags", 0.6), row("json", n=0), baseline=None)) == (
        "lines: 50 % (30–70) of 20 cases. tags: 60 % (39–78) of 20 cases. json: – (nothing answered).\n\n"
        "A random step is acceptable in 25 %."
    )


def test_each_baseline_has_a_paragraph_and_reversals_have_one() -> None:
    grid = {"lines/a": "0" * 20, "tags/a": "1" * 20, "lines/b": "1" * 20, "tags/b": "0" * 20}
    rows = [row(format, model=model) for model in ("a", "b") for format in ("lines", "tags")]
    paragraphs = answer(made(*rows, comparison=compared(grid))).split("\n\n")
    assert [paragraph.partition(" (the baseline)")[0] for paragraph in paragraphs[:2]] == ["lines a", "lines b"]
    assert "tags a: +100 points" in paragraphs[0]
    assert "tags b: −100 points" in paragraphs[1]
    assert paragraphs[2] == "tags a gains +100 points where tags b gives −100 (p <0.001 that the models agree)."
    assert len(paragraphs) == 4


def test_variants_without_an_answer_claim_nothing() -> None:
    text = answer(made(row(), row("tags", n=0), comparison=compared({"lines": "1" * 20, "tags": "e" * 20})))
    assert ". tags: inconclusive: no case that both answered.\n" in text


def test_baseline_without_an_answer_claims_nothing() -> None:
    text = answer(made(row(n=0), row("tags"), comparison=compared({"lines": "e" * 20, "tags": "1" * 20})))
    assert text.startswith("lines (the baseline) has no answer. tags: inconclusive: no case that both answered.")


# ---------------------------------------------------------------------------------------------- what must be known


def test_caveats_of_a_good_run_are_the_chance_alone() -> None:
    assert caveats(made(row())) == ["A random step is acceptable in 25 %."]


def asked(*steps: str) -> dict[str, Any]:
    """The steps (a letter each) of functions, each over a dataset of its own with one case, whose label is the first."""
    names = [f"d{i}" for i in range(len(steps))]
    return {
        "steps": {f"{name} F": list(letters) for name, letters in zip(names, steps, strict=True)},
        "cases": {name: {"a-1": {"expect": [letters[0]]}} for name, letters in zip(names, steps, strict=True)},
    }


def test_an_variant_above_every_no_model_baseline_or_without_an_answer_is_told_nothing() -> None:
    assert caveats(made(row(majority=0.29, bigram=0.29), row("tags", n=0))) == ["A random step is acceptable in 25 %."]


def test_no_model_baselines_are_lines_under_the_table() -> None:
    shown = asked("ab", "abcd")
    shown["steps"] |= {"d1 DetermineNextStepOther": ["a", "b"], "d0 G": ["b", "a"]}
    text = markdown(made(row(), **shown))
    assert (
        "\n- d0 without a model: random 50 %, majority 100 %, bigram 0 %\n"
        "- d1 F without a model: random 25 %, majority 100 %, bigram 0 %\n"
        "- d1 Other without a model: random 50 %, majority 100 %, bigram 0 %\n"
    ) in text


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (made(row(truncated=0.021)), "lines: 2 % of the answers were cut at the token limit."),
        (made(row(text_calls=1.0)), "lines: 100 % of the tool calls were written as text."),
        (made(row(text_steps=0.25)), "lines: 25 % of the answers were text instead of a call."),
        (made(row(errors=3)), "3 trials have no answer because of errors and are in no figure."),
        (made(row(errors=1)), "1 trial has no answer because of an error and is in no figure."),
        (made(row(), trials=25), "5 of 25 trials weren't asked."),
        (made(row(), partial="-n 3"), "Only a part of the suite was asked (-n 3)."),
        (made(row(), **asked("abc", "ab", "abcdefgh")), "A random step is acceptable in 12 to 50 %."),
        (made(row(), **asked("abc", "xyz")), "A random step is acceptable in 33 %."),
        (made(row(intent_low=0.24)), "lines: can't be told from picking a step at random (25 %)."),
        (made(row(intent_low=0.25)), "lines: can't be told from picking a step at random (25 %)."),
        (made(row(n=1, intent_low=NAN, intent_high=NAN)), "lines: can't be told from picking a step at random (25 %)."),
        (made(row(intent_low=0.1, intent_high=0.2)), "lines: worse than picking a step at random (25 %)."),
        (made(row(majority=0.4)), "lines: no better shown than always picking the same step (40 %)."),
        (
            made(row(majority=0.4, bigram=0.41)),
            "lines: no better shown than a rule that looks at the last event's type (41 %).",
        ),
        (
            made(row(random=0.4), row("tags", random=0.306), row("json", random=0.2)),
            "lines, tags: can't be told from picking a step at random (31 to 40 %).",
        ),
        (
            made(row(random=0.4), row("tags", random=0.4)),
            "All 2 variants: can't be told from picking a step at random (40 %).",
        ),
        (
            made(row(), edits={"keep_events(3)": {"digest": "d", "lossy": "the rest", "adds": None}}),
            "keep_events(3) is lossy: the rest.",
        ),
        (made(row(), edits={"noise": {"digest": "d", "lossy": None, "adds": "chatter"}}), "noise adds chatter."),
        (
            made(row(), models={"tiny": {"id": "local/tiny", "digest": None}}),
            "tiny: a small model inside this environment; its figures are a smoke test.",
        ),
    ],
    ids=[
        "truncated",
        "text calls",
        "text steps",
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
    assert "cut" not in answer(made(row(truncated=0.02)))


# ---------------------------------------------------------------------------------------------- labels and cells


def test_labels_show_only_the_axes_that_vary() -> None:
    one = made(row())
    assert (one.label(one.variants[0]["variant"]), one.common) == ("lines", "function F, format lines, output prompted, model m")
    two = made(row(), row("tags"))
    assert ([two.label(r["variant"]) for r in two.variants], two.common) == (
        ["lines", "tags"],
        "function F, output prompted, model m",
    )
    mixed = made(row(model="a"), row("tags", model="b", output="tool"))
    assert [mixed.label(r["variant"]) for r in mixed.variants] == ["lines prompted a", "tags tool b"]
    assert mixed.common == "function F"
    edited = made(row(edit="none"), row(edit="keep_events(3)"))
    assert [edited.label(r["variant"]) for r in edited.variants] == ["no edit", "keep_events(3)"]
    assert made(row(edit="noise"), row("tags", edit="noise")).common == "function F, edit noise, output prompted, model m"
    named = made(*(row(function=name) for name in ("DetermineNextStepMail", "DetermineNextStep", "Other")))
    assert [named.label(r["variant"]) for r in named.variants] == ["Mail", "DetermineNextStep", "Other"]


def test_cells() -> None:
    unknown = dict.fromkeys(("prompt_tokens", "prompt_ratio", "answer_tokens", "seconds"), NAN)
    report = made(row(harm_k=1, harm_n=3, errors=2), row("tags", n=0, **unknown))
    assert columns.summary(report, report.label).cells() == [
        ("lines", "20", "50 (30–70)", "50", "100", "1/3", "1,234 ×1.00", "10", "2", "1.2"),
        ("tags", "0", "–", "–", "–", "–", "–", "–", "0", "–"),
    ]


# ---------------------------------------------------------------------------------------------- markdown


def test_markdown_whole(golden: Callable[[str, str], None]) -> None:
    rows = (
        row(intent=0.2, harm_k=1, harm_n=3, disagreement=0.125, all_right=0.15),
        row("tags", 0.9, prompt_ratio=1.25, disagreement=0.0, all_right=0.9),
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
        row(model=hostile.replace(" ", "")),
        row("tags", model="m"),
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
    first, second, harmless = row(), row("tags"), row("calls")
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
    shares = {"truncated": NAN, "text_calls": NAN, "text_steps": NAN}
    report = made(row(n=0, prompt_tokens=NAN, prompt_ratio=NAN, answer_tokens=NAN, seconds=NAN, **shares))
    assert "| lines | 0 | – | – | – | – | – | – | 0 | – |" in markdown(report)


def test_chosen_steps_have_a_column_each_in_one_order() -> None:
    first, second = row(), row("tags")
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
