"""The verbs that take a run: score it again, show it, compare it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from phrasing.cli.common import PARTIAL, called, hold, hold_all, read, run_of, safe, verb
from phrasing.errors import UserError

if TYPE_CHECKING:
    from phrasing.analysis.run import Run


@verb("Score a run's stored answers again.", "phrasing score latest")
@click.argument("name", metavar="RUN")
def score(name: str) -> None:
    """Parse and score the stored answers of RUN (a folder, or latest) again, with functions and labels as they are now."""
    from phrasing.api import rescore
    from phrasing.cli import terminal as console

    done, changed = rescore(run_of(name))
    report = done.report()
    console.show(*console.report(report))
    click.echo(f"\n{changed} of {len(done.results)} results changed.")
    sys.exit(PARTIAL if done.unanswered else hold_all(report))


@verb("List what went wrong in a run, or one trial in full.", "phrasing show latest -k approval")
@click.argument("name", metavar="RUN")
@click.argument("trial", required=False)
@click.option("-k", "select", metavar="EXPR", help="Only trials whose id matches.")
@click.option("--all", "everything", is_flag=True, help="Right answers too.")
def show(name: str, trial: str | None, select: str | None, everything: bool) -> None:
    """List what went wrong in RUN (a folder, or latest); or show one TRIAL: prompt, answer, step, scores."""
    from phrasing.errors import StoreError, unknown
    from phrasing.plan import describe as lookup
    from phrasing.runs import store
    from phrasing.suite.expressions import compile_expression

    done = run_of(name)
    if trial is None:
        try:
            wanted = compile_expression(select) if select is not None else lambda text: True
        except ValueError as error:
            raise UserError(f"-k {select!r}: {error}") from None
        _failures(done, wanted, everything)
        return
    matching = [known for known in done.results if trial == known] or [known for known in done.results if trial in known]
    if len(matching) != 1:
        what = f"{trial!r} matches {len(matching)} trials; one of: {', '.join(sorted(matching)[:5])}"
        raise StoreError(what if matching else unknown("trial", trial, sorted(done.results)[:5]), where=str(done.folder))
    result = done.results[matching[0]]
    read(lookup.trial(result, store.prompt(store.prompts(done.folder), result.prompt)))


def _failures(done: Run, wanted: Callable[[str], bool], everything: bool) -> None:
    listed = 0
    for trial, result in sorted(done.results.items()):
        if not wanted(trial) or not (result.why or everything):
            continue
        listed += 1
        click.echo(f"{click.style(safe(trial), bold=True)}\n    {safe(result.why) or 'good'}")
    click.echo(f"{listed} of {len(done.results)} trials. One of them in full: phrasing show {called(done.folder)} TRIAL")


@verb("Compare variants with their baselines, or a run with another.", "phrasing compare latest --score intent --margin 0.05")
@click.argument("name", metavar="RUN")
@click.argument("baseline", metavar="[BASELINE]", required=False)
@click.option("--score", metavar="SCORE", help="What decides: step, intent, args, strict … (default: the suite's).")
@click.option("--margin", type=click.FloatRange(0, 1, min_open=True, max_open=True), help="What 'not worse' may lose, of 1.")
@click.option("--confidence", type=click.FloatRange(0.5, 1, max_open=True), help="Of intervals and verdicts, of 1.")
@click.option("--require", "gates", multiple=True, metavar="GATE", help="Hold a gate, such as 'score: step, margin: 0.02'.")
def compare(name: str, baseline: str | None, gates: tuple[str, ...], **changes: Any) -> None:
    """Compare the variants of RUN with their baselines, case by case; or with the same variants of BASELINE.

    RUN is a folder, or latest; BASELINE too, or recorded, or a git revision, which stands for what is recorded there. Gates
    against `recorded` hold the variants of RUN against those of BASELINE.
    """
    from phrasing import api
    from phrasing.cli import terminal as console
    from phrasing.suite import file as suitefile

    done = run_of(name)
    requirements = suitefile.requirements(gates)
    settings = done.suite.compare.model_copy(update={key: value for key, value in changes.items() if value is not None})
    other = api.baseline(done, baseline) if baseline else None
    found = done.compare(other, settings=settings, name=baseline)
    if not any(part.contrasts for part in found.parts):
        raise UserError(f"{done.folder}: nothing to compare: no variant but the baseline has an answer")
    verdicts = done.gates(requirements, recorded=other)
    for text, requirement in zip(gates, requirements, strict=True):
        if all(verdict.requirement != requirement for verdict in verdicts):  # a gate that holds nothing mustn't pass
            raise UserError(f"--require {text!r}: no variant to hold; there are: {'; '.join(done.record.variants)}")
    made = done.report()
    console.show(*console.compared(found, made))
    sys.exit(hold(made, verdicts))
