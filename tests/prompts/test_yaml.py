"""What is written reads back as the same value, in YAML 1.1 and in the core schema of YAML 1.2."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from phrasing.prompts.yaml import dump

LOADERS = [yaml.SafeLoader, yaml.CSafeLoader]

# What a plain scalar means, by the tables of yaml.org/type (YAML 1.1) and of the core schema (YAML 1.2): written down apart from
# the emitter's own pattern, which is wider.
YAML_1_1 = [
    r"y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF",
    r"~|null|Null|NULL|",
    r"=|<<",
    r"[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+",
    r"[-+]?([0-9][0-9_]*)?\.[0-9.]*([eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*",
    r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
    r"[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]",
    r"[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?([Tt]|[ \t]+)[0-9][0-9]?:[0-9][0-9]:[0-9][0-9](\.[0-9]*)?"
    r"([ \t]*(Z|[-+][0-9][0-9]?(:[0-9][0-9])?))?",
]
YAML_1_2 = [
    r"null|Null|NULL|~|",
    r"true|True|TRUE|false|False|FALSE",
    r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?",
    r"[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN",
]
TYPED = [re.compile(pattern) for pattern in YAML_1_1 + YAML_1_2]

# Words that mean something to YAML, and characters that begin, end or break things.
WORDS = [
    *(
        "yes",
        "No",
        "on",
        "OFF",
        "y",
        "N",
        "true",
        "False",
        "null",
        "~",
        "=",
        "<<",
        "-",
        "--",
        "---",
        "--- a",
        "...",
        "... a",
        "- a",
    ),
    *("1", "-1", "+1", "01", "0o17", "0x1F", "0b1", "1_000", "1.5", ".5", "5.", "1e3", "1E-3", "1.e+3", ".inf", "-.INF", ".NaN"),
    *("12:30", "1:02:03.5", "2024-03-15", "2024-3-1 1:02:03", "2024-03-15T10:00:00Z", "2024-03-15 10:00:00.5 +01:00", "1.2.3"),
    *(
        "a: b",
        "a:",
        ":a",
        "a:b",
        "a #b",
        "a#b",
        "#a",
        "? a",
        "&a",
        "*a",
        "!a",
        "!!str a",
        "|",
        ">",
        "|-",
        "%a",
        "@a",
        "`a",
        "'a'",
    ),
    *(
        '"a"',
        "{a}",
        "[a]",
        "{",
        "]",
        "a, b",
        ", a",
        " a",
        "a ",
        "\ta",
        "a\tb",
        "a\t",
        "",
        " ",
        "\n",
        "\n\n",
        "a\n",
        "a\n\n",
        "\na",
    ),
    *("a\nb", " a\nb", "a\n b", "a\n  \nb", "\ta\nb", "a\n\tb", "a\n\t\nb", "a\r\nb", "a\rb", "a\x85b", "a\u2028b", "a\u2029b"),
    *(
        "\ufeffa",
        "a\ufeff",
        "a\x00b",
        "a\x7fb",
        "a\x9fb",
        "\ufffe",
        "\u00a0a",
        "a\u00a0",
        "\u3000",
        "é",
        "日本",
        "🚀",
        "👩\u200d🚀",
    ),
    *("a\n#b", "a\n---\nb", "a: |\nb", "</tag>", "<b>", "\\n", 'a"b', "a\n\n\n", "\n\na\n", "{{ x }}", "é\nè: 1\n", "x" * 1100),
]
texts = st.one_of(st.sampled_from(WORDS), st.text(), st.text(alphabet="a1:-#.'\" \n\t{}[]~_+eE<=\r\u2028", max_size=12))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def exact(value: object) -> str:
    """Tell 1 from 1.0 and from True, and keep the order of keys."""
    return json.dumps(value)


@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.__name__)
@given(value=values)
@example(value=[[[]], [{}], [[1, [2]], {"a": [{"b": {}}]}]])
@example(value={"a": "x\n", "b": ["y\n\n", {"c": "z\n\n"}]})
@example(
    value={"k" * 1022: 1, "l" * 1023: [1], "m" * 1024: {"a": "b\nc"}, "n" * 1025: {"a": "b\n", "c": [1]}, "yes" * 400: "d\n"}
)
def test_reads_back_as_the_same_value(loader: type[Any], value: Any) -> None:
    text = dump(value)
    assert exact(yaml.load(text, loader)) == exact(value)
    assert dump(value) == text


@given(value=values)
def test_reads_back_inside_a_larger_text(value: Any) -> None:
    # The line break at the end of a literal block is part of the value: it isn't written twice.
    text = indented(dump(value)).removesuffix("\n")
    assert exact(yaml.safe_load(f"a:\n  - 1\nb:\n{text}\nc: 2")["b"]) == exact(value)


def indented(text: str) -> str:
    return re.sub(r"^(?=.)", "  ", text, flags=re.MULTILINE)


@pytest.mark.parametrize("word", WORDS, ids=ascii)
@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.__name__)
def test_words_that_mean_something_stay_strings(loader: type[Any], word: str) -> None:
    for value in (word, [word], {word: word}, {"a": [word, {"b": word}], "c": word}):
        assert exact(yaml.load(dump(value), loader)) == exact(value)


@given(text=texts)
@example(text="0o17")
@example(text="1e3")
@example(text="y")
@example(text="1.2.3")
def test_a_plain_string_is_a_string_in_both_versions(text: str) -> None:
    if dump(text) == text:
        assert not [pattern.pattern for pattern in TYPED if pattern.fullmatch(text)]


@given(number=st.floats(allow_nan=False, allow_infinity=False))
@example(number=1e16)
@example(number=1e-7)
@example(number=-1.5e300)
@example(number=-0.0)
def test_a_float_is_a_float_in_both_versions(number: float) -> None:
    text = dump(number)
    assert re.fullmatch(YAML_1_1[4], text)
    assert re.fullmatch(YAML_1_2[3], text)
    assert repr(float(text)) == repr(number)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(
            {"tags": [{"name": "v1", "n": 1}, {"name": "v2"}]}, 'tags:\n  - name: v1\n    "n": 1\n  - name: v2', id="slide"
        ),
        pytest.param({"a": {"b": {}, "c": [], "d": None}}, "a:\n  b: {}\n  c: []\n  d: null", id="nested"),
        pytest.param([[1, [True]], {"a": [2.5]}], "- - 1\n  - - true\n- a:\n    - 2.5", id="list in list"),
        pytest.param([], "[]", id="empty list"),
        pytest.param({}, "{}", id="empty mapping"),
        pytest.param(None, "null", id="null"),
        pytest.param("a: b", '"a: b"', id="quoted"),
        pytest.param('"a" \\ \x07\x85\ufeff é 🚀', '"\\"a\\" \\\\ \\u0007\\u0085\\ufeff é 🚀"', id="escapes"),
        pytest.param({"a": "x\ny"}, "a: |-\n  x\n  y", id="block without a last line break"),
        pytest.param({"a": "x\n\n  y\n", "b": 1}, "a: |\n  x\n\n    y\nb: 1", id="block with a last line break"),
        pytest.param({"a": "x\n\n", "b": 1}, "a: |+\n  x\n\nb: 1", id="block with more"),
        pytest.param({"a": ["x\n"]}, "a:\n  - |\n    x\n", id="block at the end"),
        pytest.param({"a": " x\ny"}, 'a: " x\\ny"', id="first line begins with a space"),
        pytest.param({"a": "x\n \ny"}, 'a: "x\\n \\ny"', id="line of white space"),
        pytest.param({"a": "x\r\ny"}, 'a: "x\\r\\ny"', id="carriage return"),
        pytest.param({"k" * 1025: [1]}, f"? {'k' * 1025}\n: - 1", id="long key"),
        pytest.param({"a\nb": 1}, '"a\\nb": 1', id="key with a line break"),
        pytest.param(1e16, "1.0e+16", id="big float"),
        pytest.param(10**30, "1" + "0" * 30, id="big integer"),
    ],
)
def test_is_specified_to_the_byte(value: Any, text: str) -> None:
    assert dump(value) == text
    assert yaml.safe_load(text) == value


def test_a_lone_surrogate_is_escaped() -> None:
    assert dump({"a": "x\ud83dy"}) == 'a: "x\\ud83dy"'
    assert yaml.safe_load(dump({"a": "x\ud83dy"})) == {"a": "x\ud83dy"}


def test_big_and_deep() -> None:
    deep: Any = "end"
    for level in range(60):
        deep = {"k": deep} if level % 2 else [deep, level]
    value = {"wide": [{"id": number, "name": f"n{number}", "ok": None} for number in range(500)], "deep": deep}
    assert yaml.load(dump(value), yaml.CSafeLoader) == value


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (float("nan"), ValueError, "yaml: nan is not a JSON number"),
        ([float("inf")], ValueError, "yaml: inf is not a JSON number"),
        ({"a": (1, 2)}, TypeError, "yaml: tuple is not a JSON value"),
    ],
    ids=["nan", "inf", "tuple"],
)
def test_refuses_what_is_not_json(value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        dump(value)
