"""What a plan's prompts cost before anything is asked: their tokens, and the price of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, compress, product

from phrasing.costs import event_tokens
from phrasing.costs.tables import Record, Table, View
from phrasing.costs.token_totals import Counted, TokenTotals
from phrasing.models import prices
from phrasing.models.provider import provider_of
from phrasing.plan.resolve import Plan
from phrasing.records import Result
from phrasing.tokenizers.tokenizer import Tokenizer, characters
from phrasing.types import AXES, NO_EDIT, Case, Prompt, Trial, Variant, read_axes, write_axes

Kind = tuple[str, ...]
"""Function, edit, format and output: what our own count of a prompt depends on. The model doesn't matter to it."""

KIND = [axis for axis in AXES if axis != "model"]

Counts = Mapping[Kind, Mapping[tuple[str, str], int]]
"""Tokens of prompts, framing included, by kind, then by dataset and case."""


@dataclass(frozen=True)
class Entry:
    """A case under a variant's function, edit, format and output: its prompt, by each tokenizer. No edit changes ``events``."""

    kind: Kind
    dataset: str
    case: Case
    events: int
    prompt: Prompt
    counted: Mapping[str, Counted]


def entries(resolved: Plan, tokenizers: Sequence[Tokenizer], *, by_event: bool = False) -> Iterator[list[Entry]]:
    """Count the prompts of a plan, case by case, the cases of a group next to each other. Repeats and models send the same."""
    kinds = list(dict.fromkeys(map(kind_of, resolved.variants)))
    cells: dict[tuple[str, str], dict[Kind, Trial]] = {}
    for trial in resolved.trials:
        cells.setdefault((trial.dataset, trial.case), {}).setdefault(kind_of(trial.variant), trial)
    for (dataset, name), trials in sorted(cells.items(), key=lambda cell: _place(resolved, *cell[0])):
        case, thread = resolved.agents[dataset].cases[name], resolved.agents[dataset].threads[name]
        listed = []
        for kind in filter(trials.__contains__, kinds):
            prompt = resolved.prompt(trials[kind])
            if by_event:
                counted = _by_event(resolved, trials[kind], prompt, tokenizers)
            else:
                length = characters(prompt)
                counted = {tokenizer.name: Counted(tokenizer.count(prompt), length) for tokenizer in tokenizers}
            listed.append(Entry(kind, dataset, case, len(thread.events), prompt, counted))
        yield listed


def _by_event(resolved: Plan, trial: Trial, prompt: Prompt, tokenizers: Sequence[Tokenizer]) -> dict[str, Counted]:
    agent, edit = resolved.agents[trial.dataset], trial.variant.edit
    thread = agent.threads[trial.case] if edit == NO_EDIT else agent.edited[edit][trial.case]
    rendering = resolved.render(trial.dataset, trial.case, trial.variant.format, edit)
    borders = event_tokens.borders(resolved.formats[trial.variant.format], thread, rendering)
    return {tokenizer.name: event_tokens.count_events(tokenizer, prompt, rendering, borders) for tokenizer in tokenizers}


def _place(resolved: Plan, dataset: str, name: str) -> tuple[int, str, int, str]:
    case = resolved.agents[dataset].cases[name]
    return list(resolved.agents).index(dataset), case.cluster, case.turn or 0, name


def measure(resolved: Plan, tokenizers: Sequence[Tokenizer], *, by_event: bool = False) -> TokenTotals:
    """Add up the prompts of a plan."""
    totals = TokenTotals(baselines(resolved))
    for listed in entries(resolved, tokenizers, by_event=by_event):
        counted = {(write_axes(entry.kind), name): found for entry in listed for name, found in entry.counted.items()}
        first = listed[0]
        totals.add(counted, cluster=f"{first.dataset} {first.case.cluster}", events=first.events)
    return totals


def axes(variant: str) -> dict[str, str]:
    """Give the axes of a variant without its model, as the columns of a file."""
    return read_axes(variant)


def by_case(resolved: Plan, tokenizers: Sequence[Tokenizer], label: Callable[[str], str]) -> View:
    """Show every case: a row a case, the tokens of its prompt in each variant; a file has the segments."""
    records: list[Record] = []
    totals: dict[tuple[str, str], dict[tuple[str, str], dict[Kind, str]]] = {}
    for entry in chain.from_iterable(entries(resolved, tokenizers)):
        for name, found in entry.counted.items():
            counts = found.counts.model_dump(by_alias=True)
            place: Record = {"dataset": entry.dataset, "case": entry.case.id, "events": entry.events}
            place |= {**axes(write_axes(entry.kind)), "tokenizer": name}
            records.append({**place, **counts, "total": found.counts.total, "characters": found.characters})
            row = totals.setdefault((name, entry.dataset), {}).setdefault((entry.case.id, str(entry.events)), {})
            row[entry.kind] = f"{found.counts.total:,}"
    tables = []
    several = [len(set(names)) > 1 for names in zip(*totals, strict=True)]
    for titles in product((tokenizer.name for tokenizer in tokenizers), resolved.agents):
        if cases := totals.get(titles):
            kinds = list(dict.fromkeys(kind for row in cases.values() for kind in row))
            rows = [(*case, *(row.get(kind, "–") for kind in kinds)) for case, row in cases.items()]
            headers = ("case", "events", *(label(write_axes(kind)) for kind in kinds))
            tables.append(Table(headers, rows, " ".join(compress(titles, several)), names=2))
    return View(tables, ["Tokens of a prompt, framing included."], records)


def baselines(resolved: Plan) -> dict[str, str]:
    """Map each kind of variant to the one that it is compared with, as text."""
    return {write_axes(kind_of(variant)): write_axes(kind_of(other)) for variant, other in resolved.baselines.items()}


def estimate(resolved: Plan) -> list[str]:
    """Say what a plan would cost, a line a model: calls, prompt tokens by our own count, and dollars where the price is known."""
    counts = count(resolved)
    lines = []
    for label, spec in resolved.models.items():
        trials = [trial for trial in resolved.trials if trial.variant.model == label]
        prompt = sum(counts[kind_of(trial.variant)][trial.dataset, trial.case] for trial in trials)
        limit = {**resolved.suite.params, **spec.params}.get("max_tokens")
        answers = len(trials) * limit if isinstance(limit, int) else 0
        price = provider_of(spec.id).price(spec)
        what = f"answers of at most {limit} tokens" if answers else "without the answers: no max_tokens is set"
        cost = "price unknown" if price is None else f"${prices.dollars(price, prompt=prompt, completion=answers):.4f} ({what})"
        lines.append(f"{label}: {len(trials)} calls, about {prompt:,} prompt tokens by {resolved.suite.tokenizer}, {cost}")
    return lines


def kind_of(what: Variant | Result) -> Kind:
    """Leave the model out."""
    return tuple(getattr(what, axis) for axis in KIND)


def count(resolved: Plan) -> Counts:
    """Count the prompts of a plan by its own tokenizer."""
    found: dict[Kind, dict[tuple[str, str], int]] = {}
    tokenizer = resolved.tokenizer
    for listed in entries(resolved, [tokenizer]):
        for entry in listed:
            cases = found.setdefault(entry.kind, {})
            cases[entry.dataset, entry.case.id] = entry.counted[tokenizer.name].counts.total
    return found


def counted(results: Iterable[Result]) -> Counts:
    """Gather what a run's results say of their prompts."""
    found: dict[Kind, dict[tuple[str, str], int]] = {}
    for result in results:
        cases = found.setdefault(kind_of(result), {})
        cases[result.dataset, result.case] = result.tokens.total
    return found
