"""Tokens: segments add up to the whole, rules are as stated, and nothing is downloaded or left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import tiktoken
from hypothesis import example, given, settings
from hypothesis import strategies as st

from phrasing.errors import ModelError
from phrasing.records import TokenCounts
from phrasing.tokenizers import vocabulary
from phrasing.tokenizers.tokenizer import FRAMING, count, count_text, open_tokenizer
from phrasing.tokenizers.tool_rules import MOST_AROUND, QWEN, UNPUBLISHED, ToolRule, anthropic, openai
from phrasing.tokenizers.vocabulary import encoding
from phrasing.types import Message, Piece, Prompt, SegmentKind

KINDS: tuple[SegmentKind, ...] = get_args(SegmentKind)
ENCODINGS = ["o200k_base", "cl100k_base"]
ANTHROPIC = anthropic("claude-opus-4-5")


def prompt(*messages: list[tuple[SegmentKind, str]], **more: Any) -> Prompt:
    pieces = tuple(tuple(Piece(kind, text) for kind, text in message) for message in messages)
    sent = tuple({"role": "user", "content": "".join(piece.text for piece in message)} for message in pieces)
    return Prompt(messages=sent, pieces=pieces, **more)


def contents(counts: TokenCounts) -> int:
    return counts.total - counts.framing


# ---------------------------------------------------------------------------------------------- the tokenizer


def test_encodings_are_those_that_the_name_says() -> None:
    # Both are published: https://github.com/openai/openai-cookbook, "How to count tokens with tiktoken".
    assert encoding("cl100k_base").encode("antidisestablishmentarianism") == [519, 85342, 34500, 479, 8997, 2191]
    assert encoding("o200k_base").encode("2 + 2 = 4") == [17, 659, 220, 17, 314, 220, 19]


def test_an_unknown_tokenizer_lists_the_choices() -> None:
    with pytest.raises(
        ModelError, match=r"tokenizer 'o200k' not found \(did you mean 'o200k_base'\?\); there are: cl100k_base, o200k"
    ):
        encoding("o200k")


@pytest.mark.parametrize("state", ["missing", "damaged"])
def test_a_vocabulary_is_never_downloaded(tmp_path: Path, state: str) -> None:
    file = tmp_path / "fb374d419588a4632f3f557e76b4b70aebbca790"
    if state == "damaged":
        file.write_bytes(b"IQ== 0\n")
    with pytest.raises(ModelError) as caught:
        encoding("o200k_base", folder=tmp_path)
    assert f"tokenizer 'o200k_base': its vocabulary litellm/litellm_core_utils/tokenizers/{file.name} is {state}" in str(
        caught.value
    )
    assert "pip install" in str(caught.value)
    assert file.exists() == (state == "damaged")  # tiktoken would have removed it


@pytest.mark.slow
def test_loading_leaves_no_trace() -> None:
    program = """
import os, sys
from phrasing.tokenizers import tokenizer as tokens, vocabulary as vocabularies
assert "tiktoken" not in sys.modules and "numpy" not in sys.modules, "imported before it is used"
for others in ({}, {"TIKTOKEN_CACHE_DIR": "/elsewhere"}):
    os.environ.update(others)
    before = dict(os.environ)
    vocabularies.encoding.cache_clear()
    vocabularies.encoding("cl100k_base")
    assert dict(os.environ) == before, "the environment changed"
assert "litellm" not in sys.modules and "requests" not in sys.modules
"""
    environment = {name: value for name, value in os.environ.items() if name != "TIKTOKEN_CACHE_DIR"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


# What the patterns tell apart: case, marks, kinds of digits and blanks, the letters of contractions, line breaks, slashes.
TELLING = "aZéʰǅªñあ漢\u0301'’ſsStTmdlLvre09٣½Ⅷ \t\n\r\x0b\x85\xa0\u2028\u3000\x1c/\\-_\"{}<>()🚀\u200d\x00"


@pytest.fixture(scope="module")
def tiktokens_own() -> dict[str, tiktoken.Encoding]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(vocabulary.shipped()))
        return {name: tiktoken.get_encoding(name) for name in ENCODINGS}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODINGS)
@given(text=st.text(st.sampled_from(TELLING), max_size=30) | st.text(max_size=30))
@example(text="they'LL DON'T o'sOLé\r\n \n  x12345 /\n//\r\n   ")
def test_a_quicker_pattern_gives_the_tokens_of_tiktokens_own(
    tiktokens_own: dict[str, tiktoken.Encoding], name: str, text: str
) -> None:
    assert encoding(name).encode_ordinary(text) == tiktokens_own[name].encode_ordinary(text)


@pytest.mark.parametrize("name", ENCODINGS)
def test_the_patterns_of_the_tiktoken_that_is_installed_are_known(tiktokens_own: dict[str, tiktoken.Encoding], name: str) -> None:
    assert encoding(name)._pat_str != tiktokens_own[name]._pat_str


# ---------------------------------------------------------------------------------------------- text


def test_special_tokens_are_ordinary_text() -> None:
    assert count_text("<|endoftext|>") > 1
    assert count_text("a<|endoftext|>b") == len(encoding("o200k_base").encode_ordinary("a<|endoftext|>b"))
    assert contents(count(prompt([("thread", "a<|endoftext|>"), ("question", "b")]))) == count_text("a<|endoftext|>b")


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ud83d\ude00", "é\ud800"])
def test_half_a_surrogate_pair_counts_as_a_question_mark(text: str) -> None:
    marked = "".join("?" if "\ud800" <= character <= "\udfff" else character for character in text)
    assert count_text(text) == count_text(marked)
    assert contents(count(prompt([("thread", text), ("question", text)]))) == count_text(marked * 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("unit", [" ", "a", "\n", "é", "{", "\t ", "ab\n\n  "])
def test_a_megabyte_of_anything_is_counted(name: str, unit: str) -> None:
    # tiktoken alone overflows its stack on this many blanks.
    text = unit * (1_000_000 // len(unit))
    tokens = count_text(text + "x", name)
    per_unit = len(encoding(name).encode_ordinary(unit * (50_000 // len(unit)))) * 20
    assert tokens == pytest.approx(per_unit, rel=0.01, abs=20)
    assert contents(count(prompt([("thread", text), ("question", "x")]), name)) == tokens


@pytest.mark.slow
@settings(max_examples=10)
@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=4), st.sampled_from(ENCODINGS))
def test_long_texts_with_safe_places_count_as_if_whole(lines: list[str], name: str) -> None:
    # The lines begin with a letter: a newline before one is where a long text may be cut.
    text = "".join(f"{word}{line}\n\n" for line in lines for word in ("one ", "two"))
    text *= 250_000 // len(text)
    assert count_text(text, name) == len(encoding(name).encode_ordinary(text))


# ---------------------------------------------------------------------------------------------- segments

pieces = st.tuples(
    st.sampled_from(KINDS),
    st.text(max_size=12) | st.sampled_from([">", "\n", "\n\n", "<a>\n", " the", "é", "🚀", "👩‍👩‍👧", "'s", "  "]),
)


@given(message=st.lists(pieces, max_size=8), name=st.sampled_from(ENCODINGS))
def test_segments_add_up_to_the_whole(message: list[tuple[SegmentKind, str]], name: str) -> None:
    whole = "".join(text for _, text in message)
    assert contents(count(prompt(message), name)) == len(encoding(name).encode_ordinary(whole))


@given(message=st.lists(pieces, max_size=8), name=st.sampled_from(ENCODINGS))
def test_a_token_belongs_to_the_segment_of_its_first_byte(message: list[tuple[SegmentKind, str]], name: str) -> None:
    owners = [kind for kind, text in message for _ in text.encode()]
    expected = dict.fromkeys(KINDS, 0)
    position = 0
    for token in encoding(name).encode_ordinary("".join(text for _, text in message)):
        expected[owners[position]] += 1
        position += len(encoding(name).decode_single_token_bytes(token))
    counts = count(prompt(message), name)
    assert {kind: getattr(counts, "schema_" if kind == "schema" else kind) for kind in KINDS} == expected


def test_a_token_across_a_border_is_counted_once() -> None:
    assert count_text(">\n\n") == 1
    assert count(prompt([("instructions", ">"), ("thread", "\n\n")])) == TokenCounts(instructions=1, framing=7)


def test_messages_are_counted_one_by_one() -> None:
    one: list[tuple[SegmentKind, str]] = [("instructions", "Be brief."), ("schema", " {a: int}")]
    two: list[tuple[SegmentKind, str]] = [("thread", "<x>1</x>"), ("question", "\nNext?")]
    first, second, both = count(prompt(one)), count(prompt(two)), count(prompt(one, two))
    assert (both.instructions, both.schema_) == (first.instructions, first.schema_)
    assert (both.thread, both.question) == (second.thread, second.question)


# ---------------------------------------------------------------------------------------------- what the content doesn't show


@pytest.mark.parametrize("number", [0, 1, 5])
def test_framing_is_three_and_a_role_a_message_and_three_for_the_answer(number: int) -> None:
    messages: list[list[tuple[SegmentKind, str]]] = [[("thread", f"message {n}")] for n in range(number)]
    assert count(prompt(*messages)).framing == 4 * number + 3


@pytest.mark.parametrize("name", ENCODINGS)
def test_tool_calls_and_results(name: str) -> None:
    arguments = '{"environment":"staging","tag":"v1.2.3"}'
    call = {"id": "call_1", "type": "function", "function": {"name": "deploy_backend", "arguments": arguments}}
    messages: tuple[Message, ...] = (
        {"role": "assistant", "content": None, "tool_calls": [call, call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "done"},
        {"role": "assistant", "content": "fine", "tool_calls": None},
    )
    shown = ((Piece("thread", ""),), (Piece("thread", "done"),), (Piece("thread", "fine"),))
    counts = count(Prompt(messages=messages, pieces=shown), name)
    per_call = count_text("deploy_backend", name) + count_text(arguments, name)
    assert counts.thread == 2 * per_call + count_text("done", name) + count_text("fine", name)
    wrapper = 2 + sum(count_text(text, name) for text in ('\n{"name": "', '", "arguments": ', "}\n"))
    assert counts.framing == 3 + 3 * 4 + 2 * wrapper + (2 + 2)
    assert contents(counts) == counts.thread


def test_tools_and_enforced_schema_are_schema() -> None:
    tool = {"type": "function", "function": {"name": "ask", "parameters": {"type": "object", "description": "é"}}}
    form = {"type": "json_schema", "json_schema": {"name": "step", "schema": {"anyOf": []}}}
    bare = count(prompt([("schema", "x"), ("thread", " y")]))
    full = count(prompt([("schema", "x"), ("thread", " y")], tools=(tool, tool), response_format=form))
    assert full.schema_ - bare.schema_ == count_text("ask é ask é")
    indented = [json.dumps(value, indent=2, ensure_ascii=False) for value in (tool, tool, form)]
    assert full.most - bare.total == sum(map(count_text, indented)) + MOST_AROUND
    assert (full.thread, full.framing, bare.spread) == (bare.thread, bare.framing, 0)


def test_an_empty_prompt_costs_its_framing() -> None:
    assert count(prompt([])) == count(prompt([("thread", "")])) == TokenCounts(framing=7)


# ---------------------------------------------------------------------------------------------- as the model reads it

roles = st.sampled_from(["system", "user", "assistant", "tool"])
calls = st.lists(st.tuples(st.sampled_from(["a", "deploy_backend"]), st.text(max_size=8)), max_size=2)


@st.composite
def prompts(draw: st.DrawFn) -> Prompt:
    messages: list[Message] = []
    shown = []
    for role, made, parts in draw(st.lists(st.tuples(roles, calls, st.lists(pieces, min_size=1, max_size=4)), max_size=4)):
        run = tuple(Piece(kind, text) for kind, text in parts)
        called = [{"id": "c", "type": "function", "function": {"name": name, "arguments": text}} for name, text in made]
        more = {"tool_calls": called} if role == "assistant" and called else {}
        messages.append({"role": role, "content": "".join(piece.text for piece in run), **more})
        shown.append(run)
    tools = draw(st.none() | st.just(({"type": "function", "function": {"name": "ask", "description": "Ask."}},)))
    return Prompt(messages=tuple(messages), pieces=tuple(shown), tools=tools)


@given(prompts(), st.sampled_from(ENCODINGS), st.sampled_from([UNPUBLISHED, QWEN, openai("gpt-4o"), ANTHROPIC]))
def test_a_count_is_that_of_the_tokens_in_order(sent: Prompt, name: str, rule: ToolRule) -> None:
    tokenizer = open_tokenizer(name).under(rule)
    read = tokenizer.tokenize(sent)
    assert read.counts == tokenizer.count(sent)
    assert len(read.ids) == len(read.starts) == len(read.owners) == read.counts.total
    assert list(read.starts) == sorted(read.starts)
    # what has a number has the bytes of that number; what is made up has none
    ends = [*read.starts[1:], len(read.text)]
    for token, start, end, owner in zip(read.ids, read.starts, ends, read.owners, strict=True):
        assert read.text[start:end] == (b"" if token < 0 else encoding(name).decode_single_token_bytes(int(token)))
        assert token >= 0 or owner == FRAMING or read.pieces[owner].kind == "schema"
    for i, piece in enumerate(read.pieces):
        assert piece.text.encode() in read.text
        assert read.per_piece[i] == int((read.owners == i).sum())


def test_prompts_that_begin_alike_are_read_alike_up_to_where_they_differ() -> None:
    tokenizer = open_tokenizer("o200k_base")
    one = tokenizer.tokenize(prompt([("instructions", "Be brief.")], [("thread", "<a>\n1\n</a>")], [("thread", "x")]))
    two = tokenizer.tokenize(prompt([("instructions", "Be brief.")], [("thread", "<a>\n1\n</a>\n\n<b>\n</b>")]))
    alike = next(i for i, (a, b) in enumerate(zip(one.ids, two.ids, strict=False)) if a != b)
    assert one.text[: one.starts[alike]] == b"Be brief.<a>\n1\n</a"
