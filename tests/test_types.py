"""The nouns: the text of a variant, which stands in stored ids."""

from __future__ import annotations

from typing import cast, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.types import AXES, CaseNote, Output, StepMatch, Trial, Variant, read_axes, write_axes

WORDS = st.text(min_size=1).filter(lambda text: "," not in text)
VARIANTS = st.builds(Variant, WORDS, WORDS, WORDS, st.sampled_from(cast("tuple[Output, ...]", get_args(Output))), WORDS)


def test_the_text_of_a_variant_stays_what_is_stored() -> None:
    variant = Variant("Mail", "none", "trace(tag=xml indent=2)", "prompted", "qwen2.5-0.5b")
    assert str(variant) == "Mail,none,trace(tag=xml indent=2),prompted,qwen2.5-0.5b"
    assert Trial("mail", "c1", variant, 2).id == f"mail::c1[{variant}]#2"


@given(VARIANTS)
def test_a_variant_round_trips(variant: Variant) -> None:
    assert Variant.parse(str(variant)) == variant
    assert Variant(**variant.axes) == variant  # type: ignore[arg-type]
    assert read_axes(str(variant)) == variant.axes
    without = [axis for axis in AXES if axis != "model"]
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


def test_a_label_is_stored_as_it_always_was() -> None:
    plain = StepMatch(intent="stop", args={"a": 1})
    assert plain.model_dump_json() == '{"intent":"stop","args":{"a":1}}'
    assert StepMatch(intent="stop", only=True).model_dump_json() == '{"intent":"stop","args":{},"only":true}'
    for label in (plain, StepMatch(intent="stop", only=True)):
        assert StepMatch.model_validate_json(label.model_dump_json()) == label
        note = CaseNote(expect=("stop",), labels=(label,))
        assert CaseNote.model_validate_json(note.model_dump_json()) == note
