"""A pytest plugin: the gates of suites as tests, answered from the recordings that are committed beside them.

It is there for those who ask for it: ``pytest_plugins = ["phrasing.pytest_plugin"]`` in the project's ``conftest.py``, or
``-p phrasing.pytest_plugin``. No model is asked unless ``--phrasing-ask`` says so. ``docs/ci/README.md`` has the recipe.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from phrasing.errors import StoreError, UserError

if TYPE_CHECKING:
    from phrasing.analysis.gates import GateResult
    from phrasing.plan.resolve import Plan
    from phrasing.suite.schema import Requirement


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that lets models be asked."""
    parser.getgroup("phrasing").addoption("--phrasing-ask", action="store_true", help="ask models what isn't recorded")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the suites: ``evals/**/*.yaml``."""
    root = parent.config.rootpath
    folders = (file_path.relative_to(root) if file_path.is_relative_to(root) else Path(*file_path.parts[-2:])).parts[:-1]
    if file_path.suffix == ".yaml" and "evals" in folders:
        return SuiteFile.from_parent(parent, path=file_path)
    return None


class SuiteFile(pytest.File):
    """A suite. It is run once, when the first of its gates is due."""

    plan: Plan

    def collect(self) -> Iterable[pytest.Item]:
        """Make an item of each gate and each variant that it holds for."""
        from phrasing.analysis.report_data import labels
        from phrasing.plan.resolve import resolve
        from phrasing.suite.file import load_suite

        here = Path.cwd()
        try:
            file = load_suite(self.path.relative_to(here) if self.path.is_relative_to(here) else self.path)
            if not file.suite.require:
                return
            self.plan = resolve(file)
        except UserError as error:
            raise self.CollectError(str(error)) from None
        named = labels(list(map(str, self.plan.variants)))
        for number, gate in enumerate(self.plan.suite.require):
            line = int(file.where("require", number).rpartition(":")[2])
            for variant in _held(gate, self.plan):
                yield Gate.from_parent(self, gate=gate, variant=variant, label=named[variant], line=line)

    @cached_property
    def results(self) -> list[tuple[GateResult, str]] | str:
        """Each gate's result with its explanation; or why there is none."""
        try:
            return list(self._run())
        except UserError as error:
            return str(error)

    def _run(self) -> Iterator[tuple[GateResult, str]]:
        from phrasing import api
        from phrasing.analysis.run import Run
        from phrasing.report import ci
        from phrasing.runs import run_folders
        from phrasing.runs.replay import Recording

        file, ask = self.plan.file, bool(self.config.getoption("--phrasing-ask"))
        folder = file.root / run_folders.RECORDINGS / file.name
        again = f"phrasing run {file.path} --update-recording"
        there = (folder / run_folders.RUN).is_file()
        if not there and not ask:
            raise StoreError(f"no answers are recorded here; record them with: {again}", where=str(folder))
        with tempfile.TemporaryDirectory() as runs:
            replay = Recording(folder, self.plan) if there else None
            options = api.AskOptions(replay=replay, missing="ask" if ask else "error")
            done = api.ask(self.plan, options, runs=Path(runs))
            errors = [result.error for result in done.results.values() if result.error]
            total, unknown = len(self.plan.trials), sum(error.kind == "not recorded" for error in errors)
            if unknown:
                message = f"{unknown} of {total} requests have changed since they were recorded; record them anew with: {again}"
                raise StoreError(message, where=str(file.path))
            if len(done.results) - len(errors) < total:
                why = next((f"{error.kind}: {error.message}" for error in errors), "they weren't asked")
                raise StoreError(f"{total - len(done.results) + len(errors)} of {total} trials have no answer: {why}")
            recorded = Run(folder) if there else None
            for result in done.gates(recorded=recorded):
                yield result, "\n".join(ci.explain(result, done.results, repeats=self.plan.suite.repeats))


def _held(gate: Requirement, resolved: Plan) -> Iterator[str]:
    """Name the variants that a gate holds for: those that ``where`` matches, and no baseline against itself."""
    alone = gate.min is None and gate.max is None and gate.against == "baseline"
    for variant in resolved.variants:
        if variant.matches(gate.where) and not (alone and resolved.baselines.get(variant) == variant):
            yield str(variant)


class Gate(pytest.Item):
    """A gate held against a variant."""

    def __init__(self, *, gate: Requirement, variant: str, label: str, line: int, **more: Any) -> None:
        from phrasing.analysis.gates import describe

        self.result: GateResult | None = None
        super().__init__(name=f"{describe(gate)} [{label}]", **more)
        self.gate, self.variant, self.line = gate, variant, line

    def setup(self) -> None:
        """Find the result. What keeps a gate from being measured is an error, not a failure."""
        found = cast(SuiteFile, self.parent).results
        if isinstance(found, str):
            pytest.fail(found, pytrace=False)
        matching = (both for both in found if both[0].requirement == self.gate and both[0].variant == self.variant)
        self.result, self.text = next(matching, (None, ""))
        if self.result is None or self.result.status == "error":
            pytest.fail(self.text or f"no answer in {self.variant}", pytrace=False)

    def runtest(self) -> None:
        """Fail, or skip where the suite lets inconclusive gates pass, with the numbers and the worst cases."""
        assert self.result is not None
        match self.result.status.outcome(inconclusive=cast(SuiteFile, self.parent).plan.suite.inconclusive):
            case "skipped":
                pytest.skip(self.text)
            case "failed":
                pytest.fail(self.text, pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Give the gate's place in the suite; pytest counts lines from 0."""
        return self.path, self.line - 1, self.name
