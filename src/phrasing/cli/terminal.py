"""What a run looks like in a terminal: tables, and progress while it goes on."""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import zip_longest
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from phrasing.analysis.report_data import common, labels
from phrasing.cli import layout
from phrasing.cli.text import SEGMENTS
from phrasing.errors import shorten
from phrasing.models.provider import provider_of
from phrasing.report import columns, sections, text, usage_and_cost

if TYPE_CHECKING:
    from phrasing.analysis.compare import Comparison
    from phrasing.analysis.gates import GateResult
    from phrasing.analysis.report_data import Report, Terms
    from phrasing.analysis.usage import Bill
    from phrasing.costs.changes import Change
    from phrasing.costs.tables import View
    from phrasing.models.lines import Traffic
    from phrasing.plan.resolve import Plan
    from phrasing.records import Result
    from phrasing.report.sections import Section
    from phrasing.runs.lazy import Answer
    from phrasing.tokenizers.sections import Section as Segment

LINE_EVERY = 10.0
"""Seconds between lines where there is no terminal to draw a bar on."""

LOGGED = "the cases with logged labels, by agreement with the logged agent"
"""What stands above figures of these where a run has others too."""


def show(*parts: Any, exact: bool = False) -> None:
    """Print to the standard output; to a file or a pipe without the spaces that fill lines, unless they count (``exact``)."""
    console = Console(highlight=False)
    with nullcontext() if console.is_terminal or exact else console.capture() as captured:
        for part in parts:
            console.print(part, width=min(console.width, layout.PROSE) if isinstance(part, Text) else None)
    if captured:
        sys.stdout.write(re.sub(" +$", "", captured.get(), flags=re.MULTILINE))


def _head(report: Report) -> list[Any]:
    return [layout.bold(report.description), layout.text(report.common)]


def report(report: Report) -> list[Any]:
    """Make what ``run`` ends with: the brief sections of the report, and last the answer and what qualifies it."""
    shown = _head(report)
    for part in report.parts:
        shown += ["", layout.bold(LOGGED)] if part is report.logged else []
        for section in sections.shown(sections.of(part, report.label)):
            shown += _section(section) if section.brief else []
    shown += ["", layout.text("\n\n".join(text.gist(report))), "", layout.listed(text.caveats(report))]
    decided = [line for part in report.parts for line in _plain(part.comparison, report.label)]
    return [*shown, *([""] if decided else []), *decided]


def _plain(found: Comparison, label: Callable[[str], str]) -> list[Text]:
    return [layout.text(line, f"bold {layout.COLOURS[verdict.tone]}") for verdict, line in text.plain(found, label)]


def _section(section: Section) -> list[Any]:
    shown: list[Any] = []
    for table in section.tables:
        lines = [layout.beside(section.lines)] if section.lines else layout.figures(table)
        shown += ["", layout.bold(table.caption), *lines, *map(layout.text, table.told)]
    return shown


def compared(found: Comparison, report: Report) -> list[Any]:
    """Make what ``compare`` shows: the table, where each variant differs, and last the verdicts in words."""
    parts = [*_head(report), ""]
    if found.against:
        changed = f"changed since {found.against}: {', '.join(found.changed)}"
        same = f"{text.other_run(found)} has the same files, models and parameters"
        parts += [layout.text(changed if found.changed else same), ""]
    for one, mine in zip(found.parts, report.parts, strict=True):
        parts += ["", layout.bold(LOGGED)] if one is found.logged else []
        parts += _compared(one, mine, report.label)
        if said := text.same_answers(one, _vary(report)):
            parts += ["", layout.text(said, "bold")]
    return parts


def _vary(report: Report) -> list[str]:
    """Say why models may answer the same requests otherwise, each reason once."""
    return list(dict.fromkeys(provider_of(str(model["id"])).varies for model in report.record.models.values()))


def _compared(found: Comparison, report: Report, label: Callable[[str], str]) -> list[Any]:
    rows = {row["variant"]: row for row in report.variants}
    if found.against and all(map(text.as_before, found.contrasts)):  # tables of nothing but 0
        return [layout.text("\n\n".join(text.sentences(found, rows, label)))]
    table = columns.comparison(found, label)
    parts = [layout.bold(table.caption), *layout.figures(table), ""] if table.rows else []
    for contrast in found.contrasts:
        where = text.flips(contrast, found.notes(report.record.cases), agreement=found.agreement)
        if where:
            wrong = text.confusions(report.confused.get(contrast.variant, ())) or "none"
            parts += [layout.bold(f"{label(contrast.variant)}: where they differ")]
            parts += [layout.listed([*where, f"{report.words.expected} → chosen: {wrong}"]), ""]
    whole = columns.conversations_apart(found, label)
    parts += [layout.bold(whole.caption), *layout.figures(whole), ""] if whole.rows else []
    parts += [layout.text("\n\n".join(text.sentences(found, rows, label)))]
    parts += [layout.text(line) for line in text.reversals(found, label)]
    return parts if found.against else [*parts, "", *_plain(found, label)]


def gates(results: Sequence[GateResult], label: Callable[[str], str]) -> None:
    """Print the results of gates, each with its variant, after an empty line: a line each where they are read by a program."""
    console = Console(highlight=False)
    if results:
        console.print()
    for result in results:
        line = layout.text(f"{result.text} [{label(result.variant)}]")
        line.stylize(layout.COLOURS[result.status.tone], 0, len(result.status))
        console.print(line, soft_wrap=not console.is_terminal)


def view(found: View, notes: Sequence[str] = ()) -> list[Any]:
    """Make a view of the token report: its tables, then what is said of them, and these notes."""
    parts: list[Any] = [layout.text(found.about), ""] if found.about and found.tables else []
    for table in found.tables:
        parts += [layout.bold(table.title)] if table.title else []
        parts += [*layout.fitted(table.headers, table.rows, names=table.names), ""]
    return [*parts, *map(layout.text, (*found.notes, *notes))]


BORDER = "│"
"""What stands between tokens where there are no colours."""


def tokens_text(part: Sequence[Segment], *, coloured: bool) -> Text:
    """Show a prompt token by token: a heading a segment, and tokens told apart by turned colours, or else by a border.

    A line break is marked, framing that is estimated is a dot a token (a number alone where there is nothing else), and a
    character in several tokens is followed by how many.
    """
    written = Text()
    for section in part:
        colour = SEGMENTS[section.kind]
        estimated = "~" if not any(shown for shown, _ in section.shown) else ""
        written.append("\n" if written else "").append(f"── {section.kind} {estimated}{section.tokens} ──", f"bold {colour}")
        written.append("" if estimated else "\n")
        for i, (shown, n) in enumerate([] if estimated else section.shown):
            visible = (shown or "·").replace("\n", "↵\n") + (f"({n})" if n > 1 else "")
            between = "" if coloured or not i or section.shown[i - 1][0].endswith("\n") else BORDER
            written.append(between).append(visible, f"{colour} reverse" if coloured and i % 2 else colour)
    return written


def side_by_side(names: Sequence[str], prompts: Sequence[Sequence[Segment]]) -> list[Any]:
    """Show one prompt token by token, or two beside each other; then what each segment costs."""
    console = Console()
    coloured = console.is_terminal and not console.no_color
    if len(prompts) == 1:
        parts: list[Any] = [tokens_text(prompts[0], coloured=coloured)]
    else:
        table = Table(box=None, pad_edge=False, padding=(0, 1), expand=True)
        for name in names:
            table.add_column(name, ratio=1, overflow="fold")
        for row in zip_longest(*map(_around_thread, prompts), fillvalue=()):
            table.add_row(*(tokens_text(part, coloured=coloured) for part in row))
        parts = [table]
    totals = [Counter(dict.fromkeys(SEGMENTS, 0)) for _ in prompts]
    for total, prompt in zip(totals, prompts, strict=True):
        for section in prompt:
            total[section.kind] += section.tokens
    kinds = [kind for kind in SEGMENTS if any(total[kind] for total in totals)]
    rows = [(name, *(str(total[k]) for k in kinds), str(total.total())) for name, total in zip(names, totals, strict=True)]
    return [*parts, "", *layout.fitted(("", *kinds, "total"), rows)]


def _around_thread(prompt: Sequence[Segment]) -> list[Sequence[Segment]]:
    """Cut a prompt before its thread and after it, so that two prompts can stand beside each other."""
    places = [i for i, section in enumerate(prompt) if section.kind == "thread"] or [len(prompt)]
    return [prompt[: places[0]], prompt[places[0] : places[-1] + 1], prompt[places[-1] + 1 :]]


def changes(rows: Sequence[Change]) -> list[Any]:
    """Make the table of tokens then and now, the means of a case, and list the variants that can't be compared."""
    from phrasing.costs.tables import span, times

    compared, named = [row for row in rows if not row.why], labels([row.variant for row in rows if not row.why])
    headers = ("variant", "cases", "before", "after", "ratio")
    cells = [
        (
            named[row.variant],
            str(row.cases),
            *(span(total / row.cases, (total + row.spread) / row.cases) for total in (row.before, row.after)),
            times(row.after / row.before, row.other),
        )
        for row in compared
    ]
    apart = [layout.text(f"{row.variant}: {row.why}") for row in rows if row.why]
    return [layout.text(common(list(named))), "", *layout.fitted(headers, cells), *apart]


def billed(rows: Sequence[Bill], tokenizer: str, words: Terms, *, as_json: bool = False) -> list[Any]:
    """Make the tables of a run's tokens, our count beside the provider's, and of what its decisions cost.

    ``words`` say what is right and what is priced. ``as_json``: tools were counted as compact JSON.
    """
    named = labels([row.variant for row in rows])
    parts: list[Any] = [layout.text(common(list(named)))]
    for table in usage_and_cost.tables(rows, named.__getitem__, tokenizer, words, as_json=as_json):
        parts += [
            "",
            layout.bold(table.caption),
            *layout.figures(table),
            "",
            layout.text("\n\n".join([*table.legend, *table.told])),
        ]
    return parts


class _Remaining(ProgressColumn):
    """Says how long it may still take, once that can be told."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        left = task.time_remaining
        return Text("" if left is None or task.finished else f"{duration(left)} left")


class _BarAndHeld(Bar):
    """A bar, and below it a line for each host that holds requests back."""

    def __init__(self, *columns: ProgressColumn, traffic: Traffic | None, console: Console) -> None:
        self._traffic = traffic
        super().__init__(*columns, console=console, transient=True)

    def get_renderables(self) -> Iterator[RenderableType]:
        yield from super().get_renderables()
        for line in self._traffic.held if self._traffic else ():
            yield Text(line, no_wrap=True, overflow="ellipsis")


class Progress:
    """Shows how far a run is: a bar on a terminal, a line now and then elsewhere. Errors and spending are always in it.

    ``traffic`` is that of the client: what holds requests back is shown, and at the end how many were refused.
    """

    def __init__(self, total: int, source: str, traffic: Traffic | None = None) -> None:
        self.folder: Path | None = None
        self._traffic, self._held = traffic, list[str]()
        self._source = source
        self._total, self._done, self._errors, self._cost = total, 0, 0, 0.0
        self._began = self._last = time.monotonic()
        self._console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Remaining())
        self._bar = _BarAndHeld(*columns, traffic=traffic, console=self._console) if self._console.is_terminal else None
        self._first = self._console.status("starting") if self._console.is_terminal else None  # a model takes its time to start
        self._waited = False
        self._steps: dict[str, float] = {}
        """What the steps of runs cost that haven't ended yet, by trial."""
        self._now = ""
        """Which step of a run was the last."""

    def __enter__(self) -> Self:
        if self._first:
            self._first.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._first:
            self._first.stop()
        if self._bar:
            self._bar.stop()
        elif self._done:
            self._line()
        for host, (refused, sent) in (self._traffic.refused if self._traffic else {}).items():
            self._say(f"{host} throttled {refused} of {sent} requests; they were sent again")

    def stopped(self, label: str, why: str) -> None:
        """Say at once that a model isn't asked any more."""
        self._say(f"{label} stopped: {why}", style="red")

    def _say(self, line: str, style: str | None = None) -> None:
        self._console.print(line, style=style, highlight=False, markup=False, soft_wrap=True)

    def say(self, line: str) -> None:
        """Say what takes long, or is to be known: beside the spinner before there is a folder (once without one), later above."""
        if self.folder is not None:
            self._say(line)
        elif self._first:
            self._first.update(Text(shorten(line, self._console.width - 2)))  # beside the spinner
        elif not self._waited:
            self._say(line)
        self._waited = True

    def started(self, folder: Path, plan: Plan) -> None:
        """Say where the results go and how many there will be."""
        self.folder = folder
        if self._first:
            self._first.stop()
        self._say(f"{folder}: {len(plan.trials)} trials of {len(plan.variants)} variants, {self._source}")
        self._began = self._last = time.monotonic()
        if self._bar:
            self._task = self._bar.add_task(self._state(), total=self._total)
            self._bar.start()

    def add(self, result: Result) -> None:
        """Count a result; of a step of an agent's run, what it cost."""
        cost = (result.completion and result.completion.cost) or 0.0
        trial = result.trial.removesuffix(f"/{result.step}")
        if result.step is None:
            self._count(result.error is not None, cost - self._steps.pop(trial, 0.0))
            return
        self._steps[trial] = self._steps.get(trial, 0.0) + cost
        self._cost += cost
        picked = result.parsed.step.intent if result.parsed and result.parsed.step else "no step"
        self._now = f"{result.dataset}::{result.case} step {result.step}: {picked}"
        self._show()

    def kept(self, answer: Answer) -> None:
        """Count an answer that was there before."""
        self._count(0, answer.cost)

    def _count(self, errors: int, cost: float) -> None:
        self._done += 1
        self._errors += errors
        self._cost += cost
        self._show()

    def _show(self) -> None:
        if self._bar:
            said = "\n".join(filter(None, [self._now, self._state()]))
            self._bar.update(self._task, completed=self._done, description=said)
        elif self._done and time.monotonic() - self._last > LINE_EVERY:
            self._last = time.monotonic()
            self._line()

    def _state(self) -> str:
        seconds = time.monotonic() - self._began
        rate = self._done / seconds if seconds > 0 else 0.0
        errors = f"{self._errors} error{'s' * (self._errors != 1)}"
        return f"{errors}  ${self._cost:.2f}  {rate:.1f}/s"

    def _line(self) -> None:
        seconds = time.monotonic() - self._began
        left = duration(seconds / self._done * (self._total - self._done))
        self._say("  ".join(filter(None, [f"{self._done}/{self._total}", self._state(), f"{left} left", self._now])))
        held = self._traffic.held if self._traffic else []
        for line in held if held != self._held else ():
            self._say(line)
        self._held = held


def duration(seconds: float) -> str:
    """Write a duration in its two largest units: ``3 h 31 min``, ``4 min 5 s``, ``12 s``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} d {hours % 24} h"
