"""The grid: which variants can work, what each is compared with, and the order in which trials are asked."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import product
from typing import Literal, NamedTuple, get_args

from phrasing import scores
from phrasing.errors import SuiteError, unknown
from phrasing.models.provider import provider_of
from phrasing.plan.selection import WHOLE, Selection
from phrasing.suite.expressions import compile_expression
from phrasing.suite.file import SuiteFile
from phrasing.suite.schema import MEASURES, ModelSpec, Suite
from phrasing.types import OFFERS_TOOLS, Axis, CaseNote, Mode, Output, Trial, Variant, mode_of

BLOCK = 8
"""Cases are asked in blocks of whole groups, so many cases or more: within one, by variant, so that a run cut short is paired and
shared prefixes meet a cache."""

Variants = Mapping[Variant, tuple[str, ...]]
"""Every variant that can work, with the datasets it runs on."""

GroupKey = tuple[str, str]
"""A dataset and the name of one of its groups."""

Groups = Mapping[GroupKey, Sequence[str]]
"""The cases of each group."""

Notes = Mapping[str, Mapping[str, CaseNote]]
"""What is held of cases, by dataset and id."""

Blocks = tuple[tuple[GroupKey, ...], ...]
"""The groups in the order in which they are asked, by block."""

History = Literal["tool calls", "text"]
"""How a format that makes messages shows the agent's earlier steps."""

_PAIRING: dict[History, str] = {
    "tool calls": "its history holds native tool calls, which an API accepts only with tools (outputs tool, tool_auto)",
    "text": "its history shows steps as the assistant's text, and outputs tool and tool_auto ask for native calls",
}


@dataclass(frozen=True)
class Skipped:
    """Cells that can't work, and why."""

    dataset: str
    format: str
    output: str
    reason: str

    def __str__(self) -> str:
        return f"{self.dataset}: {self.format} with output {self.output}: {self.reason}"


class Selected(NamedTuple):
    """The trials in the order in which they are asked, how they were narrowed, if they were, and the blocks of their groups."""

    trials: tuple[Trial, ...]
    partial: str | None
    blocks: Blocks


def make_variants(
    suite: Suite, histories: Mapping[tuple[str, str, Output], History | None]
) -> tuple[Variants, tuple[Skipped, ...]]:
    """Make every variant that can work; say why the others can't. ``histories`` is by dataset, format and output.

    Raises ``SuiteError`` where nothing is left of an agent.
    """
    variants: dict[Variant, tuple[str, ...]] = {}
    skipped: list[Skipped] = []
    for agent in suite.agents:
        before = len(skipped)
        for format in suite.formats:
            for output in suite.outputs:
                history = histories[agent.dataset, format, output]
                if history and (history == "tool calls") != (output in OFFERS_TOOLS):
                    skipped.append(Skipped(agent.dataset, format, output, _PAIRING[history]))
                    continue
                for function, control, edit, model in product(agent.asked, suite.control or ("",), suite.edits, suite.models):
                    variant = Variant(function, edit, format, output, model.label, control)
                    variants[variant] = (*variants.get(variant, ()), agent.dataset)
        if len(skipped) - before == len(suite.formats) * len(suite.outputs):
            raise SuiteError("nothing is left of an agent; " + "; ".join(map(str, skipped[before:])))
    return variants, tuple(skipped)


def check_outputs(file: SuiteFile, suite: Suite) -> None:
    """Raise ``SuiteError`` where a model can't be asked with an output, by what its provider says."""
    for spec in suite.models:
        able = provider_of(spec.id).outputs
        lacking = [output for output in suite.outputs if mode_of(output) not in able]
        if lacking:
            known = ", ".join(mode for mode in get_args(Mode) if mode in able)
            problem = f"{spec.label!r} can't be asked with output {lacking[0]}; it can with: {known}"
            raise SuiteError(f"models: {problem}", where=_where(file, spec))


def check_models(file: SuiteFile, suite: Suite) -> None:
    """Raise ``SuiteError`` where a model can't be asked, whatever keys there are."""
    for spec in suite.models:
        if problem := provider_of(spec.id).problem(spec):
            raise SuiteError(f"models: {problem}", where=_where(file, spec))


def _where(file: SuiteFile, spec: ModelSpec) -> str:
    """Name the line of a model, or where else it was named."""
    given = file.suite.models
    return file.where("models", given.index(spec)) if spec in given else "command line"


def find_baselines(file: SuiteFile, suite: Suite, variants: Iterable[Variant]) -> tuple[dict[Variant, Variant], str | None]:
    """Give each variant the one it is compared with: itself, with the axes that the baseline names replaced.

    Where the suite names no baseline it is the first format. ``suite`` is the file's, perhaps narrowed on the command line; if
    that left the baseline out, no variant has one and a warning says so. Raises ``SuiteError`` for a name that isn't there.
    """
    variants = tuple(variants)
    narrowed = suite != file.suite
    named: Mapping[Axis, str] = suite.baseline or {"format": suite.formats[0]}
    for axis, value in named.items():
        values = {getattr(variant, axis) for variant in variants}
        if value not in values:
            if narrowed:
                return {}, f"the baseline's {axis} {value!r} isn't asked, so no variant is compared with it"
            if value in (*suite.formats, *suite.outputs):
                raise SuiteError(
                    f"nothing is left of the baseline: {axis} {value!r} can't work here", where=file.where("baseline")
                )
            raise file.at("baseline", axis).error(unknown(axis, value, values))
    moved = {variant: variant.moved(named) for variant in variants}
    return {variant: baseline for variant, baseline in moved.items() if baseline in moved}, None


def check_requirements(file: SuiteFile, variants: Iterable[Variant]) -> None:
    """Hold the names in ``require`` against the variants. Raises ``SuiteError`` with the choices."""
    variants = tuple(variants)
    for i, requirement in enumerate(file.suite.require):
        for axis, value in requirement.where.items():
            values = {getattr(variant, axis) for variant in variants}
            if value not in values:
                raise file.at("require", i, "where", axis).error(unknown(axis, value, values))


def check_scores(file: SuiteFile, suite: Suite, judged: Set[str] = frozenset()) -> None:
    """Hold the scores that ``compare`` and ``require`` name against those there are. Raises ``SuiteError`` with the choices.

    ``judged`` are the scores of its environments, beside those of every run.
    """
    own = tuple(dict.fromkeys((*scores.SEVERAL, *suite.scorer_names)))
    names, known = (*scores.NAMES, *own), {*scores.STORED, *own}
    if suite.loops:
        of_runs = [score.name for score in scores.ROLLOUT_SCORES] + sorted(judged)
        names, known = (*of_runs, "forbidden"), {*of_runs, scores.FORBIDDEN}
    compared = [] if suite.loops else [scores.CONVERSATION]
    found = scores.of_runs(suite.compare.score) if suite.loops else None
    if found is not None and found.better == "low":
        message = f"{found.name!r} is better the lower it is: hold it by a gate with max, and compare a score that is better high"
        raise file.at("compare", "score").error(message)
    if suite.compare.score not in {*known, *compared}:
        raise file.at("compare", "score").error(unknown("score", suite.compare.score, (*names, *compared)))
    for i, requirement in enumerate(suite.require):
        if requirement.score == scores.CONVERSATION and requirement.score not in known:
            raise file.at("require", i, "score").error("gates hold scores of cases; by conversations variants are only compared")
        if requirement.score not in known.union(MEASURES):
            raise file.at("require", i, "score").error(unknown("score", requirement.score, (*names, *MEASURES)))


def check_several(file: SuiteFile, suite: Suite, cases: Iterable[CaseNote]) -> None:
    """Refuse to compare or to require a score that no case has: those of several steps are of cases that want several."""
    wanted = {case.together for case in cases}
    named: list[tuple[str, tuple[str | int, ...]]] = [(suite.compare.score, ("compare", "score"))]
    named += [(gate.score, ("require", i, "score")) for i, gate in enumerate(suite.require)]
    for score, keys in named:
        kinds = {"sequence"} if score == "order" else {"all", "sequence"}
        if scores.is_of_several(score, suite.scorer_names) and wanted.isdisjoint(kinds):
            raise file.at(*keys).error(f"{score!r} is of cases with {' or '.join(sorted(kinds))}, and there is none")


def select(
    suite: Suite,
    variants: Variants,
    cases: Notes,
    selection: Selection = WHOLE,
) -> Selected:
    """Choose and order the trials.

    A limit samples cases, never trials; an expression is over trial ids and tags. A shard
    (``2/5``: the second of five) takes whole blocks of what is left, so all variants of a group are in one shard.
    """
    rng = random.Random(suite.seed)
    asked = [(dataset, case) for dataset, listed in cases.items() for case in listed]
    rng.shuffle(asked)
    narrowed = []
    if selection.cases is not None and selection.cases < len(asked):
        asked = _spread(asked, selection.cases)
        narrowed.append(f"-n {selection.cases}")
    groups = _groups(asked, cases)
    wanted: set[Trial] | None = None
    if selection.select is not None:
        wanted = _matching(_trials(groups, groups, variants, suite.repeats), cases, selection.select)
        groups = _groups(dict.fromkeys((trial.dataset, trial.case) for trial in wanted), cases)
        narrowed.append(f"-k {selection.select!r}")
    blocks = dict(enumerate(_blocks(_drawn(groups, cases, rng), groups)))
    if selection.shard is not None:
        blocks = {number: blocks[number] for number in _share(list(blocks), selection.shard)}
    trials = tuple(_order(blocks, groups, variants, suite.repeats, wanted))
    return Selected(trials, " ".join(narrowed) or None, tuple(map(tuple, blocks.values())))


def _groups(asked: Iterable[tuple[str, str]], cases: Notes) -> Groups:
    """Gather the cases of each group, in the order of their turns."""
    groups: dict[GroupKey, list[str]] = {}
    for dataset, name in asked:
        groups.setdefault((dataset, cases[dataset][name].group or name), []).append(name)
    for (dataset, _), listed in groups.items():
        listed.sort(key=lambda name: (cases[dataset][name].turn or 0, name))
    return groups


def _drawn(groups: Groups, cases: Notes, rng: random.Random) -> list[GroupKey]:
    """Draw the order of groups: as many of each dataset as the smallest has, all mixed; then the same with what is left.

    So any beginning is a sample of every dataset, of about the same size, until one is used up: their means weigh the same.
    Groups that have nothing but logged labels lie between the others at random: so that holds for the others by themselves,
    because no figure mixes them.
    """
    logged = {
        (dataset, group)
        for (dataset, group), listed in groups.items()
        if all(cases[dataset][name].strength == "logged" for name in listed)
    }
    orders = [_mixed(sorted(part), rng) for part in (groups.keys() - logged, logged)]
    turns = [number for number, order in enumerate(orders) for _ in order]
    rng.shuffle(turns)
    rest = [iter(order) for order in orders]
    return [next(rest[turn]) for turn in turns]


def _mixed(groups: Iterable[GroupKey], rng: random.Random) -> list[GroupKey]:
    waiting: dict[str, list[GroupKey]] = {}
    for group in groups:
        waiting.setdefault(group[0], []).append(group)
    for listed in waiting.values():
        rng.shuffle(listed)
    order: list[GroupKey] = []
    while waiting:
        size = min(map(len, waiting.values()))
        part = [group for listed in waiting.values() for group in listed[:size]]
        rng.shuffle(part)
        order += part
        waiting = {dataset: listed[size:] for dataset, listed in waiting.items() if len(listed) > size}
    return order


def _blocks(order: Iterable[GroupKey], groups: Groups) -> list[list[GroupKey]]:
    """Cut the order into blocks of ``BLOCK`` cases or more."""
    blocks: list[list[GroupKey]] = []
    room = 0
    for group in order:
        if room <= 0:
            blocks.append([])
            room = BLOCK
        blocks[-1].append(group)
        room -= len(groups[group])
    return blocks


def _matching(trials: Iterable[Trial], cases: Notes, expression: str) -> set[Trial]:
    """Keep the trials whose id or tags match an expression. Raises ``SuiteError`` where none does."""
    try:
        wanted = compile_expression(expression)
    except ValueError as error:
        raise SuiteError(f"-k {expression!r}: {error}") from None
    listed = list(trials)
    kept = {trial for trial in listed if wanted(" ".join([trial.id, *cases[trial.dataset][trial.case].tags]))}
    if not kept:
        raise SuiteError(f"-k {expression!r} selects no trial; ids look like {listed[0].id}")
    return kept


def _share(blocks: Sequence[int], shard: str) -> Sequence[int]:
    """Deal the blocks to the shards, one each in turn; give those of ``shard``."""
    found = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", shard)
    mine, of = map(int, found.groups()) if found else (1, 0)
    if mine > of:
        raise SuiteError(f"--shard {shard!r}: wanted i/n, i from 1 to n, such as 2/5")
    if of > len(blocks):
        raise SuiteError(
            f"--shard {shard!r}: {of} shards need as many blocks of whole groups ({BLOCK} cases or more); there are {len(blocks)}"
        )
    return blocks[mine - 1 :: of]


def _spread(asked: Sequence[tuple[str, str]], limit: int) -> list[tuple[str, str]]:
    """Take the first cases of each dataset in turn."""
    places: dict[str, int] = {}
    ranks = []
    for dataset, _ in asked:
        places[dataset] = places.get(dataset, -1) + 1
        ranks.append(places[dataset])
    kept = sorted(range(len(asked)), key=lambda i: (ranks[i], i))[:limit]
    return [asked[i] for i in sorted(kept)]


def _order(
    blocks: Mapping[int, Sequence[GroupKey]],
    groups: Groups,
    variants: Variants,
    repeats: int,
    wanted: Set[Trial] | None,
) -> Iterator[Trial]:
    """Order the trials that are wanted (``None``: all): in a block by variant, their order rotated from block to block."""
    listed = list(variants)
    for number, block in blocks.items():
        turn = number % len(listed)
        rotated = {variant: variants[variant] for variant in listed[turn:] + listed[:turn]}
        for trial in _trials(block, groups, rotated, repeats):
            if wanted is None or trial in wanted:
                yield trial


def _trials(block: Iterable[GroupKey], groups: Groups, variants: Variants, repeats: int) -> Iterator[Trial]:
    for repeat in range(repeats):
        for variant, datasets in variants.items():
            for dataset, name in block:
                if dataset in datasets:
                    for case in groups[dataset, name]:
                        yield Trial(dataset, case, variant, repeat)
