"""``phrasing show``: what went wrong in a run, or one trial in full; of an agent that was run to its end, its steps."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from phrasing.cli.common import called, example, prompts_of, read, run_of, safe
from phrasing.errors import StoreError, UserError

if TYPE_CHECKING:
    from phrasing.analysis.run import Run
    from phrasing.runs.steps import Ran


@click.command("show", epilog=example("phrasing show latest -k xml_yaml"))
@click.argument("name", metavar="RUN")
@click.argument("trial", required=False)
@click.option("-k", "select", metavar="EXPR", help="Only trials whose id matches.")
@click.option("--all", "everything", is_flag=True, help="Right answers too.")
@click.option("--against", metavar="OTHER", help="An agent's TRIAL beside OTHER, a trial of the same task.")
@click.option("--repair", is_flag=True, help="First set damaged lines of the run's files aside, in files beside them.")
def show(name: str, trial: str | None, select: str | None, everything: bool, against: str | None, repair: bool) -> None:
    """List what went wrong in RUN (a folder, or latest); or show one TRIAL: prompt, answer, step, scores.

    Of an agent that was run to its end, TRIAL shows all steps in short, and TRIAL/3 the third in full.
    """
    from phrasing.suite.expressions import compile_expression

    if repair:
        _repair(name)
    done = run_of(name)
    if against is not None and (trial is None or not done.record.loops):
        raise UserError("--against takes a trial of an agent that was run to its end: phrasing show RUN TRIAL --against OTHER")
    if trial is None:
        try:
            wanted = compile_expression(select) if select is not None else lambda text: True
        except ValueError as error:
            raise UserError(f"-k {select!r}: {error}") from None
        _failures(done, wanted, everything)
    elif done.record.loops:
        _agent(done, trial, against)
    else:
        from phrasing.cli.text import trial_text
        from phrasing.runs import store

        result = done.results[_matching(done, trial, list(done.results))]
        read(trial_text(result, store.prompt(prompts_of(done), result.prompt)))


def _matching(done: Run, trial: str, known: Sequence[str]) -> str:
    """Find the one trial with this address, or with this as a part of it."""
    from phrasing.errors import unknown

    matching = [name for name in known if trial == name] or [name for name in known if trial in name]
    if len(matching) != 1:
        what = f"{trial!r} matches {len(matching)} trials; one of: {', '.join(sorted(matching)[:5])}"
        raise StoreError(what if matching else unknown("trial", trial, sorted(known)[:5]), where=str(done.folder))
    return matching[0]


# ---------------------------------------------------------------------------------------------- agents run to their end


class _Kept(NamedTuple):
    """What a run keeps of its agents: the numbers of the steps of each trial, and prompts; ``None``: a recording keeps none."""

    numbers: Mapping[str, list[int]]
    prompts: Mapping[str, Any] | None

    def ran(self, done: Run, trial: str) -> Ran:
        from phrasing.runs import steps

        return steps.of_trial(trial, self.numbers.get(trial, ()), done.results, done.steps, self.prompts)


def _agent(done: Run, trial: str, against: str | None) -> None:
    """Show a trial of an agent, one of its steps, or two trials side by side."""
    from phrasing.cli import layout, rollout_text
    from phrasing.runs import run_folders, steps

    recording = run_folders.is_recording(done.folder)
    kept = _Kept(steps.by_trial(done.steps), None if recording else prompts_of(done))
    asked = re.fullmatch(r"(?P<trial>.*)/(?P<step>\d+)", trial, re.DOTALL)
    wanted, known = asked["trial"] if asked else trial, [*dict.fromkeys([*done.results, *kept.numbers])]
    if against is not None and wanted not in known:  # so that the name of a task is enough
        known = [one for one in known if against not in one]
    name = _matching(done, wanted, known)
    ran = kept.ran(done, name)
    if against is not None:
        other = _other(done, name, against, kept)
        titles = [[(name, "")], [(f"against {other}", "")]]
        width = layout.half()
        fold, join = partial(layout.folded, width=width), partial(layout.paired, width=width)
        read([*titles, *rollout_text.beside(ran, kept.ran(done, other), fold, join)])
        return
    if asked:
        _step(done, name, ran, int(asked["step"]), kept.prompts)
        return
    read([[(name, "")], *rollout_text.overview(ran, layout.folded)])
    if recording:
        again = f"phrasing run evals/{done.record.suite}.yaml --replay {called(done.folder)}"
        click.echo(f"A recording keeps no prompts, and not what happened between steps; a run that does: {again}")
    if ran.steps:
        click.echo(f"One step in full: phrasing show {called(done.folder)} TRIAL/{len(ran.steps)}")


def _step(done: Run, name: str, ran: Ran, number: int, prompts: Mapping[str, Any] | None) -> None:
    """Show one step in full."""
    from phrasing.cli import rollout_text
    from phrasing.runs import store

    if not 1 <= number <= len(ran.steps):
        there = f"they are 1 to {len(ran.steps)}" if ran.steps else "none is kept"
        raise StoreError(f"{name} has no step {number}; {there}", where=str(done.folder))
    sent = None if prompts is None else store.prompt(prompts, ran.steps[number - 1].prompt)
    read(rollout_text.one_step(ran, number, sent))


def _other(done: Run, name: str, against: str, kept: _Kept) -> str:
    """Find the trial of the same task that one is held against."""
    task = name.partition("[")[0]
    same = [known for known in dict.fromkeys([*done.results, *kept.numbers]) if known.partition("[")[0] == task and known != name]
    return _matching(done, against, same)


# ---------------------------------------------------------------------------------------------- lists


def _repair(name: str) -> None:
    """Set damaged lines aside, and say which and where."""
    from phrasing.analysis.run import load
    from phrasing.runs import jsonl, store

    folder = load(name).folder
    damaged = store.repair(folder)
    for path, line in jsonl.left_out(damaged).items():
        click.echo(f"{safe(line)}; kept in {jsonl.beside(path)}", err=True)
    done = load(folder)
    if damaged and done.unanswered:
        again = f"phrasing run evals/{done.record.suite}.yaml --resume {called(folder)}"
        click.echo(f"{done.unanswered} trials have no answer; ask them again: {again}", err=True)


def _failures(done: Run, wanted: Callable[[str], bool], everything: bool) -> None:
    listed = 0
    trials = sorted(filter(wanted, done.results))
    for trial, result in zip(trials, done.results.read(trials), strict=True):
        if not (result.why or everything):
            continue
        listed += 1
        click.echo(f"{click.style(safe(trial), bold=True)}\n    {safe(result.why) or 'good'}")
    click.echo(f"{listed} of {len(done.results)} trials. One of them in full: phrasing show {called(done.folder)} TRIAL")
