"""``phrasing run``: ask the models of a suite, and show the table."""

from __future__ import annotations

import gc
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phrasing.cli.common import PARTIAL, at_revision, conclude, example, files_of, suite_options, warn
from phrasing.errors import UserError

if TYPE_CHECKING:
    from phrasing.analysis.run import Run
    from phrasing.api import AskOptions
    from phrasing.plan.resolve import Plan
    from phrasing.plan.selection import Selection
    from phrasing.runs.runner import Missing

PARTS = ("-n", "-k", "--shard", "--until-decided")
"""Options by which only a part of a suite is asked."""

LARGE = 1000
"""After so many trials cases and vocabulary make room for the table. To load a vocabulary again, for another run of this process,
takes half a second."""


@click.command("run", epilog=example("phrasing run evals/quickstart.yaml -f messages_text -f xml_yaml -n 20"))
@click.argument("path", metavar="SUITE", type=click.Path(path_type=Path))
@suite_options
@click.option("-o", "--output", "outputs", multiple=True, metavar="MODE", help="Use this output mode instead of the suite's.")
@click.option("--shard", metavar="I/N", help="Only the I-th of N shares of the cases; `merge` puts them together.")
@at_revision
@click.option("-j", "--jobs", type=click.IntRange(1), help="Requests at a time (default: as many as each provider takes).")
@click.option(
    "--resume", is_flag=False, flag_value="latest", metavar="[RUN]", help="Bring a run up to date (default: the latest)."
)
@click.option("--ask-again", is_flag=True, help="Ask anew what was answered while its model had another api_base.")
@click.option("--replay", type=click.Path(path_type=Path), metavar="FILE", help="Answer from a run, its results, or `recorded`.")
@click.option("--missing", type=click.Choice(["error", "ask", "skip"]), default="error", help="What a replay doesn't hold.")
@click.option("--dry-run", is_flag=True, help="Say how many calls, tokens and dollars it would be; ask nothing.")
@click.option("--max-cost", type=click.FloatRange(0), metavar="USD", help="Start no request once so much is spent.")
@click.option("--max-calls", type=click.IntRange(0), metavar="N", help="Start no more requests than that.")
@click.option("--max-minutes", type=click.FloatRange(0), metavar="MIN", help="Start no request after so many minutes.")
@click.option("--until-decided", is_flag=True, help="Stop asking about a variant once its comparison is decided.")
@click.option("--require", "gates", multiple=True, metavar="GATE", help="One gate more, such as 'score: correct, margin: 0.02'.")
@click.option("--update-recording", is_flag=True, help="Keep it as the suite's recording, in reports/reference.")
@click.option("--record", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Keep it as a recording in DIR.")
def run(
    path: Path,
    at: str | None,
    gates: tuple[str, ...],
    until_decided: bool,
    update_recording: bool,
    record: Path | None,
    dry_run: bool,
    resume: str | None,
    ask_again: bool,
    replay: Path | None,
    jobs: int | None,
    missing: Missing,
    max_cost: float | None,
    max_calls: int | None,
    max_minutes: float | None,
    selection: Selection,
) -> None:
    """Ask the models of SUITE and show the table. What was answered is kept in runs/, whatever happens."""
    from phrasing import api
    from phrasing.analysis import locate
    from phrasing.runs import run_folders
    from phrasing.runs.replay import Recording

    words = [*(["--at", at] if at else []), *(word for gate in gates for word in ("--require", gate)), *selection.words]
    words += ["--until-decided"] if until_decided else []
    if update_recording:
        _check_whole(words, "--update-recording records the suite as it is written now")
    if record:
        _check_whole([word for word in words if word in PARTS], "--record keeps whole runs")
    with files_of([path], at) as files:
        file = files.suite(path).requiring(gates)
        resumed = locate.find(resume, file) if resume else None
        plan = api.plan(file, selection, resume=resumed)
        _warn(plan)
        if dry_run:
            _estimate(plan)
            return
        found = locate.find(str(replay), plan.file) if str(replay) in run_folders.WORDS else replay
        recording = Recording(found, plan, anew=ask_again) if found else None
        options = api.AskOptions(
            replay=recording,
            missing=missing,
            jobs=jobs,
            max_cost=max_cost,
            max_calls=max_calls,
            max_minutes=max_minutes,
            until_decided=until_decided,
            ask_again=ask_again,
        )
        if options.asks_models:
            api.confirm_keys(plan)  # a bar that moves would cover the question
        warn(recording.damaged if recording else ())
        again = ["phrasing", "run", str(path), *words, *(["--record", str(record)] if record else []), "--resume"]
        source = f"replaying {replay}" if replay else f"asking {', '.join(plan.models)}"
        done = _ask(plan, options, source, again, resume=resumed)
        large = len(plan.trials) >= LARGE
        del plan, options, recording
        if large:
            _make_room()
        code = conclude(done, shlex.join([*again, str(done.folder)]), told=True)
        if code != PARTIAL:
            _record(done, record, of_suite=update_recording)
    sys.exit(code)


def _make_room() -> None:
    """Give back the memory of what nobody holds any more, and of vocabularies."""
    from phrasing.tokenizers import vocabulary

    vocabulary.unload()
    gc.collect()
    if sys.platform == "linux":  # where what is freed stays with the process
        import ctypes

        with suppress(AttributeError):  # not glibc
            ctypes.CDLL(None).malloc_trim(0)


def _check_whole(words: list[str], why: str) -> None:
    """Raise ``UserError`` for options by which a recording would be of something else than it is meant to be."""
    if named := ", ".join(word for word in dict.fromkeys(words) if word.startswith("-")):
        raise UserError(f"{why}; leave out {named}")


def _record(done: Run, folder: Path | None, *, of_suite: bool) -> None:
    """Keep a run as a recording: in a folder, and as that of its suite."""
    if folder is None and not of_suite:
        return
    from phrasing.report import recording  # which loads the charts

    if folder is not None:
        recording.record(done, folder)
        click.echo(f"Recorded in {folder}.")
    if of_suite:
        click.echo(f"Recorded in {recording.update_recording(done)}.")


def _warn(plan: Plan) -> None:
    """Say what is odd about a plan, and which of its variants are skipped."""
    for warning in plan.warnings:
        click.echo(f"warning: {warning}", err=True)
    for skipped in plan.skipped:
        click.echo(f"skipped: {skipped}", err=True)


def _estimate(plan: Plan) -> None:
    """Say what it would be to ask a plan, and what could be told from it."""
    from phrasing.costs import estimate
    from phrasing.plan import describe

    for line in [*estimate.estimate(plan), *describe.design(plan)]:
        click.echo(line)


def _ask(plan: Plan, options: AskOptions, source: str, again: list[str], *, resume: Path | None) -> Run:
    """Ask a plan and show how far it is; where that is interrupted, say how to go on and leave."""
    from phrasing import api
    from phrasing.cli import terminal
    from phrasing.models.lines import Traffic

    traffic = Traffic()
    with terminal.Progress(len(plan.trials), source, traffic) as progress, _ended_like_ctrl_c():
        try:
            return api.ask(
                plan,
                options,
                resume=resume,
                started=progress.started,
                report=progress.add,
                kept=progress.kept,
                stopped=progress.stopped,
                traffic=traffic,
                say=progress.say,
            )
        except KeyboardInterrupt:
            if progress.folder is None:
                raise
            click.echo(f"\nInterrupted. Go on with: {shlex.join([*again, str(progress.folder)])}", err=True)
            sys.exit(PARTIAL)


@contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM, by which schedulers and containers end a program, interrupt a run as Ctrl-C does."""

    def interrupt(number: int, frame: Any) -> None:
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler):
            handler(number, frame)
            return
        # What a script starts in the background is deaf to SIGINT, not to this.
        import asyncio

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise KeyboardInterrupt from None
        loop.call_soon_threadsafe(end)  # raised here, it might be that of a task, whose traceback would be printed

    def end() -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # nobody else may handle signals
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
