"""Texts: which are the same, and what is said of two that look alike."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.errors import unknown
from phrasing.texts import caseless, first_unlike, how_unlike, loose, normal, normal_json

odd = "aAbe -_./'\"0O1lI|\t\u00e9\u0301\u0308\u0345\u0130\u0131\u00df\u1e9e\u03a3\u03c3\u03c2\u0390"
odd += "\u1fb3\ufb01\u00a0\u200b\u3000\u0430\u0421"
odd += "\u212b\u1100\u1161\u11a8\u0344\u0340"  # an angstrom, Hangul in parts, marks that are made of others
texts = st.text(st.characters(codec="utf-8") | st.sampled_from(odd), max_size=8)
FORMS = (normal, caseless, loose)


@given(texts, st.sampled_from(["NFC", "NFD"]), st.sampled_from(["", " ", "\t\n", "\u00a0", "\u3000"]))
def test_composition_and_outer_white_space_never_count(text: str, form: str, space: str) -> None:
    written = space + unicodedata.normalize(form, text) + space  # type: ignore[arg-type]
    assert [make(written) for make in FORMS] == [make(text) for make in FORMS]
    assert how_unlike(text, written) is None


@given(texts)
def test_a_form_is_its_own_form(text: str) -> None:
    assert [make(make(text)) for make in FORMS] == [make(text) for make in FORMS]


@given(texts, texts)
def test_each_form_tells_less_apart(one: str, other: str) -> None:
    if normal(one) == normal(other):
        assert caseless(one) == caseless(other)
    if caseless(one) == caseless(other):
        assert loose(one) == loose(other)


@given(texts, texts)
def test_what_is_said_of_two_texts_is_true_of_both_orders(one: str, other: str) -> None:
    there, back = how_unlike(one, other), how_unlike(other, one)
    assert (there is None) == (back is None)
    if normal(one) == normal(other):
        assert there is None
    elif caseless(one) == caseless(other):
        assert there == back == "they differ in case"


@pytest.mark.parametrize(
    ("one", "other", "how"),
    [
        pytest.param("staging", "STAGING", "they differ in case", id="case"),
        pytest.param("Straße", "STRASSE", "they differ in case", id="sharp-s"),
        pytest.param("a b", "a  b", "they differ in white space: U+0062 and U+0020 at character 3", id="two-spaces"),
        pytest.param("a b", "a\u00a0b", "they differ in white space: U+0020 and U+00A0 at character 2", id="no-break-space"),
        pytest.param("ab", "a b", "they differ in white space: U+0062 and U+0020 at character 2", id="a-space-more"),
        pytest.param(" staging", "st\u0430ging", "they look alike: U+0061 and U+0430 at character 3", id="cyrillic"),
        pytest.param("PROD", "\u03a1ROD", "they look alike: U+0050 and U+03A1 at character 1", id="greek"),
        pytest.param("prod", "prod\u200b", "they look alike: nothing and U+200B at character 5", id="zero-width"),
        pytest.param("prod", "\ufeffprod", "they look alike: U+0070 and U+FEFF at character 1", id="byte-order-mark"),
        pytest.param("a-b", "a\u2013b", "they look alike: U+002D and U+2013 at character 2", id="dash"),
        pytest.param("it's", "it\u2019s", "they look alike: U+0027 and U+2019 at character 3", id="apostrophe"),
        pytest.param("\uff41", "a", "they look alike: U+FF41 and U+0061 at character 1", id="full-width"),
        pytest.param("cafe", "café", "they look alike: U+0065 and U+00E9 at character 4", id="accent"),
        pytest.param("v1.O", "v1.0", "they look alike: U+004F and U+0030 at character 4", id="nought"),
        pytest.param("l0", "I0", "they look alike: U+006C and U+0049 at character 1", id="el"),
        pytest.param("\u0421at", "CAT", "they look alike: U+0421 and U+0043 at character 1", id="shape-and-case"),
        pytest.param("staging", "production", None, id="others"),
        pytest.param("v1", "v2", None, id="digits"),
        pytest.param("é", "e\u0301 ", None, id="the-same"),
    ],
)
def test_how_two_texts_differ(one: str, other: str, how: str | None) -> None:
    assert how_unlike(one, other) == how


def test_the_first_text_that_looks_alike_is_told_apart() -> None:
    assert first_unlike(["production", "Staging"], "staging") == "they differ in case"
    assert first_unlike(["production"], "staging") is None


def test_a_name_that_looks_like_a_known_one_is_told_apart() -> None:
    told = unknown("intent", "d\u0435ploy", ["deploy", "stop"])
    assert told == (
        "intent 'd\u0435ploy' not found (did you mean 'deploy'? they look alike: U+0065 and U+0435 at character 2); "
        "there are: deploy, stop"
    )


def test_keys_of_objects_stay_as_they_are() -> None:
    written = {" e\u0301": [" e\u0301 ", {"a": "b "}], "n": 1.0, "m": 1.5, "t": True, "z": None}
    assert repr(normal_json(written)) == repr({" e\u0301": ["é", {"a": "b"}], "n": 1, "m": 1.5, "t": True, "z": None})
