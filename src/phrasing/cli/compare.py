"""``phrasing compare``: variants against their baselines, or a run against another."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from phrasing.cli.common import example, hold, run_of, warn
from phrasing.errors import UserError

if TYPE_CHECKING:
    from phrasing.analysis.run import Run


def _steps_and_runs(done: Run, other: Run) -> None:
    """Show whether single steps predict runs of agents."""
    from phrasing.analysis import steps_and_runs
    from phrasing.cli import terminal

    runs, steps = (done, other) if done.record.loops else (other, done)
    terminal.show(*terminal.steps_and_runs(steps_and_runs.compare(runs, steps)))


@click.command("compare", epilog=example("phrasing compare latest --score intent --margin 0.05"))
@click.argument("name", metavar="RUN")
@click.argument("baseline", metavar="[BASELINE]", required=False)
@click.option("--score", metavar="SCORE", help="What decides: correct, intent, arguments, valid … (default: the suite's).")
@click.option("--margin", type=click.FloatRange(0, 1, min_open=True, max_open=True), help="What 'not worse' may lose, of 1.")
@click.option("--confidence", type=click.FloatRange(0.5, 1, max_open=True), help="Of intervals and verdicts, of 1.")
@click.option("--require", "gates", multiple=True, metavar="GATE", help="Hold a gate, such as 'score: correct, margin: 0.02'.")
def compare(name: str, baseline: str | None, gates: tuple[str, ...], **changes: Any) -> None:
    """Compare the variants of RUN with their baselines, case by case; or with the same variants of BASELINE.

    Where one of them ran agents to their end and the other asked for single steps, it says whether both speak alike of the same
    changes. RUN is a folder, or latest; BASELINE too, or recorded, or a git revision, which stands for what is recorded there.
    Gates against `recorded` hold the variants of RUN against those of BASELINE.
    """
    from phrasing.analysis import locate
    from phrasing.suite.file import requirements

    done = run_of(name)
    wanted = requirements(gates)
    settings = done.suite.compare.model_copy(update={key: value for key, value in changes.items() if value is not None})
    other = locate.baseline(done, baseline) if baseline else None
    warn(other.damaged if other else ())
    if other and done.record.loops != other.record.loops:
        _steps_and_runs(done, other)
        return
    found = done.comparison(other, settings=settings, name=baseline)
    if not any(part.contrasts for part in found.parts):
        raise UserError(f"{done.folder}: nothing to compare: no variant but the baseline has an answer")
    results = done.gates(wanted, recorded=other)
    for text, requirement in zip(gates, wanted, strict=True):
        if all(result.requirement != requirement for result in results):  # a gate that holds nothing mustn't pass
            raise UserError(f"--require {text!r}: no variant to hold; there are: {'; '.join(done.record.variants)}")
    from phrasing.cli import terminal

    made = done.report()
    terminal.show(*terminal.compared(found, made))
    sys.exit(hold(made, results))
