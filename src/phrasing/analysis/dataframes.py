"""The tables of a run as its users see them: DataFrames, CSV and Parquet, with public names of scores and proper types.

``docs/concepts.md`` describes the columns. The tables inside (``tables``) have stored names of scores and texts instead.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from phrasing.analysis import conversations
from phrasing.analysis.latency import AT, Latency
from phrasing.analysis.trial_columns import ASKED, FAILED, MESSAGE, SAID, TrialColumns
from phrasing.errors import UserError
from phrasing.records import Result
from phrasing.score import log_odds
from phrasing.score.no_model import RULES
from phrasing.scores import CONVERSATION, SCORES
from phrasing.suite.schema import MEASURES
from phrasing.types import AXES, CaseNote, StepMatch, Variant

if TYPE_CHECKING:
    import pandas as pd

    from phrasing.analysis.compare import Comparison
    from phrasing.analysis.conversations import Apart
    from phrasing.analysis.tables import Notes
    from phrasing.runs.steps import Ran

COUNTS = ("prompt_tokens", "answer_tokens", "cached_tokens", "reasoning_tokens", "attempts", "turn")
"""Columns of whole numbers that may be missing."""

KINDS = ("strength", "error", "form", "stage", "finish_reason", "emulated", "unread")
"""Columns of a few words that come again and again, besides the axes of variants."""

_ORDER = (
    *("trial", "dataset", "case", "group", "turn", "tags", "strength", *AXES, "variant", "repeat", "error"),
    "SCORES",
    *(CONVERSATION, "expected", "expected_arguments", "chosen", "chosen_arguments", "form", "stage", "marks", "reason"),
)
"""What trials begin with, in order; tokens and what the answer took follow as they come."""

_END = ("at", "answer", "tool_calls")
"""What trials end with."""

TEXTS = ("chosen_arguments", "reason", "answer", "tool_calls")
"""Columns whose texts grow with answers: they come from the results themselves, each of which is read for them."""

LOG_ODDS = "log_odds"
"""The column of how sure a model was of an acceptable step (``score.log_odds``)."""

_SUFFIXES = ("", "_low", "_high", "_k", "_n")


def trials(
    table: pd.DataFrame,
    results: Mapping[str, Result],
    cases: Notes,
    *,
    steps: Mapping[str, Sequence[str]],
    variants: Sequence[str],
    scorers: Sequence[str],
) -> pd.DataFrame:
    """Make the public table of trials from that of ``tables.trials``.

    ``steps`` are those of each ``dataset function``; ``variants`` are all of the run, in its order; ``scorers`` names the suite's
    own scores. There is a column ``log_odds`` where any answer has some. Arguments are JSON: those of the step
    that was chosen as an object, those of the acceptable steps as a list with an object for each.
    """
    found = table.drop(columns=["cluster", "strength", MESSAGE, FAILED, ASKED, SAID], errors="ignore")
    known = [_known(cases.get(dataset, {}).get(case)) for dataset, case in zip(table["dataset"], table["case"], strict=True)]
    for name in known[0]:
        found[name] = [one[name] for one in known]
    for name, values in zip((*TEXTS, LOG_ODDS), _of_results(results, table["trial"].tolist(), cases, steps), strict=True):
        if name != LOG_ODDS or any(value is not None for value in values):
            found[name] = values
    found["group"] = table["cluster"]
    if CONVERSATION not in scorers:  # an older run's may be called so
        found[CONVERSATION] = conversations.of_trials(table, cases)
    stored = [score.stored for score in SCORES] + list(scorers)
    controls = {variant: control for variant in variants if (control := Variant.parse(variant).control)}
    if controls:
        found["control"] = [controls.get(variant) for variant in found["variant"]]
    wanted = (name for part in _ORDER for name in (stored if part == "SCORES" else [part]))
    begin = [name for name in dict.fromkeys(wanted) if name != "control" or controls]
    middle = [name for name in found.columns if name not in (*begin, *_END)]
    ordered = found[[*begin, *middle, *_END]]
    return _typed(ordered, variants).rename(columns=_public(scorers))


def steps(runs: Iterable[Ran], variants: Sequence[str]) -> pd.DataFrame:
    """Make the public table of steps of agents that were run to their end, in the order of ``runs``.

    ``variants`` are all of the run, in its order. ``now`` is when a step was asked for, in seconds of virtual time; ``shown`` and
    ``effects`` are the types of what came of it, ``harm`` how many of these effects the task forbids. They are missing where a
    run doesn't keep them.
    """
    import pandas as pd

    columns, own = TrialColumns(()), {name: list[Any]() for name in _OF_STEPS}
    for ran in runs:
        for number, step in enumerate(ran.steps, start=1):
            columns.add(step)
            for name, value in _of_step(ran, number, step).items():
                own[name].append(value)
    found = pd.DataFrame(columns.rows(range(len(columns)))).assign(**own)
    found["trial"] = [address.rpartition("/")[0] for address in columns.texts("trial")]
    axes = {
        str(axis): [Variant.parse(variant).axes[axis] for variant in found["variant"]] for axis in Variant.parse(variants[0]).axes
    }
    found = found.assign(**axes)
    ours = [name for name in found.columns if name.startswith("tokens")]
    middle = ("form", "stage", "marks", "reason", *ours, *COUNTS[:-2], "latency", "first_byte", "first_token", "cost", "attempts")
    begin = ("trial", "dataset", "case", *axes, "variant", "repeat", "step", "now", "chosen", "chosen_arguments")
    ordered = found[[*begin, "shown", "effects", "harm", *middle, "finish_reason", *_END]]
    return _typed(ordered, variants).astype({"step": "int64", "now": "float64", "harm": "Int64"})


_OF_STEPS = ("step", "now", "chosen_arguments", "shown", "effects", "harm", "reason", "answer", "tool_calls")


def _of_step(ran: Ran, number: int, step: Result) -> dict[str, Any]:
    """Give ``_OF_STEPS`` of a step, which its result alone doesn't have or whose texts grow with answers."""
    before, after, shown = ran.happened[number - 1], ran.happened[number], ran.shown(number)
    parsed, done = step.parsed, step.completion
    return {
        "step": step.step,
        "now": before.now if before else None,
        "chosen_arguments": _json(parsed.step.args) if parsed and parsed.step else None,
        "shown": ", ".join(event.type for event in shown) if shown is not None else None,
        "effects": ", ".join(effect.type for effect in after.effects) if after else None,
        "harm": sum(map(ran.forbids, after.effects)) if after else None,
        "reason": parsed.reason if parsed else None,
        "answer": done.text if done else None,
        "tool_calls": "; ".join(f"{call.name}({call.arguments})" for call in done.tool_calls) if done else None,
    }


def _of_results(
    results: Mapping[str, Result], trials: Sequence[str], cases: Notes, steps: Mapping[str, Sequence[str]]
) -> list[list[Any]]:
    """Give ``TEXTS`` and ``LOG_ODDS`` of these trials, a list a column. Results are read in their own order, once."""
    places = {trial: place for place, trial in enumerate(trials)}
    found: list[list[Any]] = [[None] * len(trials) for _ in (*TEXTS, LOG_ODDS)]
    for trial, result in results.items():
        step, done = result.parsed and result.parsed.step, result.completion
        calls = "; ".join(f"{call.name}({call.arguments})" for call in done.tool_calls) if done else None
        note = cases.get(result.dataset, {}).get(result.case)
        odds = log_odds.of_result(result, note, steps)
        row = _json(step.args) if step else None, result.why, done.text if done else None, calls, odds
        for column, value in zip(found, row, strict=True):
            column[places[trial]] = value
    return found


def _known(note: CaseNote | None) -> dict[str, Any]:
    """Give the columns of a case; nothing of one that the run's record doesn't have."""
    if note is None:
        return dict.fromkeys(("turn", "tags", "strength", "expected", "expected_arguments"))
    return {
        "turn": note.turn,
        "tags": ", ".join(note.tags),
        "strength": note.strength,
        "expected": note.wanted,
        "expected_arguments": _arguments(note.labels),
    }


def _typed(table: pd.DataFrame, variants: Sequence[str]) -> pd.DataFrame:
    """Give columns the types of what they hold; axes are categories, in the order in which the run's ``variants`` have them."""
    import pandas as pd

    ours = [name for name in table.columns if name.startswith("tokens")]
    parsed = [Variant.parse(variant).axes for variant in variants]
    counts = [name for name in COUNTS if name in table.columns]
    kinds = [name for name in KINDS if name in table.columns]
    found = table.astype(dict.fromkeys(ours, "int64") | dict.fromkeys(counts, "Int64") | dict.fromkeys(kinds, "category"))
    orders = {str(axis): [axes[axis] for axes in parsed] for axis in AXES if axis in parsed[0]}
    orders |= {"variant": list(variants), "dataset": sorted(table["dataset"])}
    for name, order in orders.items():
        found[name] = pd.Categorical(found[name], categories=list(dict.fromkeys(order)))
    found["at"] = pd.to_datetime(found["at"].replace("", None), format="ISO8601", utc=True)
    return found


def summary(table: pd.DataFrame, scorers: Sequence[str]) -> pd.DataFrame:
    """Make the public table of variants from that of ``tables.summary``."""
    names = _public(scorers)
    renamed = {f"{stored}{suffix}": f"{name}{suffix}" for stored, name in names.items() for suffix in _SUFFIXES}
    return table.rename(columns=renamed | {name: f"no_model_{name}" for name in RULES})


def latency(found: Sequence[Latency]) -> pd.DataFrame:
    """Make the table of latencies: one row a variant, indexed by its text.

    ``p50`` and ``p95`` are seconds, from ``…_low`` to ``…_high``, over ``n`` answers; ``…_ratio``, from ``…_ratio_low`` to
    ``…_ratio_high``, is how many times the baseline's over the trials that both answered, ``…_p`` the probability of a difference
    at least so large if there were none (not corrected), and ``…_verdict`` what may be said, with Holm's correction over all.
    """
    import pandas as pd

    rows = []
    for one in found:
        row: dict[str, Any] = {"variant": one.variant, "baseline": one.baseline or None, "n": one.n}
        for place, at in enumerate(AT):
            name = f"p{100 * at:g}"
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), one.seconds[place], strict=True))
            ratio = one.ratios[place][:4] if one.ratios else [float("nan")] * 4
            row |= dict(zip((f"{name}_ratio", f"{name}_ratio_low", f"{name}_ratio_high", f"{name}_p"), ratio, strict=True))
            row[f"{name}_verdict"] = one.verdicts[place].value if one.verdicts else None
        rows.append(row)
    return pd.DataFrame(rows).set_index("variant") if rows else pd.DataFrame()


def comparison(found: Comparison) -> pd.DataFrame:
    """Make the table of a comparison: one row a variant, indexed by its text.

    ``score`` and ``baseline_score`` are means from 0 to 1 over the ``n`` cases that both answered, ``difference`` is the first
    less the second, from ``low`` to ``high`` at the comparison's confidence. ``p_corrected`` is Holm's, over the whole
    comparison. ``won``, ``lost`` and ``tied`` count cases. ``minimum_detectable_difference`` is what the design shows with a
    chance of 80 %, ``cases_needed`` about how many cases would decide it. Columns that end in ``_ratio`` are totals over those of
    the baseline. Where conversations are compared (score ``conversation``), they stand in place of cases; else
    ``conversation_difference``, from ``…_low`` to ``…_high``, is that of whole conversations, over ``…_n`` that both answered,
    and no test.
    """
    import pandas as pd

    rows, whole = [], {apart.variant: apart for apart in found.conversations}
    for one in found.contrasts:
        paired = one.found
        row: dict[str, Any] = {
            "variant": one.variant,
            "baseline": one.baseline,
            "verdict": one.verdict.word(agreement=found.agreement),
            "n": one.n,
            "score": one.mine,
            "baseline_score": one.theirs,
            "difference": one.difference,
            "low": one.low,
            "high": one.high,
            "p": one.p,
            "p_corrected": one.corrected,
            "won": paired.wins if paired else 0,
            "lost": paired.losses if paired else 0,
            "tied": paired.ties if paired else 0,
            "without_answer": one.left,
            "asked_of_one_only": one.apart,
            "minimum_detectable_difference": one.detectable,
            "cases_needed": one.needed,
            **_by_conversation(whole.get(one.variant)),
        }
        for name in MEASURES:
            ratio = one.ratios.get(name)
            row |= {f"{name}_ratio{end}": getattr(ratio, value, None) for end, value in _ENDS.items()}
        rows.append(row)
    ratios = [f"{name}_ratio{end}" for name in MEASURES for end in _ENDS]
    table = pd.DataFrame(rows, columns=[*_COMPARED, *ratios])
    numbers = dict.fromkeys((*_SHARES, *ratios), "float64") | dict.fromkeys(_COUNTED, "Int64")
    return table.astype(numbers).set_index("variant")


def _by_conversation(apart: Apart | None) -> dict[str, Any]:
    """Give the columns of a comparison by conversation; nothing where there is none."""
    found = (apart.n, apart.difference, apart.low, apart.high) if apart else (None,) * len(_CONVERSATIONS)
    return dict(zip(_CONVERSATIONS, found, strict=True))


_CONVERSATIONS = tuple(f"{CONVERSATION}_{name}" for name in ("n", "difference", "low", "high"))
_ENDS = {"": "value", "_low": "low", "_high": "high"}
_SHARES = (
    *("score", "baseline_score", "difference", "low", "high", "p", "p_corrected", "minimum_detectable_difference"),
    *_CONVERSATIONS[1:],
)
_COUNTED = (_CONVERSATIONS[0], "n", "won", "lost", "tied", "without_answer", "asked_of_one_only", "cases_needed")
_COMPARED = (
    *("variant", "baseline", "verdict", "n", "score", "baseline_score", "difference", "low", "high", "p", "p_corrected"),
    *("won", "lost", "tied", "without_answer", "asked_of_one_only", "minimum_detectable_difference", "cases_needed"),
    *_CONVERSATIONS,
)


def _public(scorers: Sequence[str]) -> dict[str, str]:
    """Map stored names of scores to public ones, but for those that a scorer of the suite's own has already."""
    return {score.stored: score.name for score in SCORES if score.name not in scorers}


def _arguments(labels: Sequence[StepMatch]) -> str | None:
    """Write the arguments of acceptable steps; ``None``: the run is older than labels in ``run.json``."""
    return _json([label.args for label in labels]) if labels else None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


# ---------------------------------------------------------------------------------------------- files


def joined(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Put the tables of trials of several runs below each other, with a column ``run`` first; one table stays as it is."""
    import pandas as pd

    if len(tables) == 1:
        return next(iter(tables.values()))
    named = [table.assign(run=name) for name, table in tables.items()]
    whole = pd.concat(named, ignore_index=True)
    return whole[["run", *(name for name in whole.columns if name != "run")]]


def csv(table: pd.DataFrame) -> str:
    """Write a table of trials as CSV: missing values are empty, times are UTC in milliseconds. Equal tables give equal texts."""
    at = table["at"].dt.strftime("%Y-%m-%dT%H:%M:%S.%f").str.slice(stop=-3) + "Z"
    return table.assign(at=at).to_csv(index=False, lineterminator="\n")


def parquet(table: pd.DataFrame) -> bytes:
    """Write a table as Parquet. Raises ``UserError`` where the package for it is missing."""
    packed = io.BytesIO()
    try:
        table.to_parquet(packed, engine="pyarrow", index=False)
    except ImportError:
        raise UserError("Parquet needs a package: pip install 'phrasing[parquet]'") from None
    return packed.getvalue()
