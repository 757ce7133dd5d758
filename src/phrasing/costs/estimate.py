"""What a plan's prompts cost before anything is asked: their tokens, and the price of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, compress, product

from phrasing.analysis.usage import RANGES
from phrasing.costs import event_tokens
from phrasing.costs.tables import Record, Table, View, span
from phrasing.costs.token_totals import Counted, TokenTotals
from phrasing.models import prices
from phrasing.models.provider import provider_of
from phrasing.plan.resolve import Plan
from phrasing.records import Result, TokenCounts
from phrasing.tokenizers.tokenizer import Tokenizer, characters, offered
from phrasing.tokenizers.tool_rules import UNPUBLISHED
from phrasing.types import AXES, NO_EDIT, Case, Prompt, Trial, Variant, mode_of, read_axes, write_axes

Kind = tuple[str, ...]
"""Function, edit, format and output: what a prompt depends on. Our count depends on the model only by how it is shown tools."""

KIND = [axis for axis in AXES if axis not in ("model", "control")]

Counts = Mapping[Kind, Mapping[tuple[str, str], TokenCounts]]
"""Prompts, counted, by kind, then by dataset and case."""


@dataclass(frozen=True)
class Entry:
    """A case under a variant's function, edit, format and output: its prompt, by each tokenizer. No edit changes ``events``.

    Of a task it is the prompt of the first step, and there is no ``case``.
    """

    kind: Kind
    dataset: str
    name: str
    case: Case | None
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
        case, thread = resolved.agents[dataset].cases.get(name), resolved.agents[dataset].threads[name]
        listed = []
        for kind in filter(trials.__contains__, kinds):
            prompt = resolved.prompt(trials[kind])
            if by_event:
                counted = _by_event(resolved, trials[kind], prompt, tokenizers)
            else:
                counted = {tokenizer.name: count_prompt(tokenizer, prompt) for tokenizer in tokenizers}
            listed.append(Entry(kind, dataset, name, case, len(thread.events), prompt, counted))
        yield listed


def count_prompt(tokenizer: Tokenizer, prompt: Prompt) -> Counted:
    """Count a prompt by segment."""
    counts = tokenizer.count(prompt)
    return Counted(counts, characters(prompt), offered=offered(prompt) if counts.spread else "")


def by_rule(resolved: Plan, tokenizers: Sequence[Tokenizer]) -> list[Tokenizer]:
    """Give each tokenizer once for every way in which models of a plan are shown tools, named by it where there are several."""
    rules = list(dict.fromkeys(resolved.tool_rules.values())) if offers(resolved) else [UNPUBLISHED]
    made = (tokenizer.under(rule, named=len(rules) > 1) for tokenizer in tokenizers for rule in rules)
    return list({tokenizer.name: tokenizer for tokenizer in made}.values())


def offers(resolved: Plan) -> bool:
    """Whether any prompt of a plan has tools or an enforced schema."""
    return any(mode_of(variant.output) != "prompted" for variant in resolved.variants)


def _by_event(resolved: Plan, trial: Trial, prompt: Prompt, tokenizers: Sequence[Tokenizer]) -> dict[str, Counted]:
    agent, edit = resolved.agents[trial.dataset], trial.variant.edit
    thread = agent.threads[trial.case] if edit == NO_EDIT else agent.edited[edit][trial.case]
    rendering = resolved.render(trial.dataset, trial.case, trial.variant.format, edit, trial.variant.output)
    format = resolved.render.format(trial.variant.format, trial.variant.output)
    borders = event_tokens.borders(format, thread, rendering)
    return {tokenizer.name: event_tokens.count_events(tokenizer, prompt, rendering, borders) for tokenizer in tokenizers}


def _place(resolved: Plan, dataset: str, name: str) -> tuple[int, str, int, str]:
    note = resolved.agents[dataset].notes[name]
    return list(resolved.agents).index(dataset), note.group or name, note.turn or 0, name


def measure(resolved: Plan, tokenizers: Sequence[Tokenizer], *, by_event: bool = False) -> TokenTotals:
    """Add up the prompts of a plan."""
    totals = TokenTotals(baselines(resolved))
    for listed in entries(resolved, tokenizers, by_event=by_event):
        counted = {(write_axes(entry.kind), name): found for entry in listed for name, found in entry.counted.items()}
        first = listed[0]
        totals.add(counted, cluster=" ".join(resolved.group_of(first.dataset, first.name)), events=first.events)
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
            place: Record = {"dataset": entry.dataset, "case": entry.name, "events": entry.events}
            place |= {**axes(write_axes(entry.kind)), "tokenizer": name}
            records.append({**place, **counts, "total": found.counts.total, "characters": found.characters})
            row = totals.setdefault((name, entry.dataset), {}).setdefault((entry.name, str(entry.events)), {})
            row[entry.kind] = span(found.counts.total, found.counts.most, 0)
    tables = []
    several = [len(set(names)) > 1 for names in zip(*totals, strict=True)]
    for titles in product((tokenizer.name for tokenizer in tokenizers), resolved.agents):
        if cases := totals.get(titles):
            kinds = list(dict.fromkeys(kind for row in cases.values() for kind in row))
            rows = [(*case, *(row.get(kind, "–") for kind in kinds)) for case, row in cases.items()]
            headers = ("case", "events", *(label(write_axes(kind)) for kind in kinds))
            tables.append(Table(headers, rows, " ".join(compress(titles, several)), names=2))
    ranges = [RANGES] if any(record["spread"] for record in records) else []
    return View(tables, ["Tokens of a prompt, framing included.", *ranges], records)


def baselines(resolved: Plan) -> dict[str, str]:
    """Map each kind of variant to the one that it is compared with, as text."""
    return {write_axes(kind_of(variant)): write_axes(kind_of(other)) for variant, other in resolved.baselines.items()}


@dataclass(frozen=True)
class Estimate:
    """What it would be to ask a model all that a plan holds.

    ``tokens`` are those of its prompts by our own count, from the least to the most; ``dollars`` goes with them, ``None`` where
    the price isn't known. ``limit`` is how many tokens an answer may have, and as many are in ``dollars``; ``None``: there is no
    limit, so answers aren't.
    """

    model: str
    calls: int
    tokens: tuple[int, int]
    dollars: tuple[float, float] | None
    limit: int | None


def estimates(resolved: Plan) -> Iterator[Estimate]:
    """Say of each model what it would be to ask it."""
    counts = {tokenizer: count(resolved, tokenizer) for tokenizer in set(resolved.tokenizers.values())}
    for label, spec in resolved.models.items():
        trials = [trial for trial in resolved.trials if trial.variant.model == label]
        found = counts[resolved.tokenizers[label]]
        prompts = [found[kind_of(trial.variant)][trial.dataset, trial.case] for trial in trials]
        ends = sum(prompt.total for prompt in prompts), sum(prompt.most for prompt in prompts)
        asked = {**resolved.suite.params, **spec.params}.get("max_tokens")
        limit = asked if isinstance(asked, int) and asked * len(trials) else None
        price = provider_of(spec.id).price(spec)
        cost = None
        if price is not None:
            least, most = (prices.dollars(price, prompt=end, completion=len(trials) * (limit or 0)) for end in ends)
            cost = least, most
        yield Estimate(label, len(trials), ends, cost, limit)


def estimate(resolved: Plan) -> list[str]:
    """Say what a plan would cost, a line a model: calls, prompt tokens by our own count, and dollars where the price is known."""
    lines = []
    if resolved.suite.loops:
        return _of_runs(resolved)
    for found in estimates(resolved):
        what = f"answers of at most {found.limit} tokens" if found.limit else "without the answers: no max_tokens is set"
        cost = "price unknown"
        if found.dollars is not None:
            cost = f"{_to(f'${end:.4f}' for end in found.dollars)} ({what})"
        tokens = _to(f"{end:,}" for end in found.tokens)
        lines.append(f"{found.model}: {found.calls} calls, about {tokens} prompt tokens by {resolved.suite.tokenizer}, {cost}")
    return lines


def _of_runs(resolved: Plan) -> list[str]:
    """Say what is known before agents are run: how many steps they may take, and how long their first prompts are."""
    lines = []
    for found in estimates(resolved):
        mine = [trial for trial in resolved.trials if trial.variant.model == found.model]
        most = sum(resolved.agents[trial.dataset].tasks[trial.case].max_steps for trial in mine)
        tokens = _to(f"{round(end / len(mine)):,}" for end in found.tokens)
        lines.append(
            f"{found.model}: {found.calls} runs of agents, at most {most:,} calls; a first prompt has about {tokens} tokens by "
            f"{resolved.suite.tokenizer}, later ones are longer; what it costs depends on how the runs go"
        )
    return lines


def _to(ends: Iterable[str]) -> str:
    """Write a range, or the one value that it is."""
    return " to ".join(dict.fromkeys(ends))


def kind_of(what: Variant | Result) -> Kind:
    """Leave the model out."""
    return tuple(getattr(what, axis) for axis in KIND)


def count(resolved: Plan, tokenizer: Tokenizer | None = None) -> Counts:
    """Count the prompts of a plan, by default by its own tokenizer, as it counts for the plan's first model."""
    tokenizer = tokenizer or next(iter(resolved.tokenizers.values()))
    found: dict[Kind, dict[tuple[str, str], TokenCounts]] = {}
    for listed in entries(resolved, [tokenizer]):
        for entry in listed:
            cases = found.setdefault(entry.kind, {})
            cases[entry.dataset, entry.name] = entry.counted[tokenizer.name].counts
    return found


def counted(results: Iterable[Result]) -> Counts:
    """Gather what a run's results say of their prompts."""
    found: dict[Kind, dict[tuple[str, str], TokenCounts]] = {}
    for result in results:
        found.setdefault(kind_of(result), {})[result.dataset, result.case] = result.tokens
    return found
