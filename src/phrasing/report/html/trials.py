"""Trials as a page holds them: an index in columns, and what was sent and came back in packed blocks, unpacked when read.

A block is JSON, gzipped, as Base64 text: browsers unpack that by themselves. Texts of prompts stand once in their block, or once
in a common one where several blocks share them.
"""

from __future__ import annotations

import base64
import gzip
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal, NamedTuple, get_args

from pydantic import TypeAdapter

from phrasing import scores
from phrasing.records import Result, RunRecord
from phrasing.runs import lazy
from phrasing.runs.store import is_prompt
from phrasing.types import CaseNote, canonical_json

BLOCK = 200
"""From how many trials on a block ends; those of a case stay together."""

BUDGET = 11_000_000
"""Characters of all blocks: a page has to go by mail. Further cases are left out of them, those that say least first."""

Cell = tuple[str, str]
"""A dataset and a case."""

_NOTE = TypeAdapter(CaseNote)


@dataclass(frozen=True)
class Packed:
    """``index`` and ``blocks`` as text; ``numbers`` are the places of trials in the index, by their names.

    ``whole`` of ``cases`` cases are in the blocks; ``prompts`` tells whether theirs are.
    """

    index: str
    numbers: Mapping[str, int]
    common: str
    blocks: tuple[str, ...]
    whole: int
    cases: int
    prompts: bool


Judgement = Literal["correct", "partly correct", "wrong arguments", "wrong step", "no answer", "not scored"]
"""What the list of trials says of one, by its scores *correct* and *intent*. That it picked a forbidden step is said beside."""

JUDGEMENTS: tuple[Judgement, ...] = get_args(Judgement)


class _Row(NamedTuple):
    """What the list of trials shows of one, and how its result and its prompt are found."""

    trial: str
    prompt: str
    cell: Cell
    variant: int
    repeat: int
    value: float | None
    judgement: Judgement
    forbidden: bool
    chosen: str | None
    form: str | None
    tokens: int | str


_Rows = Mapping[Cell, list[_Row]]
"""Trials by case."""


def pack(
    record: RunRecord,
    results: Mapping[str, Result],
    prompts: Mapping[str, Any] | None,
    labels: Mapping[str, str],
    *,
    budget: int = BUDGET,
) -> Packed:
    """Pack a run's trials. ``prompts`` is what ``store.prompts`` reads, ``labels`` the names of variants that the page shows.

    Results are looked at once for the index, and again for the blocks, a block at a time. They and the prompts may be such as are
    read from a file then (``runs.lazy``).
    """
    order = {variant: number for number, variant in enumerate(record.variants)}
    found: dict[Cell, list[_Row]] = {}
    for row in sorted((_row(result, order) for result in results.values()), key=lambda row: (row.cell, row.variant, row.repeat)):
        found.setdefault(row.cell, []).append(row)
    kept, made, share = found, _pack(record, found, results, prompts, budget), 1.0
    while made.size > budget and kept:
        share *= 0.9 * budget / made.size
        kept = _telling(found, round(share * len(found)))
        made = _pack(record, kept, results, prompts, budget)
    ordered = {**kept, **{cell: rows for cell, rows in found.items() if cell not in kept}}
    index = _index(record, labels, ordered, made.ends)
    numbers = {trial: i for i, trial in enumerate(row.trial for rows in ordered.values() for row in rows)}
    return Packed(_packed(index), numbers, made.common, made.blocks, len(kept), len(found), prompts is not None)


def _row(result: Result, order: Mapping[str, int]) -> _Row:
    tokens = result.tokens
    return _Row(
        trial=result.trial,
        prompt=result.prompt,
        cell=(result.dataset, result.case),
        variant=order[result.variant],
        repeat=result.repeat,
        value=_value(result),
        judgement=judge(result),
        forbidden=bool(_score(result, scores.FORBIDDEN)),
        chosen=chosen(result),
        form=result.parsed.form if result.parsed else None,
        tokens=f"{tokens.total:,}–{tokens.most:,}" if tokens.spread else tokens.total,
    )


def _packed(value: Any) -> str:
    return base64.b64encode(gzip.compress(canonical_json(value).encode("utf-8", "surrogatepass"), 6, mtime=0)).decode()


def _telling(found: _Rows, most: int) -> dict[Cell, list[_Row]]:
    """Choose the cases that say most: those with a forbidden step, on which variants differ, that any variant got wrong."""

    def weight(rows: Sequence[_Row]) -> int:
        values = {row.value for row in rows}
        return -(4 * any(row.forbidden for row in rows) + 2 * (len(values) > 1) + (values != {1.0}))

    chosen = set(sorted(found, key=lambda cell: (weight(found[cell]), cell))[:most])
    return {cell: rows for cell, rows in found.items() if cell in chosen}


# ---------------------------------------------------------------------------------------------- index


def judge(result: Result) -> Judgement:
    """Judge a trial."""
    if result.error:
        return "no answer"
    value = _value(result)
    if value is None:
        return "not scored"
    if 0 < value < 1:
        return "partly correct"
    return "correct" if value else "wrong arguments" if _score(result, "intent") else "wrong step"


def _value(result: Result) -> float | None:
    return None if result.error else _score(result, scores.CORRECT)


def _score(result: Result, name: str) -> float | None:
    return result.scores[name].value if name in result.scores else None


def expected(note: CaseNote) -> str:
    """Name the steps that a case expects, as confusions do."""
    return note.wanted


def chosen(result: Result) -> str | None:
    """Name the step that a trial chose, as confusions do: the stage in brackets, where none could be read."""
    if result.parsed is None:
        return None
    stage, step = result.parsed.stage, result.parsed.step
    return f"({stage})" if stage else step.intent if step else None


class _Numbers:
    """Numbers for names, as they come."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}

    def __getitem__(self, name: str | None) -> int:
        return -1 if name is None else self.names.setdefault(name, len(self.names))


def _index(record: RunRecord, labels: Mapping[str, str], found: _Rows, ends: Sequence[int]) -> dict[str, Any]:
    """Write what the list of trials shows and is filtered by: a number a trial and column, places in the lists of names."""
    datasets, steps, tags, forms = (_Numbers() for _ in range(4))
    there = sorted({row.variant for rows in found.values() for row in rows})
    variants = [record.variants[number] for number in there]
    order = {variant: number for number, variant in enumerate(variants)}
    places = {number: place for place, number in enumerate(there)}
    cases, listed = [], []
    for number, ((dataset, case), rows) in enumerate(found.items()):
        note = record.cases[dataset][case]
        logged = int(note.strength == "logged")
        held = [
            datasets[dataset],
            case,
            [tags[tag] for tag in note.tags],
            note.events,
            note.turn,
            steps[expected(note)],
            logged,
        ]
        cases.append(held)
        for row in rows:
            listed.append(
                (
                    number,
                    places[row.variant],
                    row.repeat,
                    row.value,
                    JUDGEMENTS.index(row.judgement),
                    int(row.forbidden),
                    steps[row.chosen],
                    forms[row.form],
                    row.tokens,
                )
            )
    names = ("case", "variant", "repeat", "value", "verdict", "forbidden", "chosen", "form", "tokens")
    return {
        "variants": [labels[variant] for variant in variants],
        "ids": variants,
        "baselines": [order.get(record.baselines.get(variant, ""), -1) for variant in variants],
        "datasets": list(datasets.names),
        "steps": list(steps.names),
        "tags": list(tags.names),
        "forms": list(forms.names),
        "verdicts": list(JUDGEMENTS),
        "cases": cases,
        "trials": dict(zip(names, map(list, zip(*listed, strict=True)), strict=True)),
        "ends": list(ends),
    }


# ---------------------------------------------------------------------------------------------- blocks


@dataclass(frozen=True)
class _Made:
    """Texts that blocks share, the blocks, the numbers of trials before which each block ends, and characters of all of it."""

    common: str
    blocks: tuple[str, ...]
    ends: tuple[int, ...]
    size: int


def _pack(
    record: RunRecord, found: _Rows, results: Mapping[str, Result], prompts: Mapping[str, Any] | None, budget: int
) -> _Made:
    """Pack these cases. Blocks that don't go into the budget are measured, and not kept."""
    kept = prompts or {}
    groups = list(_groups(found))
    used = [_texts(kept, group) for group in groups]
    shared = Counter(name for names in used for name in names)
    several = {name: i for i, name in enumerate(sorted(name for name, n in shared.items() if n > 1))}
    common = _packed(list(lazy.read(kept, several)))
    blocks, size = [], len(common)
    for group, names in zip(groups, used, strict=True):
        block = _packed(_block(record, group, results, kept, names, several))
        size += len(block)
        if size <= budget:
            blocks.append(block)
    ends = accumulate(sum(map(len, group.values())) for group in groups)
    return _Made(common, tuple(blocks), tuple(ends), size)


def _block(
    record: RunRecord,
    group: _Rows,
    results: Mapping[str, Result],
    kept: Mapping[str, Any],
    names: set[str],
    several: Mapping[str, int],
) -> dict[str, Any]:
    """Write a block: texts of its own, its trials, and its cases. Texts of ``several`` blocks have negative places."""
    own = {name: i for i, name in enumerate(sorted(names - several.keys()))}
    places = {name: -1 - i for name, i in several.items()} | own
    notes = [record.cases[dataset][case] for dataset, case in group]
    return {
        "texts": list(lazy.read(kept, own)),
        "trials": [_trial(result, kept, places) for result in lazy.read(results, _trials(group))],
        "cases": [_NOTE.dump_python(note, mode="json", include={"labels", "forbid", "group", "together"}) for note in notes],
    }


def _trial(result: Result, prompts: Mapping[str, Any], places: Mapping[str, int]) -> dict[str, Any]:
    done = result.completion
    found: dict[str, Any] = {"segments": result.tokens.model_dump(by_alias=True, exclude_defaults=True)}
    if is_prompt(prompt := prompts.get(result.prompt)):
        found["prompt"] = _prompt(prompt, places)
    if result.error:
        found["error"] = f"{result.error.kind}: {result.error.message}"
    if done:
        found |= {"answer": done.text, "calls": [[call.name, call.arguments] for call in done.tool_calls]}
        usage = done.usage.model_dump(exclude_none=True)
        found |= {"usage": usage, "finish": done.finish_reason, "seconds": done.latency, "cost": done.cost}
    if result.parsed:
        found["parsed"] = result.parsed.model_dump(mode="json", exclude_none=True)
    names = dict.fromkeys((*scores.STORED, *sorted(result.scores)))
    found["scores"] = [[scores.public(name), score.value, score.reason] for name in names if (score := result.scores.get(name))]
    return found


def _groups(found: _Rows) -> Iterator[dict[Cell, list[_Row]]]:
    held: dict[Cell, list[_Row]] = {}
    for cell, rows in found.items():
        held[cell] = rows
        if sum(map(len, held.values())) >= BLOCK:
            yield held
            held = {}
    if held:
        yield held


def _trials(group: _Rows) -> Iterator[str]:
    return (row.trial for rows in group.values() for row in rows)


def _texts(prompts: Mapping[str, Any], group: _Rows) -> set[str]:
    """Name the texts that prompts of these trials are made of."""
    names: set[str] = set()
    used = {row.prompt for rows in group.values() for row in rows}
    for prompt in lazy.read(prompts, (name for name in used if name in prompts)):
        if is_prompt(prompt):
            _prompt(prompt, _Collecting(names))
    return names


class _Collecting(dict[str, int]):
    """Notes what is looked up."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def __getitem__(self, name: str) -> int:
        self._names.add(name)
        return 0


def _prompt(stored: Mapping[str, Any], places: Mapping[str, int]) -> dict[str, Any]:
    """Write a prompt with the places of its texts: messages of pieces, or messages that a format made, as they are."""
    messages = [
        {"kind": part["kind"], "message": places[part["message"]]}
        if "message" in part
        else {"role": part["role"], "pieces": [[kind, places[name]] for kind, name in part["pieces"]]}
        for part in stored["messages"]
    ]
    found: dict[str, Any] = {"messages": messages}
    for key in ("tools", "response_format"):
        if stored[key]:
            found[key] = places[stored[key]]
    return found
