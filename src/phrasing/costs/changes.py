"""What a plan's prompts cost now against what they cost in a run, or at a git revision."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from phrasing.analysis.locate import find, is_run
from phrasing.analysis.run import Run
from phrasing.costs.estimate import KIND, Counts, Kind, count, counted, kind_of
from phrasing.errors import SuiteError
from phrasing.plan.resolve import Plan, resolve
from phrasing.project import revision
from phrasing.records import Result, RunRecord, TokenCounts
from phrasing.tokenizers.tool_rules import ToolRule
from phrasing.types import mode_of, write_axes

Cases = Mapping[tuple[str, str], TokenCounts]
"""Prompts, counted, by dataset and case."""


@dataclass(frozen=True)
class Change:
    """What a variant's prompts cost now and in a baseline, over the ``cases`` that both have; ``why`` it can't be said, if so.

    ``before`` and ``after`` are the tokens of all these cases, framing included. Where both have the same tools and those count
    as a range, both may have ``spread`` tokens more.
    """

    variant: str
    cases: int = 0
    before: int = 0
    after: int = 0
    spread: int = 0
    why: str | None = None

    @property
    def ratio(self) -> float:
        """``after`` by ``before``; of a range, the larger one."""
        return max(self.after / self.before, self.other)

    @property
    def other(self) -> float:
        """The ratio at the other end of a range."""
        return (self.after + self.spread) / (self.before + self.spread)


def token_changes(resolved: Plan, name: str) -> list[Change]:
    """Hold what a plan's prompts cost against a baseline: a run (its folder, ``latest``, ``recorded``), else a git revision.

    A run's counts are those in its results; a revision's prompts are counted anew, for the whole suite as it was then. Tools
    count by the rule of the plan's first model. Raises ``UserError`` if there is no such baseline, or it counts by another
    tokenizer.
    """
    file = resolved.file
    project = file.home or file.root
    unknown: set[Kind] = set()
    rule = next(iter(resolved.tool_rules.values()))
    if is_run(name):
        run = Run(find(name, file))
        alike = [result for result in run.results.values() if counted_by(run.record, result, rule)]
        tokenizer, before = run.suite.tokenizer, counted(alike)
        unknown = set(map(kind_of, run.results.values())) - before.keys()
    else:
        with revision.files_at(project, name, what="run or git revision") as files:
            then = resolve(files.suite(project / file.path.absolute().relative_to(file.root.absolute())))
            tokenizer, before = then.suite.tokenizer, count(then, then.tokenizer.under(rule))
    if tokenizer != resolved.suite.tokenizer:
        raise SuiteError(f"counts by {tokenizer!r}, this suite by {resolved.suite.tokenizer!r}", where=name)
    made = changes(resolved, before, name, unknown=unknown)
    if all(change.why for change in made):
        raise SuiteError(
            f"no variant can be compared with it; {'; '.join(f'{c.variant}: {c.why}' for c in made[:3])}", where=name
        )
    return made


def counted_by(record: RunRecord, result: Result, rule: ToolRule) -> bool:
    """Whether a run counted a prompt as this rule would: it has neither tools nor an enforced schema, or they went by it too."""
    return mode_of(result.output) == "prompted" or record.exact_tokens or record.tool_rules.get(result.model) == rule.name


def changes(resolved: Plan, baseline: Counts, name: str, *, unknown: Collection[Kind] = ()) -> list[Change]:
    """Hold every variant of a plan against the baseline of that name; then list what only the baseline has.

    Of ``unknown`` kinds the baseline has prompts, but no counts that compare.
    """
    now = count(resolved)
    made = []
    for variant in resolved.variants:
        kind = kind_of(variant)
        if kind in unknown:
            made.append(Change(str(variant), why=f"its tools are counted by another rule in {name}"))
        elif kind not in baseline:
            made.append(Change(str(variant), why=f"only here: {_lacks(kind, baseline)} in {name}"))
        else:
            made.append(_change(str(variant), now.get(kind, {}), baseline[kind], name))
    gone = [kind for kind in baseline if kind not in set(map(kind_of, resolved.variants))]
    return [*made, *(Change(write_axes(kind), why=f"only in {name}: {_lacks(kind, now)} here") for kind in gone)]


def _change(variant: str, now: Cases, then: Cases, name: str) -> Change:
    """Hold a variant's prompts against those of then."""
    pairs = [(then[case], here) for case, here in now.items() if case in then]
    if not pairs:
        return Change(variant, why=f"no case of it is in {name} too")
    # what is a range is the same in both where its lower end and its width are
    if any((a.spread or b.spread) and (a.schema_, a.spread) != (b.schema_, b.spread) for a, b in pairs):
        return Change(variant, why=f"its tools count as a range, and aren't those in {name}")
    before, after, spread = (sum(each) for each in zip(*((a.total, b.total, a.spread) for a, b in pairs), strict=True))
    return Change(variant, len(pairs), before, after, spread)


def _lacks(kind: Kind, others: Iterable[Kind]) -> str:
    """Say which part of a kind isn't among the others."""
    listed = list(others)
    for i, axis in enumerate(KIND):
        if kind[i] not in {other[i] for other in listed}:
            return f"no {axis} {kind[i]}"
    return "no such combination"
