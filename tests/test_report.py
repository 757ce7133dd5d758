"""What a reader is told: figures as they are, and no more than they show."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from phrasing import report as reports
from phrasing.gates import evaluate
from phrasing.report import Report, answer, caveats, cells, markdown
from phrasing.stats import wilson
from phrasing.suite import Requirement
from worlds import record

NAN = math.nan


def row(format: str = "lines", intent: float = 0.5, n: int = 20, **more: Any) -> dict[str, Any]:
    axes = {"function": "F", "format": format, "output": "prompted", "model": "m"} | {
        key: more.pop(key) for key in ("function", "output", "model") if key in more
    }
    low, high = wilson(intent, n) if n else (NAN, NAN)
    return {
        "arm": ",".join(axes.values()),
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
        **more,
    }


def made(*rows: dict[str, Any], baseline: str | None = "lines", verdicts: Any = (), **changes: Any) -> Report:
    base = next((r["arm"] for r in rows if r["format"] == baseline), None)
    arms = tuple(r["arm"] for r in rows)
    return Report(
        record=record(
            **{
                "arms": arms,
                "baselines": dict.fromkeys(arms, base) if base else {},
                "trials": sum(r["trials"] for r in rows),
                **changes,
            }
        ),
        arms=rows,
        chosen={arm: {"send": 12, "ask": 8} for arm in arms},
        forms={arm: {"exact": 20} for arm in arms},
        stages={arm: {} for arm in arms},
        verdicts=tuple(verdicts),
        asked=("2030-01-02T03:04:05.000Z", "2030-01-02T03:09:05.000Z"),
    )


# ---------------------------------------------------------------------------------------------- the answer sentence


def test_overlapping_intervals_tell_nothing_apart() -> None:
    assert answer(made(row(), row("tags", 0.6, prompt_ratio=1.25))) == (
        "lines (the baseline) picked an acceptable step in 50 % (30–70) of 20 cases; "
        "tags in 60 % (39–78) with 1.25 times its context tokens. "
        "All these intervals overlap the baseline's: by themselves they don't tell the arms apart.\n\n"
        "A random step is right in 25 %."
    )


def test_intervals_apart_are_named() -> None:
    assert answer(made(row(intent=0.2), row("tags", 0.9), row("json", 0.25))) == (
        "lines (the baseline) picked an acceptable step in 20 % (8–42) of 20 cases; "
        "tags in 90 % (70–97) with 1.00 times its context tokens; "
        "json in 25 % (11–47) with 1.00 times its context tokens. "
        "The interval of tags lies apart from the baseline's.\n\n"
        "A random step is right in 25 %."
    )
    assert "The interval of tags and json lies apart" in answer(made(row(intent=0.1), row("tags", 0.9), row("json", 0.8)))
    assert "The interval of tags lies apart" in answer(made(row(intent=0.9), row("tags", 0.1)))


def test_intervals_that_touch_overlap() -> None:
    low, high = 0.3, 0.6
    touching = made(row(intent_low=low, intent_high=high), row("tags", intent_low=high, intent_high=0.9))
    assert "overlap" in answer(touching)


def test_one_arm_alone_is_compared_with_nothing() -> None:
    assert answer(made(row())) == (
        "lines (the baseline) picked an acceptable step in 50 % (30–70) of 20 cases.\n\nA random step is right in 25 %."
    )


def test_without_a_baseline_each_arm_stands_alone() -> None:
    assert answer(made(row(), row("tags", 0.6), baseline=None)) == (
        "lines: 50 % (30–70). tags: 60 % (39–78).\n\nA random step is right in 25 %."
    )


def test_each_baseline_has_its_own_sentence() -> None:
    rows = [row(format, model=model) for model in ("a", "b") for format in ("lines", "tags")]
    baselines = {r["arm"]: f"F,lines,prompted,{r['model']}" for r in rows}
    text = answer(made(*rows, baselines=baselines))
    assert text.count("(the baseline)") == 2
    assert "lines a (the baseline)" in text
    assert "; tags b in" in text


@pytest.mark.parametrize("others", [(row("tags", n=0),), (row("tags", n=0), row("json", n=0))], ids=["one", "two"])
def test_arms_without_an_answer_claim_nothing(others: tuple[dict[str, Any], ...]) -> None:
    text = answer(made(row(), *others))
    assert "; tags in – (nothing answered)" in text
    assert "overlap" not in text
    assert "apart" not in text


def test_baseline_without_an_answer_claims_nothing() -> None:
    text = answer(made(row(n=0), row("tags")))
    assert text.startswith("lines (the baseline) has no answer; tags in 50 % (30–70)")
    assert "overlap" not in text
    assert "apart" not in text


# ---------------------------------------------------------------------------------------------- what must be known


def test_caveats_of_a_good_run_are_the_chance_alone() -> None:
    assert caveats(made(row())) == ["A random step is right in 25 %."]


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (made(row(truncated=0.021)), "lines: 2 % of the answers were cut at the token limit."),
        (made(row(text_calls=1.0)), "lines: 100 % of the tool calls were written as text."),
        (made(row(errors=3)), "3 trials have no answer because of errors and are in no figure."),
        (made(row(errors=1)), "1 trial has no answer because of an error and is in no figure."),
        (made(row(), trials=25), "5 of 25 trials weren't asked."),
        (made(row(), partial="-n 3"), "Only a part of the suite was asked (-n 3)."),
        (made(row(), chance={"a": 0.1, "b": 0.304, "c": 0.2}), "A random step is right in 10 to 30 %."),
        (made(row(), chance={"a": 0.1, "b": 0.1}), "A random step is right in 10 %."),
        (
            made(row(), models={"tiny": {"id": "local/tiny", "digest": None}}),
            "tiny: a small model inside this environment; its figures are a smoke test.",
        ),
    ],
    ids=["truncated", "text calls", "errors", "one error", "unasked", "partial", "chances", "one chance", "small"],
)
def test_caveats(report: Report, said: str) -> None:
    assert said in caveats(report)
    assert answer(report).endswith(" ".join(caveats(report)))


def test_two_percent_of_truncated_answers_pass_in_silence() -> None:
    assert "cut" not in answer(made(row(truncated=0.02)))


# ---------------------------------------------------------------------------------------------- labels and cells


def test_labels_show_only_the_axes_that_vary() -> None:
    one = made(row())
    assert (one.label(one.arms[0]["arm"]), one.common) == ("lines", "function F, format lines, output prompted, model m")
    two = made(row(), row("tags"))
    assert ([two.label(r["arm"]) for r in two.arms], two.common) == (["lines", "tags"], "function F, output prompted, model m")
    mixed = made(row(model="a"), row("tags", model="b", output="tool"))
    assert [mixed.label(r["arm"]) for r in mixed.arms] == ["lines prompted a", "tags tool b"]
    assert mixed.common == "function F"
    named = made(*(row(function=name) for name in ("DetermineNextStepMail", "DetermineNextStep", "Other")))
    assert [named.label(r["arm"]) for r in named.arms] == ["Mail", "DetermineNextStep", "Other"]


def test_cells() -> None:
    assert cells(row(harm_k=1, harm_n=3, errors=2)) == (
        "20", "50 (30–70)", "50", "100", "1/3", "1,234 ×1.00", "10", "2", "1.2"
    )  # fmt: skip
    assert cells(row(n=0, prompt_tokens=NAN, prompt_ratio=NAN, answer_tokens=NAN, seconds=NAN)) == (
        "0", "–", "–", "–", "–", "–", "–", "0", "–"
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------- markdown


def test_markdown_whole(golden: Callable[[str, str], None]) -> None:
    rows = (row(intent=0.2, harm_k=1, harm_n=3), row("tags", 0.9, prompt_ratio=1.25))
    requirement = Requirement.model_validate({"score": "intent", "min": 0.5})
    report = made(
        *rows,
        verdicts=evaluate([requirement], rows),
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


def test_markdown_of_no_answer() -> None:
    report = made(row(n=0, prompt_tokens=NAN, prompt_ratio=NAN, answer_tokens=NAN, seconds=NAN, truncated=NAN, text_calls=NAN))
    assert "| lines | 0 | – | – | – | – | – | – | 0 | – |" in markdown(report)


def test_chosen_steps_have_a_column_each_in_one_order() -> None:
    first, second = row(), row("tags")
    report = made(first, second)
    swapped = Report(**{**vars(report), "chosen": {first["arm"]: {"b": 2, "a": 1}, second["arm"]: {"c": 3}}})
    lines = markdown(swapped).splitlines()
    at = lines.index("## Steps chosen")
    assert lines[at + 2 : at + 6] == [
        "| arm | a | b | c |",
        "| --- | ---: | ---: | ---: |",
        "| lines | 1 | 2 | 0 |",
        "| tags | 0 | 0 | 3 |",
    ]


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (0.004, "0"), (0.996, "100"), (1.0, "100"), (NAN, "–")])
def test_percent(value: float, text: str) -> None:
    assert reports.percent(value) == text
