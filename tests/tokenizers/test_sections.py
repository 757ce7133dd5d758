"""A prompt token by token: nothing is lost, nothing is counted twice, and no character is torn."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from phrasing.cli import main, terminal
from phrasing.tokenizers.sections import Section, sections
from phrasing.tokenizers.tokenizer import open_tokenizer
from phrasing.types import Piece, Prompt
from support.paths import REPOSITORY

texts = st.text(max_size=12) | st.sampled_from([">\n\n", "👩‍👩‍👧", "é", "<a>\n", "\U00013000"])


def prompt(*pieces: Piece) -> Prompt:
    return Prompt(messages=({"role": "user", "content": "".join(piece.text for piece in pieces)},), pieces=(pieces,))


@given(st.lists(st.tuples(st.sampled_from(["instructions", "thread", "question"]), texts), min_size=1, max_size=5))
def test_sections_show_every_token_once_and_whole_characters(parts: list[tuple[str, str]]) -> None:
    sent = prompt(*(Piece(kind, text) for kind, text in parts))  # type: ignore[arg-type]
    tokenizer = open_tokenizer("o200k_base")
    found = sections(tokenizer.tokenize(sent))
    counts = tokenizer.count(sent)
    for kind in ("instructions", "thread", "question", "framing"):
        assert sum(section.tokens for section in found if section.kind == kind) == getattr(counts, kind)
    assert all(a.kind != b.kind for a, b in pairwise(found))
    shown = "".join(text for section in found for text, _ in section.shown)
    whole = "".join(text for _, text in parts).encode("utf-8", "replace").decode()
    if "\N{REPLACEMENT CHARACTER}" not in shown:  # a character across the border of two segments can't be shown in both
        assert shown == whole


def test_tokens_are_told_apart_with_and_without_colours() -> None:
    part = [Section("thread", ((" a", 1), ("\n", 1), ("🚀", 3), ("b", 1))), Section("framing", (("", 1), ("", 1)))]
    plain = terminal.tokens_text(part, coloured=False)
    assert plain.plain == "── thread 6 ──\n a│↵\n🚀(3)│b\n── framing ~2 ──"
    coloured = terminal.tokens_text(part, coloured=True)
    assert coloured.plain == plain.plain.replace("│", "")
    assert [span.style for span in coloured.spans[1:5]] == ["green", "green reverse", "green", "green reverse"]
    assert isinstance(coloured, Text)


@pytest.mark.parametrize(
    "arguments",
    [["-f", "xml_yaml"], ["-f", "messages", "-f", "xml_yaml", "-o", "tool", "--tokenizer", "cl100k_base"]],
    ids=["one", "two"],
)
def test_render_tokens(
    arguments: list[str], golden: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setenv("COLUMNS", "80")
    done = CliRunner().invoke(main, ["render", "three-operations-subtracted", *arguments, "--tokens"])
    assert done.exit_code == 0, done.output
    assert max(map(len, done.output.splitlines())) <= 80
    golden(f"tokens/{request.node.callspec.id}.txt", done.output)


def test_an_unknown_tokenizer_lists_the_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    asked = ["render", "three-operations-subtracted", "-f", "json", "--tokens", "--tokenizer", "o200k"]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 2
    assert "'o200k' not found (did you mean 'o200k_base'?); there are: cl100k_base, o200k_base" in done.output
