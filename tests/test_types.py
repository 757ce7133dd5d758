"""The nouns: the text of a variant, which stands in stored ids."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from phrasing.types import (
    AXES,
    VALID_FORMS,
    AnswerForm,
    CaseNote,
    Mode,
    Parsed,
    Step,
    StepMatch,
    Trial,
    Variant,
    read_axes,
    write_axes,
)

WORDS = st.text(min_size=1).filter(lambda text: "," not in text)
VARIANTS = st.builds(Variant, WORDS, WORDS, WORDS, st.sampled_from([*get_args(Mode), "prompted(yaml)"]), WORDS)


def test_the_text_of_a_variant_stays_what_is_stored() -> None:
    variant = Variant("Mail", "none", "trace(tag=xml indent=2)", "prompted", "qwen2.5-0.5b")
    assert str(variant) == "Mail,none,trace(tag=xml indent=2),prompted,qwen2.5-0.5b"
    assert Trial("mail", "c1", variant, 2).id == f"mail::c1[{variant}]#2"


@given(VARIANTS)
def test_a_variant_round_trips(variant: Variant) -> None:
    assert Variant.parse(str(variant)) == variant
    assert Variant(**variant.axes) == variant  # type: ignore[arg-type]
    assert read_axes(str(variant)) == variant.axes
    without = [axis for axis in AXES if axis not in ("model", "control")]
    assert list(read_axes(write_axes(variant.axes[axis] for axis in without))) == without


@given(VARIANTS, VARIANTS)
def test_a_variant_is_moved_and_matched_by_the_names_of_its_axes(one: Variant, other: Variant) -> None:
    assert one.moved(other.axes) == other
    assert one.moved({"format": other.format}).axes == {**one.axes, "format": other.format}
    assert one.matches({})
    assert one.matches(other.axes) == (one == other)


@pytest.mark.parametrize("text", ["", "Mail", "Mail,none,json", "Mail,none,json,prompted", "Mail,none,json,prompted,m,x"])
def test_another_text_is_no_variant(text: str) -> None:
    with pytest.raises(ValueError, match="is no variant; wanted function,edit,format,output,model"):
        Variant.parse(text)


STEP = Step(intent="send", args={"to": "ann"})


@pytest.mark.parametrize("form", get_args(AnswerForm))
def test_readings_of_earlier_runs_say_what_stands_without_repair(form: AnswerForm) -> None:
    line = f'{{"step": {STEP.model_dump_json()}, "form": "{form}", "marks": ["several_calls"]}}'
    stored = Parsed.model_validate_json(line)
    assert (stored.step, stored.further, stored.marks) == (STEP, (), ("several_calls",))
    assert stored.as_it_stands == (STEP if form in VALID_FORMS else None)


@given(
    step=st.none() | st.just(STEP),
    stands=st.none() | st.just(STEP) | st.just(Step(intent="ask")),
    further=st.lists(st.just(STEP), max_size=2).map(tuple),
    form=st.sampled_from(get_args(AnswerForm)),
)
def test_both_readings_are_stored(step: Step | None, stands: Step | None, further: tuple[Step, ...], form: AnswerForm) -> None:
    stands = step if form in VALID_FORMS else stands
    parsed = Parsed(step=step, as_it_stands=stands, further=further, form=form)
    for line in (
        parsed.model_dump_json(),
        parsed.model_dump_json(exclude_defaults=True),
        parsed.model_dump_json(exclude_none=True),
    ):
        assert Parsed.model_validate_json(line) == parsed


def test_a_label_is_stored_as_it_always_was() -> None:
    plain, notes = StepMatch(intent="stop", args={"a": 1}), TypeAdapter(CaseNote)
    assert plain.model_dump_json() == '{"intent":"stop","args":{"a":1}}'
    assert StepMatch(intent="stop", only=True).model_dump_json() == '{"intent":"stop","args":{},"only":true}'
    for label in (plain, StepMatch(intent="stop", only=True)):
        assert StepMatch.model_validate_json(label.model_dump_json()) == label
        note = CaseNote(expect=("stop",), labels=(label,))
        assert notes.validate_json(notes.dump_json(note)) == note
    logged = CaseNote(expect=("stop",), strength="logged", turn=0, labels=(plain,), labeller="model", together="all")
    assert notes.dump_json(CaseNote(expect=("a",))).decode() == (
        '{"group":null,"tags":[],"expect":["a"],"strength":"written","last":"","events":0,"turn":null,"labels":[],"forbid":[]}'
    )
    assert notes.dump_json(logged).decode() == (
        '{"group":null,"tags":[],"expect":["stop"],"strength":"observed","last":"","events":0,"turn":0,'
        '"labels":[{"intent":"stop","args":{"a":1}}],"forbid":[],"labeller":"model","together":"all"}'
    )
