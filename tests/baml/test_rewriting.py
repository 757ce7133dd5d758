"""Sources are changed as a person would change them by hand, and nothing else of them."""

from __future__ import annotations

import re
from textwrap import dedent, indent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.baml import rewriting

WORDS = st.sampled_from(
    ["mail", "Send it.", "{{ thread }}", '"quoted"', "# 3", '"#', '"##', "// no comment", "  in", ")", "{", "a|b"]
)
LINES = st.lists(st.lists(WORDS, min_size=1, max_size=4).map(" ".join) | st.just(""), min_size=1, max_size=6)
MARGINS = st.sampled_from(["", "  ", "    ", "\t", " \t"])


def raw(text: str) -> str:
    hashes = "#" * (1 + max(map(len, re.findall(r'"(#+)', text)), default=0))
    return f'{hashes}"{text}"{hashes}'


OTHERS = '// function F(\nfunction Fa(thread: string) -> A {\n  prompt #"not"#\n}\n'


def source(prompt: str) -> str:
    return f"{OTHERS}function F(thread: string) -> A {{\n  client C\n  prompt {raw(prompt)}\n}}\n"


def prompt_of(text: str) -> str:
    """What a source's function says, as BAML takes it: without what all lines begin with."""
    found = re.search(r'\nfunction F\(.*?prompt (#+)"(.*?)"\1\n', text, re.DOTALL)
    assert found
    return dedent(found[2]).strip()


@given(LINES, LINES, LINES, LINES, MARGINS)
def test_a_text_is_replaced_as_by_hand(before: list[str], old: list[str], new: list[str], after: list[str], margin: str) -> None:
    old = ["<" + old[0], *old[1:-1], *([old[-1] + ">"] if len(old) > 1 else [">"])]
    text, by = "\n".join(old), "\n".join(new)
    whole = "\n".join(["first", *before, *old, *after, "last"])
    made = rewriting.replace_text({"a.baml": "", "b.baml": source("\n" + indent(whole, margin) + "\n")}, "F", text, by)
    assert made["a.baml"] == ""
    assert prompt_of(made["b.baml"]) == whole.replace(text, by, 1).strip()
    assert made["b.baml"].startswith(source("x").partition('prompt #"x')[0])


@given(LINES, st.integers(2, 4), MARGINS)
def test_a_text_that_stands_there_more_than_once_is_refused(words: list[str], times: int, margin: str) -> None:
    text = "<" + "\n".join(words) + ">"
    whole = source("\n" + indent("\n".join(["first", *[text] * times]), margin) + "\n")
    with pytest.raises(ValueError, match=f"stands {times} times in the prompt of 'F' \\(b.baml:[0-9:, .a-z]+\\), wanted once"):
        rewriting.replace_text({"b.baml": whole}, "F", text, "x")
    with pytest.raises(ValueError, match=r"doesn't stand in the prompt of 'F' \(b.baml:7\), wanted once"):
        rewriting.replace_text({"b.baml": whole}, "F", text + "!", "x")


FIELDS = {
    "plain": "  NAME string\n",
    "described": '  NAME string @description("a } b") // said\n',
    "on several lines": '  NAME (int | string)\n    @description(#"\n      x\n      // y\n    "#)\n    @alias("of_NAME")\n',
    "a union": '  NAME "a" |\n    "b"\n',
    "another union": '  NAME "a"\n    | "b"\n',
    "commented": "  // about it\n  /// more of it\n  NAME int?\n",
    "asserted": "  NAME int @assert(\n    good,\n    {{ this > 0 }}\n  )\n",
}


@given(st.permutations(sorted(FIELDS)), st.data())
def test_fields_go_with_all_that_is_theirs(kinds: list[str], data: st.DataObject) -> None:
    names = [f"f{i}" for i in range(len(kinds))]
    written = {name: FIELDS[kind].replace("NAME", name) for name, kind in zip(names, kinds, strict=True)}
    attribute = data.draw(st.sampled_from(["", '  @@description("of all")\n', '  @@alias("other")\n']))
    text = "class Other {\n  f0 int\n}\nclass Made {\n" + "".join(written.values()) + attribute + "}\nenum Last {\n  A\n}\n"
    order = data.draw(st.permutations(names).filter(lambda made: made != names))
    made = rewriting.reorder({"m.baml": text}, "Made", order, names)["m.baml"]
    assert (
        made
        == "class Other {\n  f0 int\n}\nclass Made {\n"
        + "".join(written[name] for name in order)
        + attribute
        + "}\nenum Last {\n  A\n}\n"
    )


@given(st.lists(st.sampled_from("abcdef"), min_size=2, unique=True), st.data())
def test_an_order_that_changes_nothing_is_refused(declared: list[str], data: st.DataObject) -> None:
    order = data.draw(st.lists(st.sampled_from([*declared, rewriting.REST]), min_size=1, unique=True))
    text = "class Made {\n" + "".join(f"  {name} int\n" for name in declared) + "}\n"
    wanted = rewriting.arranged(order, declared)
    if wanted == declared:
        with pytest.raises(ValueError, match="Made has its fields in this order already: "):
            rewriting.reorder({"m.baml": text}, "Made", order, declared)
    else:
        made = rewriting.reorder({"m.baml": text}, "Made", order, declared)["m.baml"]
        assert re.findall(r"(\w) int", made) == wanted


@given(st.lists(st.sampled_from("abcdef"), min_size=2, unique=True), st.data())
def test_an_order_keeps_what_it_does_not_name(declared: list[str], data: st.DataObject) -> None:
    named = data.draw(st.lists(st.sampled_from(declared), unique=True))
    at = data.draw(st.none() | st.integers(0, len(named)))
    order = named if at is None else [*named[:at], rewriting.REST, *named[at:]]
    made = rewriting.arranged(order, declared)
    others = [name for name in declared if name not in named]
    at = len(named) if at is None else at
    assert made == [*named[:at], *others, *named[at:]]
