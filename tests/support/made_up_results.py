"""Made-up variants on made-up cases: a test writes down which answers were right and gets results, tables and comparisons.

A grid maps a variant, ``format`` or ``format/model``, to a word a case, and a word has a sign a repeat: ``1`` right, ``0`` wrong,
``e`` an error, ``-`` not asked. So ``{"lines": "110", "tags": ["1", "0", "1e"]}`` are two variants on three cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from phrasing.analysis.compare import Comparison, compare
from phrasing.analysis.tables import Cases, Pairs, by_variant, pair, per_case, trials
from phrasing.records import Failure, Result
from phrasing.suite.schema import Comparing
from phrasing.types import CaseNote, Completion, Parsed, Score, Step, Usage
from support.tiny_runs import result

Grid = Mapping[str, Sequence[str]]

CONTEXT = {"lines": 80, "tags": 100}
"""Tokens of a prompt, by format; 90 elsewhere, and one more with each case."""


def variant(name: str) -> str:
    """The text of a variant."""
    return ",".join(_axes(name))


def _axes(name: str) -> tuple[str, str, str, str, str]:
    format, _, model = name.partition("/")
    return "F", "none", format, "prompted", model or "m"


def case(number: int) -> str:
    """The id of a case: its place."""
    return f"c-{number:03}"


def results(grid: Grid, *, datasets: Sequence[str] = (), harm: bool = False) -> list[Result]:
    """Answer every cell. ``datasets`` are those of the cases, in turn; with ``harm`` whatever is wrong is harmful."""
    return [
        _result(name, number, repeat, sign, datasets[number % len(datasets)] if datasets else "mail", harm)
        for name, words in grid.items()
        for number, word in enumerate(words)
        for repeat, sign in enumerate(word)
        if sign != "-"
    ]


def _result(name: str, number: int, repeat: int, sign: str, dataset: str, harm: bool) -> Result:
    place = {"variant": _axes(name), "repeat": repeat, "dataset": dataset}
    if sign == "e":
        return result(case(number), **place, error=Failure(kind="transient", message="HTTP 503"))
    right = Score(value=float(sign), reason="" if sign == "1" else "expected send, got ask")
    prompt = CONTEXT.get(place["variant"][2], 90) + number  # type: ignore[index]
    return result(
        case(number),
        **place,
        completion=Completion(text="x", usage=Usage(prompt=prompt, completion=10), cost=prompt / 1000),
        parsed=Parsed(step=Step(intent="send" if sign == "1" else "ask"), form="exact"),
        scores={
            "intent": right,
            "args": Score(value=1.0 if sign == "1" else None),
            "step": right,
            "strict": Score(value=1.0),
            "harm": Score(value=1 - float(sign) if harm else None),
        },
    )


def notes(count: int, *, groups: Sequence[str] = (), datasets: Sequence[str] = ()) -> dict[str, dict[str, CaseNote]]:
    """Describe the cases: the group of each (default: none), every second tagged ``even``."""
    found: dict[str, dict[str, CaseNote]] = {dataset: {} for dataset in datasets or ["mail"]}
    for number in range(count):
        note = CaseNote(
            group=groups[number] if groups else None,
            tags=() if number % 2 else ("even",),
            expect=("send",) if number % 3 else ("ask", "send"),
            last="mail",
        )
        found[datasets[number % len(datasets)] if datasets else "mail"][case(number)] = note
    return found


def variants(
    grid: Grid,
    *,
    groups: Sequence[str] = (),
    datasets: Sequence[str] = (),
    answers: Sequence[Result] | None = None,
    harm: bool = False,
) -> dict[str, Cases]:
    """Make the table of cases of each variant, in the order of the grid. ``answers`` replace those of the grid."""
    count = max(map(len, grid.values()))
    found = results(grid, datasets=datasets, harm=harm) if answers is None else answers
    tables = by_variant(per_case(trials(found, notes(count, groups=groups, datasets=datasets))))
    return {variant(name): tables[variant(name)] for name in grid if variant(name) in tables}


def pairs(tables: Mapping[str, Cases], baseline: str = "lines") -> dict[tuple[str, str], Pairs]:
    """Pair each variant with the baseline format under its own model."""
    found = {}
    for name in tables:
        other = variant(f"{baseline}/{name.split(',')[4]}")
        if other != name:
            found[name, other] = pair(tables[name], tables[other])
    return found


def compared(grid: Grid, *, baseline: str = "lines", settings: Comparing | None = None, **options: Sequence[str]) -> Comparison:
    """Compare the variants of a grid with the baseline format. ``options``: groups and datasets."""
    return compare(pairs(variants(grid, **options), baseline), settings or Comparing())  # type: ignore[arg-type]
