"""Trials as a page holds them: an index in columns, and what was sent and came back in packed blocks, unpacked when read.

A block is JSON, gzipped, as Base64 text: browsers unpack that by themselves. Texts of prompts stand once in their block, or once
in a common one where several blocks share them.
"""

from __future__ import annotations

import base64
import gzip
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

from pydantic import TypeAdapter

from phrasing import scores
from phrasing.records import Result, RunRecord
from phrasing.report.html import rollouts
from phrasing.runs import lazy
from phrasing.runs.steps import Ran, by_trial, of_trial
from phrasing.runs.store import is_prompt
from phrasing.types import CaseNote, canonical_json

BLOCK = 200
"""From how many trials on a block ends, or steps of agents; those of a case stay together."""

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


OfAnswer = Literal["correct", "partly correct", "wrong arguments", "wrong step", "no answer", "not scored"]
"""What the list of trials says of one, by its scores *correct* and *intent*. That it picked a forbidden step is said beside."""

OfRun = Literal["success", "partial success", "no success", "no answer", "not scored"]
"""What it says of an agent that was run to its end, by its score *success*. That it did what is forbidden is said beside."""

Judgement = OfAnswer | OfRun


class _Row(NamedTuple):
    """What the list of trials shows of one, and how its result and its prompt are found."""

    trial: str
    prompt: str
    cell: Cell
    variant: int
    repeat: int
    value: float | None
    judgement: Judgement
    ended: str | None
    steps: int
    forbidden: bool
    chosen: str | None
    form: str | None
    tokens: int | str


_Rows = Mapping[Cell, list[_Row]]
"""Trials by case."""


class _Held:
    """What trials are packed of: a run's record, results, steps and prompts; ``sent`` names the prompt of each step."""

    def __init__(
        self, record: RunRecord, results: Mapping[str, Result], steps: Mapping[str, Result], prompts: Mapping[str, Any] | None
    ) -> None:
        self.record, self.results, self.steps, self.prompts = record, results, steps, prompts or {}
        self.keeps = prompts is not None
        self.sent = {address: step.prompt for address, step in steps.items()}
        self.numbers = by_trial(self.sent)

    def prompts_of(self, row: _Row) -> Iterator[str]:
        """Name the prompts of a trial."""
        if not self.record.loops:
            yield row.prompt
        for number in self.numbers.get(row.trial, ()):
            yield self.sent[f"{row.trial}/{number}"]

    def ran(self, trial: str) -> Ran:
        """Give a trial of an agent with its steps."""
        return of_trial(trial, self.numbers.get(trial, ()), self.results, self.steps, self.prompts if self.keeps else None)


def pack(
    record: RunRecord,
    results: Mapping[str, Result],
    prompts: Mapping[str, Any] | None,
    labels: Mapping[str, str],
    *,
    steps: Mapping[str, Result] = MappingProxyType({}),
    budget: int = BUDGET,
) -> Packed:
    """Pack a run's trials. ``prompts`` is what ``store.prompts`` reads, ``labels`` the names of variants that the page shows.

    ``steps`` are the results of single steps, where agents are run to their end. Results are looked at once for the index, and
    again for the blocks, a block at a time. They and the prompts may be such as are read from a file then (``runs.lazy``).
    """
    held = _Held(record, results, steps, prompts)
    order = {variant: number for number, variant in enumerate(record.variants)}
    found: dict[Cell, list[_Row]] = {}
    for row in sorted((_row(result, order) for result in results.values()), key=lambda row: (row.cell, row.variant, row.repeat)):
        found.setdefault(row.cell, []).append(row)
    kept, made, share = found, _pack(held, found, budget), 1.0
    while made.size > budget and kept:
        share *= 0.9 * budget / made.size
        kept = _telling(found, round(share * len(found)))
        made = _pack(held, kept, budget)
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
        ended=result.outcome.ended if result.outcome else None,
        steps=result.outcome.steps if result.outcome else 0,
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
    if result.outcome:
        return "success" if value == 1 else "partial success" if value else "no success"
    if 0 < value < 1:
        return "partly correct"
    return "correct" if value else "wrong arguments" if _score(result, "intent") else "wrong step"


def _value(result: Result) -> float | None:
    return None if result.error else _score(result, scores.SUCCESS if result.outcome else scores.CORRECT)


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
    datasets, steps, tags, forms, endings = (_Numbers() for _ in range(5))
    verdicts: tuple[Judgement, ...] = get_args(OfRun if record.loops else OfAnswer)
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
                    verdicts.index(row.judgement),
                    int(row.forbidden),
                    steps[row.chosen],
                    forms[row.form],
                    row.tokens,
                    *((endings[row.ended], row.steps) if record.loops else ()),
                )
            )
    names = ["case", "variant", "repeat", "value", "verdict", "forbidden", "chosen", "form", "tokens"]
    names += ["ended", "steps"] if record.loops else []
    return {
        "loops": record.loops,
        "endings": list(endings.names),
        "variants": [labels[variant] for variant in variants],
        "ids": variants,
        "baselines": [order.get(record.baselines.get(variant, ""), -1) for variant in variants],
        "datasets": list(datasets.names),
        "steps": list(steps.names),
        "tags": list(tags.names),
        "forms": list(forms.names),
        "verdicts": list(verdicts),
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


def _pack(held: _Held, found: _Rows, budget: int) -> _Made:
    """Pack these cases. Blocks that don't go into the budget are measured, and not kept."""
    groups = list(_groups(found))
    used = [_texts(held, group) for group in groups]
    shared = Counter(name for names in used for name in names)
    several = {name: i for i, name in enumerate(sorted(name for name, n in shared.items() if n > 1))}
    common = _packed(list(lazy.read(held.prompts, several)))
    blocks, size = [], len(common)
    for group, names in zip(groups, used, strict=True):
        block = _packed(_block(held, group, names, several))
        size += len(block)
        if size <= budget:
            blocks.append(block)
    ends = accumulate(sum(map(len, group.values())) for group in groups)
    return _Made(common, tuple(blocks), tuple(ends), size)


def _block(held: _Held, group: _Rows, names: Iterable[str], several: Mapping[str, int]) -> dict[str, Any]:
    """Write a block: texts of its own, its trials, and its cases. Texts of ``several`` blocks have negative places."""
    own = {name: i for i, name in enumerate(name for name in names if name not in several)}
    places = {name: -1 - i for name, i in several.items()} | own
    notes = [held.record.cases[dataset][case] for dataset, case in group]
    return {
        "texts": list(lazy.read(held.prompts, own)),
        "trials": list(_whole(held, group, places)),
        "cases": [_NOTE.dump_python(note, mode="json", include={"labels", "forbid", "group", "together"}) for note in notes],
    }


def _whole(held: _Held, group: _Rows, places: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Write the trials of a block."""
    trials = [row.trial for rows in group.values() for row in rows]
    if not held.record.loops:
        yield from (_trial(result, held.prompts, places) for result in lazy.read(held.results, trials))
        return
    for trial in trials:
        ran = held.ran(trial)
        assert ran.whole is not None
        steps = [_trial(step, held.prompts, places) for step in ran.steps]
        yield {**_trial(ran.whole, {}, places), **rollouts.written(ran, steps)}


def _trial(result: Result, prompts: Mapping[str, Any], places: Mapping[str, int]) -> dict[str, Any]:
    done = result.completion
    found: dict[str, Any] = {"segments": result.tokens.model_dump(by_alias=True, exclude_defaults=True)}
    if is_prompt(prompt := prompts.get(result.prompt)):
        found["prompt"] = _prompt(prompt, places)
    if result.error:
        found["error"] = f"{result.error.kind}: {result.error.message}"
    if done and not result.outcome:
        found |= {"answer": done.text, "calls": [[call.name, call.arguments] for call in done.tool_calls]}
    if done:
        usage = done.usage.model_dump(exclude_none=True)
        found |= {"usage": usage, "finish": done.finish_reason, "seconds": done.latency, "cost": done.cost}
    if result.parsed:
        found["parsed"] = result.parsed.model_dump(mode="json", exclude_none=True)
    first = (scores.SUCCESS, scores.FORBIDDEN) if result.outcome else scores.STORED
    names = dict.fromkeys((*first, *sorted(result.scores)))
    found["scores"] = [[scores.public(name), score.value, score.reason] for name in names if (score := result.scores.get(name))]
    return found


def _groups(found: _Rows) -> Iterator[dict[Cell, list[_Row]]]:
    held: dict[Cell, list[_Row]] = {}
    for cell, rows in found.items():
        held[cell] = rows
        if sum(max(1, row.steps) for rows in held.values() for row in rows) >= BLOCK:
            yield held
            held = {}
    if held:
        yield held


def _texts(held: _Held, group: _Rows) -> dict[str, int]:
    """Name the texts that prompts of these trials are made of, each once, in the order in which they come.

    So the text of a thread stands beside that of the next step, which goes on where it ends, and both take little room packed.
    """
    names = _Collecting()
    used = dict.fromkeys(name for rows in group.values() for row in rows for name in held.prompts_of(row))
    for prompt in lazy.read(held.prompts, (name for name in used if name in held.prompts)):
        if is_prompt(prompt):
            _prompt(prompt, names)
    return names


class _Collecting(dict[str, int]):
    """Notes what is looked up."""

    def __missing__(self, name: str) -> int:
        self[name] = 0
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
