"""Matchers: what each accepts and refuses, and what a wrong one says."""

from __future__ import annotations

import ast
import json
import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phrasing.score.matchers import MATCHERS, check_matchers, match_args
from phrasing.types import StepMatch
from support.paths import REPOSITORY


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        pytest.param("staging", "staging", id="text"),
        pytest.param(3, 3.0, id="whole-number-as-float"),
        pytest.param(None, None, id="null"),
        pytest.param([1, "a"], [1.0, "a"], id="list"),
        pytest.param({"a": 1}, {"a": 1, "b": 2}, id="object-with-more-keys"),
        pytest.param({"a": None}, {}, id="null-for-a-key-left-out"),
        pytest.param({}, {"a": 1}, id="any-object"),
        pytest.param({"$any_of": ["a", 1]}, 1.0, id="any-of"),
        pytest.param({"$any_of": [{"$regex": "^v"}, None]}, "v1", id="any-of-matchers"),
        pytest.param({"$ignore": True}, {"anything": []}, id="ignore"),
        pytest.param({"$number": 3.5}, 3.5, id="number"),
        pytest.param({"$number": 0.3}, 0.1 + 0.2, id="number-default-tolerance"),
        pytest.param({"$number": 3, "$tolerance": 1}, 4, id="number-at-its-tolerance"),
        pytest.param({"$number": 3.5, "$tolerance": 0.1}, 3.6, id="number-at-its-tolerance-as-floats"),
        pytest.param("staging", " staging\n", id="outer-white-space"),
        pytest.param("\u00e9t\u00e9", "e\u0301te\u0301", id="composed-in-another-way"),
        pytest.param({"$int": 3}, 3, id="whole-number"),
        pytest.param({"$regex": "v[0-9]"}, "tag v1", id="regex-finds"),
        pytest.param({"$regex": "^\u00e9."}, "e\u0301t", id="regex-in-nfc"),
        pytest.param({"$contains": "\u00c9"}, "te\u0301te", id="contains-in-nfc"),
        pytest.param({"$any_case": "New York"}, "NEW york ", id="any-case"),
        pytest.param({"$any_case": "Stra\u00dfe"}, "STRASSE", id="any-case-folds"),
        pytest.param({"$loose": "April 1, 2024"}, "april 1 2024", id="loose"),
        pytest.param({"$loose": "it's"}, 'it"s', id="loose-quotes"),
        pytest.param({"$loose": "1.2"}, "12", id="loose-isnt-for-numbers"),
        pytest.param({"$only": {"a": {"$only": {"b": "x"}}}}, {"a": {"b": "x", "c": None}, "d": None}, id="only"),
        pytest.param({"$contains": "PROD"}, "to production", id="contains-in-any-case"),
        pytest.param({"$contains": "a"}, ["b", "a"], id="contains-an-element"),
        pytest.param({"$contains": {"id": {"$number": 2}}}, [{"id": 1}, {"id": 2, "x": 0}], id="contains-a-match"),
        pytest.param({"$set": [1, 2, 2]}, [2, 1, 2], id="set"),
        pytest.param({"$set": []}, [], id="empty-set"),
        pytest.param({"$set": [{"$ignore": True}, "a"]}, ["a", "b"], id="set-gives-each-its-own"),
        pytest.param({"a": [{"b": {"$any_of": ["x", "y"]}}]}, {"a": [{"b": "y"}]}, id="nested-matcher"),
    ],
)
def test_what_matches(expected: Any, got: Any) -> None:
    check_matchers(StepMatch(intent="go", args={"x": expected}))
    assert match_args({"x": expected}, {"x": got, "other": 1}) is None


@pytest.mark.parametrize(
    ("expected", "got", "difference"),
    [
        pytest.param(
            "staging", "Staging", "x: expected 'staging', got 'Staging' (they differ in case)", id="text-in-another-case"
        ),
        pytest.param("3", 3, "x: expected '3', got 3", id="text-for-a-number"),
        pytest.param(3, "3", "x: expected 3, got '3'", id="number-for-text"),
        pytest.param(1, True, "x: expected 1, got true", id="true-is-not-one"),
        pytest.param(False, 0, "x: expected false, got 0", id="zero-is-not-false"),
        pytest.param(None, "", "x: expected null, got ''", id="null"),
        pytest.param("a", None, "x: expected 'a', got null", id="null-for-text"),
        pytest.param([1, 2], [2, 1], "x[0]: expected 1, got 2", id="list-in-another-order"),
        pytest.param([1], [1, 2], "x: expected [1], got [1, 2]", id="list-too-long"),
        pytest.param([1], {"0": 1}, 'x: expected [1], got {"0": 1}', id="list-for-an-object"),
        pytest.param({"a": 1}, [1], 'x: expected {"a": 1}, got [1]', id="object-for-a-list"),
        pytest.param({"a": {"b": 1}}, {"a": {"b": 2}}, "x.a.b: expected 1, got 2", id="nested"),
        pytest.param({"a": 1}, {}, "x.a: expected 1, got nothing", id="key-left-out"),
        pytest.param(
            {"$any_of": ["a", {"$regex": "^v"}]}, "b", "x: expected one of 'a', text matching '^v', got 'b'", id="any-of"
        ),
        pytest.param({"$number": 3.5}, "3.5", "x: expected 3.5 ± 1e-09, got '3.5'", id="number-as-text"),
        pytest.param({"$number": 1}, True, "x: expected 1 ± 1e-09, got true", id="number-as-boolean"),
        pytest.param({"$number": 3, "$tolerance": 0.5}, 3.6, "x: expected 3 ± 0.5, got 3.6", id="number-too-far"),
        pytest.param({"$number": 0.5}, 10**400, "x: expected 0.5 ± 1e-09, got 1" + "0" * 78 + "…", id="number-beyond-floats"),
        pytest.param(
            "a b",
            "a  b",
            "x: expected 'a b', got 'a  b' (they differ in white space: U+0062 and U+0020 at character 3)",
            id="white-space-inside",
        ),
        pytest.param(
            {"a": {"e\u0301": 1}}, {"a": {"\u00e9": 1}}, "x.a.e\u0301: expected 1, got nothing", id="keys-as-they-stand"
        ),
        pytest.param(
            {"$any_of": ["production", "staging"]},
            "st\u0430ging",
            "x: expected one of 'production', 'staging', got 'st\u0430ging' (they look alike: U+0061 and U+0430 at character 3)",
            id="any-of-looks-alike",
        ),
        pytest.param({"$int": 3}, 3.0, "x: expected 3, written as a whole number, got 3.0", id="whole-number-as-float"),
        pytest.param({"$int": 1}, True, "x: expected 1, written as a whole number, got true", id="whole-number-as-boolean"),
        pytest.param(
            {"$any_case": "a b"},
            "A  B",
            "x: expected 'a b' in any case, got 'A  B' (they differ in white space: U+0062 and U+0020 at character 3)",
            id="any-case",
        ),
        pytest.param({"$any_case": "1"}, 1, "x: expected '1' in any case, got 1", id="any-case-of-a-number"),
        pytest.param(
            {"$loose": "New York"},
            "Newark",
            "x: expected 'New York', whatever its case and punctuation, got 'Newark'",
            id="loose",
        ),
        pytest.param({"$only": {"a": 1}}, {"a": 1, "b": 2}, "x.b: expected nothing, got 2", id="only"),
        pytest.param({"$only": {"a": {"$only": {}}}}, {"a": {"b": 0}}, "x.a.b: expected nothing, got 0", id="only-inside"),
        pytest.param({"$only": {"a": 1}}, {"a": 2}, "x.a: expected 1, got 2", id="only-compares"),
        pytest.param({"$only": {"a": 1}}, [1], 'x: expected {"a": 1}, got [1]', id="only-wants-an-object"),
        pytest.param({"$regex": "^v"}, " v", "x: expected text matching '^v', got ' v'", id="regex"),
        pytest.param({"$regex": "1"}, 1, "x: expected text matching '1', got 1", id="regex-on-a-number"),
        pytest.param({"$contains": "a"}, "b", "x: expected something containing 'a', got 'b'", id="contains"),
        pytest.param({"$contains": "a"}, ["A"], "x: expected something containing 'a', got [\"A\"]", id="contains-an-element"),
        pytest.param({"$contains": 1}, "1", "x: expected something containing 1, got '1'", id="contains-a-number-in-text"),
        pytest.param({"$set": [1, 2]}, [1, 2, 2], "x: expected in any order [1, 2], got [1, 2, 2]", id="set-counts"),
        pytest.param({"$set": [1]}, 1, "x: expected in any order [1], got 1", id="set-wants-a-list"),
    ],
)
def test_what_differs(expected: Any, got: Any, difference: str) -> None:
    check_matchers(StepMatch(intent="go", args={"x": expected}))
    assert match_args({"x": expected}, {"x": got}) == difference


@pytest.mark.parametrize("expected", [None, {"$ignore": True}, {"$any_of": ["a", None]}], ids=["null", "ignore", "any-of-null"])
def test_an_argument_left_out_is_null(expected: Any) -> None:
    assert match_args({"x": expected}, {}) is None


@pytest.mark.parametrize("expected", ["a", [], {}, 0, {"$contains": ""}, {"$set": []}, {"$regex": ""}])
def test_an_argument_left_out_is_nothing_else(expected: Any) -> None:
    difference = match_args({"x": expected}, {})
    assert difference is not None
    assert difference.endswith("got nothing")


def test_a_label_may_accept_no_other_arguments() -> None:
    expected = {"x": "a", "y": {"$any_of": [1, None]}}
    for args in ({"x": "a"}, {"x": "a", "y": 1}, {"x": "a", "y": None, "z": None}):
        assert match_args(expected, args, only=True) is None
    assert match_args(expected, {"x": "a", "z": [1]}, only=True) == "z: expected nothing, got [1]"
    assert match_args({}, {"z": ""}, only=True) == "z: expected nothing, got ''"
    assert match_args(expected, {"x": "b", "z": 1}, only=True) == "x: expected 'a', got 'b'"


def test_long_values_are_cut() -> None:
    difference = match_args({"x": "a"}, {"x": "b" * 10_000})
    assert difference is not None
    assert len(difference) < 120


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(json_values)
def test_every_value_matches_itself(value: Any) -> None:
    copy = json.loads(json.dumps(value))
    for expected in (value, {"$any_of": [value]}, {"$any_of": ["other", value]}):
        assert match_args({"x": expected}, {"x": copy}) is None
    assert match_args({"x": {"$contains": value}}, {"x": [0, copy]}) is None


@settings(deadline=None)
@given(st.lists(json_values, max_size=5), st.randoms())
def test_a_set_has_no_order(values: list[Any], random: Any) -> None:
    shuffled = random.sample(values, len(values))
    assert match_args({"x": {"$set": values}}, {"x": shuffled}) is None
    assert match_args({"x": {"$set": values}}, {"x": [*shuffled, 1]}) is not None


@settings(deadline=None)
@given(st.lists(st.sets(st.integers(0, 4), min_size=1), max_size=5), st.permutations(range(5)))
def test_a_set_of_matchers_is_a_perfect_pairing(choices: list[set[int]], order: list[int]) -> None:
    def pairs(left: list[set[int]], items: tuple[int, ...]) -> bool:
        if not left:
            return not items
        return any(item in left[0] and pairs(left[1:], items[:i] + items[i + 1 :]) for i, item in enumerate(items))

    got = order[: len(choices)]
    matcher = {"$set": [{"$any_of": sorted(choice)} for choice in choices]}
    assert (match_args({"x": matcher}, {"x": got}) is None) == pairs(choices, tuple(got))


nfc_and_nfd = st.sampled_from(["caf\u00e9", "cafe\u0301", "\u212b", "A\u030a", "\uac01", "\u1100\u1161\u11a8"])


@settings(deadline=None)
@given(nfc_and_nfd, st.sampled_from(["NFC", "NFD"]), st.sampled_from(["", " ", "\u00a0\n"]))
def test_texts_are_the_same_wherever_they_stand(text: str, form: Any, space: str) -> None:
    written = space + unicodedata.normalize(form, text) + space
    matchers: list[Any] = [text, {"$any_of": ["x", text]}, {"$contains": text}, {"$any_case": text}, {"$loose": text}]
    for matcher in matchers:
        assert match_args({"x": matcher}, {"x": written}) is None
    lists: list[Any] = [[text], {"$set": [text]}, {"$contains": text}, [{"$any_case": text}]]
    for matcher in lists:
        assert match_args({"x": matcher}, {"x": [written]}) is None
    assert match_args({"x": {"$only": {"a": text}}}, {"x": {"a": written}}) is None
    assert match_args({"x": {"$regex": f"^{text}$"}}, {"x": unicodedata.normalize(form, text)}) is None


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), json_values, max_size=3), st.dictionaries(st.sampled_from("abcd"), json_values))
def test_only_refuses_what_isnt_named_and_nothing_else(expected: dict[str, Any], args: dict[str, Any]) -> None:
    named = {key: value for key, value in args.items() if key in expected}
    others = [key for key, value in args.items() if key not in expected and value is not None]
    right = match_args(expected, named) is None and not others
    assert (match_args(expected, args, only=True) is None) == right
    assert (match_args({"x": {"$only": expected}}, {"x": args}) is None) == right


def documented_reasons() -> list[tuple[str, str, str]]:
    """The reasons that the page shows: both texts, and the reason."""
    text = (REPOSITORY / "docs" / "datasets.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^(\w+: expected ('.*?'), got ('.*?') \(they .*\))$", text)
    return [(ast.literal_eval(one), ast.literal_eval(other), row) for row, one, other in rows]


def test_the_documented_reasons_are_given() -> None:
    rows = documented_reasons()
    assert len(rows) == 3
    for one, other, reason in rows:
        name = reason.partition(":")[0]
        assert match_args({name: one}, {name: other}) == reason


@settings(deadline=None)
@given(expected=json_values, got=json_values)
def test_any_two_values_compare(expected: Any, got: Any) -> None:
    difference = match_args({"x": expected}, {"x": got})
    assert difference is None or difference.startswith("x")


def documented() -> list[tuple[str, list[str], list[str]]]:
    """The rows of the table of matchers: matcher, what it accepts, what it refuses."""
    text = (REPOSITORY / "docs" / "datasets.md").read_text(encoding="utf-8")
    cells = [row.split("|")[-4:-1] for row in text.splitlines() if row.startswith("|") and '{"$' in row]
    code = re.compile("`(.*?)`")
    return [(code.findall(matcher)[0], code.findall(yes), code.findall(no)) for matcher, yes, no in cells]


def test_the_documented_examples_hold() -> None:
    rows = documented()
    assert {key for matcher, _, _ in rows for key in json.loads(matcher)} == {*MATCHERS, "$tolerance"}
    for matcher, accepted, refused in rows:
        label = StepMatch(intent="go", args={"x": json.loads(matcher)})
        check_matchers(label)
        assert [match_args(label.args, {"x": json.loads(value)}) for value in accepted] == [None] * len(accepted)
        assert all(match_args(label.args, {"x": json.loads(value)}) for value in refused)


# ---------------------------------------------------------------------------------------------- wrong matchers


@pytest.mark.parametrize(
    ("matcher", "message"),
    [
        pytest.param(
            {"$anyof": ["a"]},
            "args.x: matcher '$anyof' not found (did you mean '$any_of'?); "
            "there are: $any_case, $any_of, $contains, $ignore, $int, $loose, $number, $only, $regex, $set",
            id="unknown",
        ),
        pytest.param(
            {"$regex": "a", "b": 1}, "args.x: a matcher stands alone in its object, got the keys '$regex', 'b'", id="mixed"
        ),
        pytest.param(
            {"b": 1, "$regex": "a"}, "args.x: a matcher stands alone in its object, got the keys 'b', '$regex'", id="mixed-2"
        ),
        pytest.param(
            {"$regex": "a", "$contains": "b"},
            "args.x: a matcher stands alone in its object, got the keys '$regex', '$contains'",
            id="two",
        ),
        pytest.param({"$any_of": []}, "args.x.$any_of: wanted a list of at least one value, got []", id="any-of-nothing"),
        pytest.param({"$any_of": "ab"}, "args.x.$any_of: wanted a list of at least one value, got 'ab'", id="any-of-text"),
        pytest.param({"$ignore": False}, "args.x.$ignore: wanted true, got false", id="ignore-false"),
        pytest.param({"$ignore": 1}, "args.x.$ignore: wanted true, got 1", id="ignore-one"),
        pytest.param({"$number": "3"}, "args.x.$number: wanted a number, got '3'", id="number-as-text"),
        pytest.param({"$number": True}, "args.x.$number: wanted a number, got true", id="number-as-boolean"),
        pytest.param(
            {"$number": 3, "$tolerance": -1}, "args.x.$tolerance: wanted a number of at least 0, got -1", id="tolerance"
        ),
        pytest.param({"$tolerance": 1, "$number": None}, "args.x.$number: wanted a number, got null", id="tolerance-first"),
        pytest.param(
            {"$tolerance": 1},
            "args.x: matcher '$tolerance' not found; "
            "there are: $any_case, $any_of, $contains, $ignore, $int, $loose, $number, $only, $regex, $set; "
            "$tolerance stands beside $number",
            id="tolerance-alone",
        ),
        pytest.param({"$regex": 1}, "args.x.$regex: wanted a pattern as text, got 1", id="regex-as-number"),
        pytest.param(
            {"$regex": "("}, "args.x.$regex: '(' is no pattern: missing ), unterminated subpattern at position 0", id="regex"
        ),
        pytest.param({"$set": {}}, "args.x.$set: wanted a list, got {}", id="set"),
        pytest.param({"$int": 3.0}, "args.x.$int: wanted a whole number, got 3.0", id="int-as-float"),
        pytest.param({"$int": True}, "args.x.$int: wanted a whole number, got true", id="int-as-boolean"),
        pytest.param({"$any_case": 1}, "args.x.$any_case: wanted a text, got 1", id="any-case"),
        pytest.param({"$loose": None}, "args.x.$loose: wanted a text, got null", id="loose"),
        pytest.param({"$only": ["a"]}, 'args.x.$only: wanted an object, got ["a"]', id="only"),
        pytest.param(
            {"$only": {"$any_of": [1]}}, 'args.x.$only: wanted an object, got {"$any_of": [1]}', id="only-with-a-matcher"
        ),
        pytest.param({"$only": {"a": {"$int": "1"}}}, "args.x.$only.a.$int: wanted a whole number, got '1'", id="inside-only"),
        pytest.param({"$set": [{"$regex": 1}]}, "args.x.$set[0].$regex: wanted a pattern as text, got 1", id="inside-a-set"),
        pytest.param({"$any_of": [{"$ignore": 0}]}, "args.x.$any_of[0].$ignore: wanted true, got 0", id="inside-any-of"),
        pytest.param({"$contains": {"$ignore": 0}}, "args.x.$contains.$ignore: wanted true, got 0", id="inside-contains"),
        pytest.param({"a": [{"b": {"$ignore": 0}}]}, "args.x.a[0].b.$ignore: wanted true, got 0", id="nested"),
    ],
)
def test_a_wrong_matcher_is_refused(matcher: Any, message: str) -> None:
    with pytest.raises(ValueError, match="args") as caught:
        check_matchers(StepMatch(intent="go", args={"x": matcher}))
    assert str(caught.value) == message
