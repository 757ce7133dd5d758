"""Columns of tables: what each is called, how its figure is written and where it leads, once for all that show tables.

``summary`` has a row a variant, ``comparison`` one for each that is compared with a baseline, ``gates`` one a gate and variant.
The tables of usage and cost are in ``usage_and_cost``, all others in ``sections``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from phrasing import scores
from phrasing.analysis.latency import AT
from phrasing.report import text
from phrasing.report.text import number, percent

if TYPE_CHECKING:
    from phrasing.analysis.compare import Comparison, Contrast
    from phrasing.analysis.conversations import Apart
    from phrasing.analysis.gates import GateResult
    from phrasing.analysis.latency import Latency
    from phrasing.analysis.report_data import Report, Row

GAIN = "gain over chance % (95 %)"
"""The title of the column of gains, which only tables have whose variants choose from different numbers of steps."""

WHOLE = "Whole conversations"
"""What tables of these are called."""

T = TypeVar("T")

Filters = Mapping[str, str]
"""Which trials a figure leads to on the page: filters of its list by name (``verdict``, ``tag``, …). ``variant``, ``one`` and
``other`` are texts of variants, ``open`` is the name of a trial to show. Without filters a figure leads nowhere.
"""

DASH = "–"
"""What stands where there is no figure."""

VERDICT = "verdict"
"""The title of the column of verdicts, which terminals colour."""


@dataclass(frozen=True)
class Column(Generic[T]):
    """A column of a table whose rows are made of ``T``.

    ``key`` names it in programs; ``title`` heads it, and ``short`` where there are only 80 characters: ``None`` leaves it out of
    tables of that kind. ``cell`` writes its figure, ``short_cell`` the same in fewer characters. ``link`` says where a figure
    leads.
    """

    key: str
    title: str | None
    cell: Callable[[T], str]
    short: str | None = None
    short_cell: Callable[[T], str] | None = None
    link: Callable[[T], Filters] | None = None


@dataclass(frozen=True)
class Table(Generic[T]):
    """Columns, of which the first names a row, and what its rows are made of.

    ``caption`` says what the figures are, ``legend`` explains the columns, ``told`` are sentences on what the figures say.
    """

    columns: Sequence[Column[T]]
    rows: Sequence[T]
    caption: str = ""
    legend: Sequence[str] = ()
    told: Sequence[str] = ()

    def titles(self) -> tuple[str, ...]:
        """Name the columns."""
        return tuple(column.title for column in self.columns if column.title is not None)

    def cells(self) -> list[tuple[str, ...]]:
        """Write the rows."""
        shown = [column for column in self.columns if column.title is not None]
        return [tuple(column.cell(row) for column in shown) for row in self.rows]

    def short(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Write the columns for 80 characters: the key, the title, and the cells of each."""
        shown = [(column, column.short) for column in self.columns if column.short is not None]
        return [
            (column.key, title, tuple((column.short_cell or column.cell)(row) for row in self.rows)) for column, title in shown
        ]


def variant(label: Callable[[str], str], of: Callable[[T], str]) -> Column[T]:
    """Make the column that names variants."""
    return Column("variant", "variant", lambda row: label(of(row)), "variant")


# ---------------------------------------------------------------------------------------------- a row a variant


def summary(report: Report, label: Callable[[str], str]) -> Table[Row]:
    """Make the table of variants."""
    return _runs(report, label) if report.loops else _answers(report, label)


def _answers(report: Report, label: Callable[[str], str]) -> Table[Row]:
    verdicts = {c.variant: c.verdict.word(agreement=report.agreement) for c in report.comparison.contrasts}

    def to(**filters: str) -> Callable[[Row], Filters]:
        return lambda row: {"variant": row["variant"], **filters}

    def title(score: str, more: str = "") -> tuple[str, str]:
        named = scores.SCORES[scores.STORED.index(score)].titles(agreement=report.agreement)
        return named.column + more, named.short + more

    intent, short_intent = title("intent", " (95 %)")
    correct, short_correct = title("step")
    valid, short_valid = title("strict")
    forbidden, short_forbidden = title("harm")
    columns: list[Column[Row]] = [
        variant(label, _variant_of),
        Column("verdict", VERDICT, lambda row: verdicts.get(row["variant"], "baseline")),
        Column("n", "n", lambda row: str(row["n"]), "n", link=to()),
        Column("intent", intent, _intent, short_intent, link=to(verdict="wrong step")),
        Column("correct", correct, lambda row: percent(row["step"]), short_correct, link=to(verdict="wrong")),
        Column("valid", valid, lambda row: percent(row["strict"]), short_valid, link=to()),
        Column("forbidden", forbidden, _forbidden, short_forbidden, link=to(verdict="forbidden")),
        Column("context_tokens", "context tokens", _context, "context", link=to()),
        Column("answer_tokens", "answer tokens", lambda row: number(row["answer_tokens"]), "answer", link=to()),
        Column("errors", "errors", lambda row: str(row["errors"]), "err", link=to(verdict="no answer")),
        Column("seconds", "seconds", lambda row: number(row["seconds"], 1), "s", link=to()),
    ]
    if report.steps_differ:
        columns.insert(4, Column("gain", GAIN, _gain, "gain", _short_gain, link=to()))
    if not report.comparison.contrasts:
        del columns[1]
    return Table(columns, report.variants, "Variants", text.legend(report), text.without_model(report))


def _variant_of(row: Row) -> str:
    return str(row["variant"])


def _intent(row: Row) -> str:
    return text.share(row, "intent")


def _gain(row: Row) -> str:
    return text.share(row, "gain_over_chance", to=" to ")


def _short_gain(row: Row) -> str:
    return text.signed(row["gain_over_chance"])


def _forbidden(row: Row) -> str:
    return f"{row['harm_k']}/{row['harm_n']}" if row["harm_n"] else DASH


def _context(row: Row) -> str:
    ratio = row["prompt_ratio"]
    return number(row["prompt_tokens"]) + ("" if ratio != ratio else f" ×{ratio:.2f}")


def _runs(report: Report, label: Callable[[str], str]) -> Table[Row]:
    verdicts = {c.variant: c.verdict.word(agreement=False) for c in report.comparison.contrasts}

    def to(**filters: str) -> Callable[[Row], Filters]:
        return lambda row: {"variant": row["variant"], **filters}

    columns: list[Column[Row]] = [
        variant(label, _variant_of),
        Column("verdict", VERDICT, lambda row: verdicts.get(row["variant"], "baseline")),
        Column("n", "tasks", lambda row: str(row["n"]), "tasks", link=to()),
        Column("success", "success % (95 %)", lambda row: text.share(row, scores.SUCCESS), "success % (95 %)", link=to()),
        Column("forbidden", "forbidden", _forbidden, "forbid", link=to(verdict="forbidden")),
        Column("false_completion", "false done %", lambda row: percent(row["false_completion"]), "false done", link=to()),
        Column("steps", "steps", lambda row: number(row["steps"], 1), "steps", link=to()),
        Column("context_tokens", "context tokens", _context, "context", link=to()),
        Column("peak_tokens", "longest prompt", lambda row: number(row["peak_tokens"]), link=to()),
        Column("answer_tokens", "answer tokens", lambda row: number(row["answer_tokens"]), "answer", link=to()),
        Column("per_success", "tokens a success", _per_success, "a success", link=to()),
        Column("errors", "errors", lambda row: str(row["errors"]), "err", link=to(verdict="no answer")),
        Column("seconds", "seconds", lambda row: number(row["seconds"], 1), link=to()),
    ]
    if not report.comparison.contrasts:
        del columns[1]
    return Table(columns, report.variants, "Variants", text.legend_of_runs(report))


def _per_success(row: Row) -> str:
    """Write how many context tokens were spent for each success; nothing where there is none."""
    return number(row["prompt_tokens"] / row[scores.SUCCESS]) if row[scores.SUCCESS] > 0 else DASH


def on_the_way(report: Report, label: Callable[[str], str]) -> Table[Row]:
    """Make the table of what happened in runs of agents, in percent."""
    named = [score for score in scores.ROLLOUT_SCORES if score.name not in (scores.SUCCESS, "false_completion")]

    def column(score: scores.BuiltInScore) -> Column[Row]:
        titles = score.titles()
        return Column(score.name, titles.column, lambda row: percent(row[score.name]), titles.short)

    legend = [f"{score.titles().column.removesuffix(' %')}: {score.titles().meaning};" for score in named]
    return Table([variant(label, _variant_of), *map(column, named)], report.variants, "What happened on the way, in %", legend)


def added(report: Report, label: Callable[[str], str]) -> Table[text.Picked]:
    """Make the table of tools that a suite adds to steps: how often one was picked, which is never right."""
    columns: list[Column[text.Picked]] = [
        variant(label, lambda row: row.variant),
        Column("added", "added tools", lambda row: str(row.added), "added"),
        Column("answers", "answers", lambda row: str(row.answers), "answers", link=lambda row: {"variant": row.variant}),
        Column("picked", "picked one", lambda row: str(row.picked.total()), "picked one"),
        Column("share", "picked one %", lambda row: percent(row.share), "%"),
        Column("tools", "which", lambda row: text.counted(row.picked)),
    ]
    return Table(columns, text.picked(report), "Answers that picked a tool which the suite adds to the agent's steps")


def own_scores(report: Report, label: Callable[[str], str]) -> Table[Row]:
    """Make the table of the means that the suite's own scorers, or its environments, gave, in percent."""

    def column(name: str) -> Column[Row]:
        title = f"{name} %"
        return Column(name, title, lambda row: percent(row[name]), title, link=lambda row: {"variant": row["variant"]})

    return Table([variant(label, _variant_of), *map(column, report.own_scores)], report.variants, "Means of these scores")


# ---------------------------------------------------------------------------------------------- variants compared


def comparison(found: Comparison, label: Callable[[str], str]) -> Table[Contrast]:
    """Make the table of a comparison."""

    def flips(contrast: Contrast) -> Filters:
        return {"one": contrast.variant, "other": contrast.baseline}

    def ratio(name: str) -> Callable[[Contrast], str]:
        return lambda contrast: text.ratio(contrast, name)

    confidence = f"{100 * found.settings.confidence:g} %"
    columns: list[Column[Contrast]] = [
        variant(label, lambda contrast: contrast.variant),
        Column("n", "n", lambda contrast: str(contrast.n), "n", link=flips),
        Column("left_out", "left out", lambda contrast: str(contrast.left), link=flips),
        Column("points", f"points ({confidence})", text.span, "points", link=flips),
        Column("p", "p (corrected)", lambda contrast: text.p_value(contrast.corrected), "p", link=flips),
        Column("flips", "won/lost/same", _won(ties=True), "won/lost", _won(ties=False), link=flips),
        Column("context_ratio", "context tokens ×", ratio("prompt_tokens"), "context", _times, link=flips),
        Column("answer_ratio", "answer tokens ×", ratio("answer_tokens"), link=flips),
        Column("cost_ratio", "cost ×", ratio("cost"), link=flips),
        Column("detectable", "minimum detectable difference", _detectable, link=flips),
        Column("verdict", VERDICT, _verdict(found), VERDICT, _short_verdict(found), link=flips),
        Column("needed", None, text.needed, "cases needed"),
    ]
    caption = f"Differences from {found.against or 'the baseline'}, score {found.score}, paired by {found.unit}; p is corrected"
    return Table(columns, found.contrasts, caption, text.comparison_legend(found))


def _won(*, ties: bool) -> Callable[[Contrast], str]:
    def cell(contrast: Contrast) -> str:
        found = contrast.found
        return DASH if not found else "/".join(map(str, (found.wins, found.losses, *((found.ties,) if ties else ()))))

    return cell


def _times(contrast: Contrast) -> str:
    found = contrast.ratios.get("prompt_tokens")
    return f"×{found.value:.2f}" if found else DASH


def _detectable(contrast: Contrast) -> str:
    return DASH if contrast.detectable is None else f"{100 * contrast.detectable:.0f}"


def _verdict(found: Comparison) -> Callable[[Contrast], str]:
    return lambda contrast: text.conclusion(contrast, found.settings, agreement=found.agreement, unit=found.unit)


def _short_verdict(found: Comparison) -> Callable[[Contrast], str]:
    def cell(contrast: Contrast) -> str:
        word = contrast.verdict.word(agreement=found.agreement)
        return f"{word}; alone {contrast.alone.word(agreement=found.agreement)}" if contrast.withheld else word

    return cell


# ---------------------------------------------------------------------------------------------- whole conversations


def conversations(report: Report, label: Callable[[str], str]) -> Table[Row]:
    """Make the table of whole conversations: of how many a variant got every step right, beside their single steps."""
    titles = scores.titles(scores.CONVERSATION, agreement=report.agreement)
    rows = [row for row in report.variants if row["conversation_n"]]
    apart = {found.variant: found for found in report.comparison.conversations}

    def to(row: Row) -> Filters:
        return {"variant": row["variant"]}

    def difference(row: Row) -> str:
        return text.apart(apart[row["variant"]]) if row["variant"] in apart else DASH

    steps = "agreed steps" if report.agreement else "right steps"
    columns: list[Column[Row]] = [
        variant(label, _variant_of),
        Column("n", "conversations", lambda row: str(row["conversation_n"]), "conversations", link=to),
        Column("conversation", f"{titles.column} (95 %)", _conversation, f"{titles.short} (95 %)", link=to),
        Column("steps", f"{steps} %", lambda row: percent(row["conversation_steps"]), steps, link=to),
    ]
    if apart:
        confidence = f"{100 * report.comparison.settings.confidence:g} %"
        columns.append(Column("points", f"points ({confidence})", difference, "points", link=to))
    return Table(columns, rows, WHOLE, text.conversation_legend(report))


def _conversation(row: Row) -> str:
    return text.share(row, "conversation")


def conversations_apart(found: Comparison, label: Callable[[str], str]) -> Table[Apart]:
    """Make the table of a comparison by whole conversations, which isn't tested."""
    columns: list[Column[Apart]] = [
        variant(label, lambda apart: apart.variant),
        Column("n", "conversations", lambda apart: str(apart.n), "conversations"),
        Column("left_out", "left out", lambda apart: str(apart.left), "left out"),
        Column("points", f"points ({100 * found.settings.confidence:g} %)", text.apart, "points"),
    ]
    caption = f"{WHOLE}: differences from {found.against or 'the baseline'}, paired by conversation; not tested"
    return Table(columns, found.conversations, caption)


# ---------------------------------------------------------------------------------------------- latency


def latency(found: Sequence[Latency], label: Callable[[str], str], confidence: float) -> Table[Latency]:
    """Make the table of how long answers took, with quantiles by which variants are compared."""
    within = f"({100 * confidence:g} %)"

    def to(row: Latency) -> Filters:
        return {"variant": row.variant}

    columns: list[Column[Latency]] = [
        variant(label, lambda row: row.variant),
        Column("n", "answers", lambda row: str(row.n), link=to),
        *(
            Column(f"p{100 * at:g}", f"p{100 * at:g} {within}", lambda row, place=place: text.seconds(row, place), link=to)  # type: ignore[misc]
            for place, at in enumerate(AT)
        ),
    ]
    if any(row.ratios for row in found):
        for place, at in enumerate(AT):
            title = f"p{100 * at:g} × {within}"
            columns.append(Column(f"p{100 * at:g}_ratio", title, lambda row, place=place: text.times(row, place), link=to))  # type: ignore[misc]
        columns.append(Column("verdict", VERDICT, text.speed, link=to))
    return Table(
        columns, found, "Seconds from a request's last byte to its answer's; times the baseline's, over what both answered"
    )


# ---------------------------------------------------------------------------------------------- gates


def gates(results: Sequence[GateResult], label: Callable[[str], str]) -> Table[GateResult]:
    """Make the table of gates, a row a gate and variant."""
    columns: list[Column[Any]] = [
        Column("result", "result", lambda result: result.status),
        Column("gate", "gate", lambda result: result.name),
        variant(label, lambda result: result.variant),
        Column("measured", "measured", lambda result: result.figures or DASH, link=lambda result: {"variant": result.variant}),
        Column("note", "note", lambda result: result.note),
    ]
    return Table(columns, results, "Gates")
