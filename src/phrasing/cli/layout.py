"""Texts and tables that fit a terminal. What comes from files, models and providers is shown as it is, and does nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from phrasing.analysis.verdict import Tone, Verdict
from phrasing.cli.text import visible
from phrasing.report.columns import DASH, VERDICT, Table

PROSE = 100
"""Columns of sentences at most: longer lines are hard to read."""

COLOURS: dict[Tone, str] = {"good": "green", "bad": "red", "even": "", "unsure": "yellow"}
"""The colour of a tone on a terminal."""

_VERDICTS = {verdict.word(agreement=agreement): verdict.tone for verdict in Verdict for agreement in (False, True)}


def text(content: str, style: str = "") -> Text:
    """Show a text as it is: no markup is read in it."""
    return Text(visible(content), style)


def bold(content: str) -> Text:
    """Show a title."""
    return text(content, "bold")


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int] | None = None) -> Grid:
    table = Grid(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for i, header in enumerate(headers):
        left = not i or header == VERDICT
        table.add_column(
            visible(header), justify="left" if left else "right", overflow="fold", width=widths[i] if widths else None
        )
    for row in rows:
        cells = zip(headers, row, strict=True)
        table.add_row(*(text(cell, _colour(cell) if header == VERDICT else "") for header, cell in cells))
    return table


def _colour(word: str) -> str:
    return COLOURS[_VERDICTS[word]] if word in _VERDICTS else ""


def fitted(headers: Sequence[str], rows: Sequence[Sequence[str]], *, names: int = 1) -> list[Any]:
    """Make a table; or several, cut between columns, where it is too wide: no column may vanish, nor a figure lose a digit.

    The first ``names`` columns name a row and stand in each part. What is too wide folds headers between words first, then names
    of rows if once is enough, and is cut only then; names don't take more than half of the width, unless they are one word.
    """
    width = Console().width
    columns = list(zip(headers, *rows, strict=True))
    whole = [max(map(cell_len, column)) for column in columns]
    if sum(whole) + len(whole) - 1 <= width:
        return [_table(headers, rows)]
    words = [max(map(cell_len, (*column[0].split(), *column[1:]))) for column in columns]
    longest = max(cell_len(word) for name in columns[0] for word in name.split())
    beside = width - sum(words[1:]) - len(words) + 1
    words[0] = min(whole[0], max(longest, beside if beside >= whole[0] / 2 else width // 2))
    named = list(range(names))
    parts: list[list[int]] = []
    for i in range(names, len(columns)):
        if not parts or sum(words[k] + 1 for k in (*parts[-1], i)) - 1 > width:
            parts.append(list(named))
        parts[-1].append(i)
    shown: list[Any] = []
    for part in parts:
        kept = [columns[i] for i in part]
        shown += ["", _table([column[0] for column in kept], _told(kept, names), [words[i] for i in part])]
    return shown[1:]


def _told(columns: Sequence[Sequence[str]], names: int) -> list[tuple[str, ...]]:
    """Give the rows of a part of a table that say something in it."""
    rows = zip(*(column[1:] for column in columns), strict=True)
    return [row for row in rows if any(cell != "–" for cell in row[names:])]


def figures(table: Table[Any]) -> list[Any]:
    """Show a table in short, without the columns that say nothing: dashes alone, or that there was no error."""
    kept = [(title, cells) for key, title, cells in table.short() if set(cells) - ({DASH, "0"} if key == "errors" else {DASH})]
    return fitted([title for title, _ in kept], list(zip(*(cells for _, cells in kept), strict=True))) if kept else []


def beside(rows: Iterable[tuple[str, str]]) -> Grid:
    """Set texts beside their names, or beside a dash: long ones break below where they began."""
    grid = Grid.grid(padding=(0, 1, 0, 0))
    for name, content in rows:
        grid.add_row(text(name), text(content))
    grid.columns[-1].overflow = "fold"
    grid.columns[0].max_width = Console().width // 2
    return grid


def listed(lines: Iterable[str]) -> Grid:
    """Set a dash before each text."""
    return beside(("-", line) for line in lines)


def folded(content: str, *, indent: int = 0, most: int = 1, width: int | None = None) -> list[str]:
    """Break a text into so many lines at most, and say how many characters more there are.

    Lines after the first are indented. The default ``width`` is the terminal's.
    """
    width = width or Console().width
    left, lines = visible(content), list[str]()
    while True:
        begin = " " * indent if lines else ""
        room = width - len(begin)
        if cell_len(left) <= room:
            return [*lines, begin + left]
        if len(lines) + 1 < most:
            line = _fitting(left, room)
            broken = line[: 1 + max(line.rfind(sign) for sign in " (=")]
            line = broken if cell_len(broken) > room / 2 else line
            lines.append((begin + line).rstrip())
            left = left[len(line) :].lstrip(" ")
        else:
            line = _fitting(left, room - len(f"… {len(left)} more"))
            return [*lines, f"{begin}{line}… {len(left) - len(line)} more"]


def _fitting(content: str, width: int) -> str:
    """Give the start of a text that fits, one character at least."""
    taken = 0
    for place, sign in enumerate(content):
        taken += cell_len(sign)
        if taken > width:
            return content[: max(1, place)]
    return content


def paired(rows: Iterable[tuple[str, str]], width: int) -> list[str]:
    """Set texts beside each other, each in a column of this width; they have to fit."""
    return [f"{one}{' ' * (width - cell_len(one))} │ {other}".rstrip() for one, other in rows]


def half() -> int:
    """Give the width of each of two columns on the terminal."""
    return (Console().width - 3) // 2
