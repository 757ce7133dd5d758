"""What can be counted in the datasets, as the Markdown that stands between the marks of datasets/README.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from statistics import median
from typing import Any

from phrasing.analysis.report_data import PREFIX
from phrasing.baml.project import Function, Project, load_project
from phrasing.report import text
from phrasing.score import agreement, bag_of_words, no_model, weak_labels
from phrasing.score.agreement import Kappa
from phrasing.score.matchers import match_args
from phrasing.score.no_model import RULES
from phrasing.suite import dataset
from phrasing.suite.dataset import Dataset
from phrasing.suite.file import load_suite
from phrasing.suite.functions import split
from phrasing.types import Case, Labeller


@dataclass(frozen=True)
class Counted:
    """A dataset, the functions that answer it, one for each set of steps, and the functions that share each."""

    dataset: Dataset
    functions: Mapping[frozenset[str], list[Function]]

    @property
    def steps(self) -> frozenset[str]:
        """All steps of all functions."""
        return frozenset().union(*self.functions)

    @property
    def cases(self) -> tuple[Case, ...]:
        """The cases."""
        return self.dataset.cases


def parts(root: Path) -> dict[str, str]:
    """Write each part of the page, by the name of its marks, for all datasets of a project."""
    counted = list(_counted(root))
    return {
        "cases": _table(
            "dataset",
            ("cases", "cut from conversations", "events", "accept several steps", "forbid a step"),
            map(_cases, counted),
        ),
        "steps": _table(
            "dataset",
            ("functions", "steps", *(f"{rule} %" for rule in RULES)),
            (row for one in counted for row in _steps(one)),
        ),
        "agreement": _table(
            "dataset", ("labels", "read twice", "agreed", "κ (95 %)", "κ, one step only (95 %)"), map(_agreement, counted)
        ),
        "arguments": _table(
            "dataset",
            ("labels", "name arguments", "have only free text or none", "leave open", "arguments", "the second reader names too"),
            map(_arguments, counted),
        ),
        "expected": _lists(counted, lambda case: case.note.expect),
        "tags": _lists(counted, lambda case: case.tags),
    }


def _counted(root: Path) -> Iterator[Counted]:
    """Find the functions of every dataset: those that suites name for it, else those named after it."""
    project = load_project(root / "baml_src")
    named: dict[str, dict[str, None]] = {}
    for path in sorted((root / "evals").glob("*.yaml")):
        for agent in load_suite(path).suite.agents:
            named.setdefault(agent.dataset, {}).update(dict.fromkeys(split(name).name for name in agent.names))
    for name, path in dataset.available(root / "datasets").items():
        functions: dict[frozenset[str], list[Function]] = {}
        for function in named.get(name) or _after(name, project):
            found = project.function(function)
            functions.setdefault(frozenset(found.steps), []).append(found)
        if not functions:
            raise SystemExit(f"{path}: no suite names it, and no function is called {PREFIX}{_camel(name)}…")
        yield Counted(dataset.load(path), functions)


def _after(name: str, project: Project) -> list[str]:
    return [function for function in project.functions if function.startswith(PREFIX + _camel(name))]


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.replace("-", "_").split("_"))


# ---------------------------------------------------------------------------------------------- tables


def _cases(one: Counted) -> tuple[str, ...]:
    sizes = sorted(len(case.thread.events) for case in one.cases)
    grouped = [case.group for case in one.cases if case.group]
    return (
        one.dataset.name,
        str(len(one.cases)),
        f"{len(grouped)} from {len(set(grouped))}",
        f"{sizes[0]} to {sizes[-1]}, median {median(sizes):g}",
        str(sum(len(case.note.expect) > 1 for case in one.cases)),
        str(sum(bool(case.forbid) for case in one.cases)),
    )


def _steps(one: Counted) -> Iterator[tuple[str, ...]]:
    notes = {case.id: case.note for case in one.cases}
    cases = {case.id: case for case in one.cases}
    picked = bag_of_words.picks(cases, {functions[0].name: steps for steps, functions in one.functions.items()})
    for steps, functions in one.functions.items():
        found = no_model.of_cases(notes, steps, picked[functions[0].name])
        names = ", ".join(function.name.removeprefix(PREFIX) for function in functions)
        yield one.dataset.name, names, str(len(steps)), *(f"{100 * share:.1f}" for share in found.shares.values())


def _agreement(one: Counted) -> tuple[str, ...]:
    strengths = Counter(case.strength for case in one.cases)
    labels = ", ".join(f"{n} {strength}" for strength, n in sorted(strengths.items()))
    labels += _labellers(case.labeller for case in one.cases)
    second = agreement.second_labels(one.dataset, one.steps)
    if not second:
        return one.dataset.name, labels, "0", "–", "–", "–"
    found = agreement.agreement(one.cases, second)
    agreed = f"{found.n - len(found.apart)} ({100 * found.share:.0f} %)"
    read = f"{found.n}{_labellers(label.labeller for label in second.values())}"
    return one.dataset.name, labels, read, agreed, _kappa(found.kappa), _kappa(found.single)


def _arguments(one: Counted) -> tuple[str, ...]:
    """Count labels by whether they name arguments, and the arguments that the second reader names too."""
    labels = [label for case in one.cases for label in case.expect]
    functions = [function for alike in one.functions.values() for function in alike]
    left = weak_labels.unfixed(one.cases, functions)
    empty, openly = sum(not label.args for label in labels), sum(step.labels for step in left.values())
    steps = ", ".join(f"{step} {found.labels}" for step, found in left.items())
    mine, both = _named_twice(one)
    return (
        one.dataset.name,
        str(len(labels)),
        str(len(labels) - empty),
        str(empty - openly),
        f"{openly} ({steps})" if steps else "0",
        str(mine) if both is not None else "–",
        f"{both} ({100 * both / mine:.0f} %)" if both is not None and mine else "–",
    )


def _named_twice(one: Counted) -> tuple[int, int | None]:
    """Count what labels demand of the steps that the second reader took, and how much of that the second reader names.

    Keys of objects count one by one; what may be left out doesn't count. ``None`` where nobody read the dataset twice.
    """
    second = agreement.second_labels(one.dataset, one.steps)
    mine = both = 0
    for case in one.cases:
        for label in case.expect:
            theirs = second.get(case.id)
            if theirs is not None and theirs.intent == label.intent:
                names = set(_demanded(label.args))
                mine, both = mine + len(names), both + len(names & set(_demanded(theirs.args)))
    return mine, both if second else None


def _demanded(args: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Name the arguments without which a label doesn't match and, instead of an object, what it holds."""
    for name, value in args.items():
        if isinstance(value, dict) and not any(key.startswith("$") for key in value):
            yield from _demanded(value, f"{path}{name}.")
        elif match_args({name: value}, {}) is not None:
            yield f"{path}{name}"


def _labellers(who: Iterable[Labeller | None]) -> str:
    """Say who labelled, where that is said: `` by a model``, or how many by whom."""
    counts = Counter(who)
    if counts.keys() <= {None}:
        return ""
    if len(counts) == 1:
        return f" by a {next(iter(counts))}"
    return f" ({', '.join(f'{n} by a {name}' for name, n in sorted(counts.items(), key=str) if name)})"


def _kappa(found: Kappa) -> str:
    if isnan(found.value):
        return "–"
    return f"{found.value:.2f}" + ("" if isnan(found.low) else f" ({found.low:.2f}–{found.high:.2f})")


def _table(first: str, headers: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(text.table((first, *headers), rows))


def _lists(counted: Iterable[Counted], words: Callable[[Case], Iterable[str]]) -> str:
    lines = []
    for one in counted:
        counts = Counter(word for case in one.cases for word in words(case))
        listed = ", ".join(f"`{word}` {n}" for word, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
        lines.append(f"- {one.dataset.name}: {listed or 'none'}")
    return "\n".join(lines)
