"""What can be counted in the datasets, as the Markdown that stands between the marks of datasets/README.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from statistics import median

from phrasing.analysis.report_data import PREFIX
from phrasing.baml.project import Function, Project, load_project
from phrasing.report import text
from phrasing.score import agreement, bag_of_words, no_model
from phrasing.score.agreement import Kappa
from phrasing.score.no_model import RULES
from phrasing.suite import dataset
from phrasing.suite.dataset import Dataset
from phrasing.suite.file import load_suite
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
        "expected": _lists(counted, lambda case: case.note.expect),
        "tags": _lists(counted, lambda case: case.tags),
    }


def _counted(root: Path) -> Iterator[Counted]:
    """Find the functions of every dataset: those that suites name for it, else those named after it."""
    project = load_project(root / "baml_src")
    named: dict[str, dict[str, None]] = {}
    for path in sorted((root / "evals").glob("*.yaml")):
        for agent in load_suite(path).suite.agents:
            named.setdefault(agent.dataset, {}).update(dict.fromkeys(agent.functions))
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
