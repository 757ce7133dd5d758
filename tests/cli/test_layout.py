"""Texts and tables at the width of a terminal: what folds, what is cut, what is left out, and what has a colour."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

import pytest

from phrasing.cli import layout, terminal
from phrasing.cli.text import visible
from phrasing.report.columns import Column, Table

HEADERS = ("variant", "n", "intent % (95 %)", "forbid", "err", "verdict")
LONG = "Calculator trace(body=json indent=2)"


def lines(capsys: pytest.CaptureFixture[str], *parts: object) -> list[str]:
    terminal.show(*parts)
    return capsys.readouterr().out.splitlines()


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Table[Sequence[str]]:
    keys = ["errors" if header == "err" else header for header in headers]
    named = enumerate(zip(keys, headers, strict=True))
    return Table([Column(key, header, itemgetter(i), header) for i, (key, header) in named], rows)


def row(name: str, *, forbid: str = "–", err: str = "0", verdict: str = "better") -> tuple[str, ...]:
    return name, "16", "25 (7–61)", forbid, err, verdict


@pytest.mark.parametrize(
    ("rows", "headers"),
    [
        ([row("a"), row("b")], "variant  n intent % (95 %) verdict"),
        ([row("a"), row("b", forbid="0/5")], "variant  n intent % (95 %) forbid verdict"),
        ([row("a", err="2"), row("b")], "variant  n intent % (95 %) err verdict"),
    ],
    ids=["neither", "forbidden", "errors"],
)
def test_columns_that_say_nothing_are_left_out(
    capsys: pytest.CaptureFixture[str], rows: list[tuple[str, ...]], headers: str
) -> None:
    assert lines(capsys, *layout.figures(table(HEADERS, rows)))[0] == headers


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (
            70,
            [
                "variant                               n intent % (95 %) verdict",
                "Calculator trace(body=json indent=2) 16       25 (7–61) better",
                "Deploy json                          16       25 (7–61) better",
            ],
        ),
        (
            60,
            [
                "                                         intent %",
                "variant                               n    (95 %) verdict",
                "Calculator trace(body=json indent=2) 16 25 (7–61) better",
                "Deploy json                          16 25 (7–61) better",
            ],
        ),
        (
            50,
            [
                "                                  intent %",
                "variant                        n    (95 %) verdict",
                "Calculator trace(body=json    16 25 (7–61) better",
                "indent=2)",
                "Deploy json                   16 25 (7–61) better",
            ],
        ),
        (
            36,
            [
                "                       intent %",
                "variant             n    (95 %)",
                "Calculator         16 25 (7–61)",
                "trace(body=json",
                "indent=2)",
                "Deploy json        16 25 (7–61)",
                "",
                "variant            verdict",
                "Calculator         better",
                "trace(body=json",
                "indent=2)",
                "Deploy json        better",
            ],
        ),
    ],
)
def test_headers_fold_before_names_and_names_before_a_table_is_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int, shown: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert lines(capsys, *layout.figures(table(HEADERS, [row(LONG), row("Deploy json")]))) == shown


def test_a_long_text_breaks_below_where_it_began(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "24")
    assert lines(capsys, layout.beside([("lines", "ask 4, send 4, finish 1"), ("b", "")])) == [
        "lines ask 4, send 4,",
        "      finish 1",
        "b",
    ]
    assert lines(capsys, layout.listed(["what one must know of it"])) == ["- what one must know of", "  it"]


def test_sentences_are_no_wider_than_one_can_read(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert max(map(len, lines(capsys, layout.text("word " * 100)))) == 99


@pytest.mark.parametrize(
    ("word", "colour"),
    [("better", 32), ("agrees more", 32), ("worse", 31), ("agrees less", 31), ("inconclusive", 33), ("equivalent", 0)],
)
def test_verdicts_have_a_colour_on_a_terminal_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, word: str, colour: int
) -> None:
    shown = layout.figures(table(("variant", "verdict"), [("better", word)]))
    assert lines(capsys, *shown) == ["variant verdict", f"better  {word}"]
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    line = lines(capsys, *shown)[1]
    assert line.startswith("better ")  # a name has none
    assert (f"\x1b[{colour}m{word}" in line) == bool(colour)
    monkeypatch.setenv("NO_COLOR", "1")
    assert lines(capsys, *shown)[1].rstrip() == f"better  {word}"


def test_control_characters_do_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b[31mred\x1b]0;title\x07\r\x9b2J"
    safe = "␛[31mred␛]0;title␇␍�2J"
    assert lines(capsys, layout.text(hostile)) == [safe]
    assert lines(capsys, *layout.fitted(("variant", hostile), [(hostile, "1")]))[1].startswith(safe)
    assert visible("two\nlines\tand é 日本 🎉") == "two\nlines\tand é 日本 🎉"
