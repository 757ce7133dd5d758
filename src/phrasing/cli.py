"""The command line: thin verbs over ``api``. The only module that prints.

Exit codes, the first that applies: 2 a mistake of the user's; 3 trials without an answer, so the numbers are partial; 1 a
requirement was missed; 0 good.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from phrasing.errors import UserError

if TYPE_CHECKING:
    from phrasing.api import Run
    from phrasing.gates import Verdict
    from phrasing.revision import Files

F = TypeVar("F", bound=Callable[..., Any])

MISTAKE, PARTIAL, MISSED = 2, 3, 1

OUTPUTS = ("prompted", "native", "native_bare", "tool")
"""The outputs of ``types``, which isn't imported just to print a help text."""


class _Group(click.Group):
    """Prints a ``UserError`` as one line, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            line = " ".join(str(error).splitlines())  # what a format or a provider said may have several
            click.echo(f"{click.style('error:', fg='red', bold=True)} {line}", err=True)
            ctx.exit(MISTAKE)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="phrasing")
def main() -> None:
    """Measure how the phrasing of an agent's context changes the next step a model picks, and what it costs.

    Start with `phrasing run evals/quickstart.yaml`. Every verb's --help ends with an example.
    """


def _verb(short: str, example: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a verb with its line in the list of verbs; its help ends with an example."""
    return main.command(short_help=short, epilog=f"\b\nExample:\n  {example}")


def _suite_options(function: F) -> F:
    """Add the options that narrow a suite."""
    options = [
        click.option("-m", "--model", "models", multiple=True, metavar="MODEL", help="Ask this instead of the suite's models."),
        click.option(
            "-f", "--format", "formats", multiple=True, metavar="FORMAT", help="Use this format instead of the suite's."
        ),
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
    from phrasing import revision, suite

    return revision.files(suite.find_root(paths[0]) if paths else Path(), at)


# ---------------------------------------------------------------------------------------------- check, render, tokens


@_verb("Verify suites and all they need; asks nothing.", "phrasing check evals/quickstart.yaml")
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


@_verb("Print the exact prompt of a case.", "phrasing render frontend-latest-production-tags -f messages_text -f xml_yaml")
@click.argument("case")
@click.option(
    "-f", "--format", "formats", multiple=True, required=True, metavar="FORMAT", help="Two of them show the difference."
)
@click.option("-s", "--suite", "path", type=click.Path(path_type=Path), help="Default: the first of evals/ that holds the case.")
@click.option("--function", metavar="NAME", help="Default: the suite's first for this dataset.")
@click.option("-o", "--output", type=click.Choice(OUTPUTS), help="Default: the first that fits.")
@_at
def render(
    case: str, formats: tuple[str, ...], path: Path | None, function: str | None, output: str | None, at: str | None
) -> None:
    """Print the exact prompt of CASE (an id, or dataset::id). Asks nothing."""
    from difflib import unified_diff

    from phrasing import lookup

    if len(formats) > 2:
        raise UserError(f"--format: one or two can be shown, not {len(formats)}")
    dataset, _, name = case.rpartition("::")
    with _files([path] if path else [], at) as files:
        suites = map(files.suite, [path] if path else files.suites())
        texts = [lookup.prompt_text(prompt) for prompt in lookup.prompts(suites, dataset, name, formats, function, output)]
    if len(texts) == 1:
        _read(texts[0])
        return
    if texts[0] == texts[1]:
        click.echo(f"{formats[0]} and {formats[1]} make the same prompt.")
    for line in unified_diff(texts[0].splitlines(), texts[1].splitlines(), formats[0], formats[1], lineterm="", n=1000):
        click.secho(line, fg={"+": "green", "-": "red"}.get(line[:1]))


def _read(text: str) -> None:
    """Print a text for reading, its headings in bold."""
    from phrasing.lookup import HEADING

    for line in text.split("\n"):
        click.secho(line, bold=line.startswith(HEADING))


@_verb("Count what each part of the prompts costs.", "phrasing tokens evals/quickstart.yaml")
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


@_verb("Ask the models of a suite; show the table.", "phrasing run evals/quickstart.yaml -f messages_text -f xml_yaml -n 20")
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
        code = _conclude(done, _again(path, done.folder, words))
        if bless and code != PARTIAL:
            click.echo(f"Recorded in {api.bless(done)}.")
    sys.exit(code)


def _words(narrowed: dict[str, Any]) -> list[str]:
    """Write the options that narrow a suite, each followed by its value."""
    flags = {"models": "-m", "formats": "-f", "select": "-k", "cases": "-n", "repeats": "--repeats", "shard": "--shard"}
    words: list[str] = []
    for name, flag in flags.items():
        given = narrowed[name] if isinstance(narrowed[name], tuple) else (narrowed[name],)
        words += [word for value in given if value is not None for word in (flag, str(value))]
    return words


def _again(path: Path, folder: Path, words: list[str]) -> str:
    """Write the command that brings a run up to date: with what narrowed it, or it would ask for more than was meant."""
    return shlex.join(["phrasing", "run", str(path), *words, "--resume", str(folder)])


def _conclude(done: Run, again: str) -> int:
    """Show the table and say how it went; return the exit code. ``again`` is how the rest is asked."""
    from phrasing import console

    for label, why in done.record.stopped.items():
        click.secho(f"{label} stopped: {why}", fg="red", err=True)
    changed = sum(result.error.kind == "not recorded" for result in done.results.values() if result.error)
    if changed:
        click.echo(
            f"{changed} of {done.record.trials} requests have changed since they were recorded: what a model answers to them "
            "isn't known. Ask it: phrasing run with --missing ask, and --bless to record the answers.",
            err=True,
        )
    if not any(result.error is None for result in done.results.values()):
        click.echo(f"Nothing was answered. {'' if changed else f'When that is mended: {again}'}".strip(), err=True)
        return PARTIAL
    report = done.report()
    console.show(*console.report(report))
    click.echo(f"\nKept in {done.folder}. Look further: phrasing show {done.folder}")
    if done.unanswered:
        click.echo(f"{done.unanswered} trials have no answer; ask them again: {again}", err=True)
        return PARTIAL
    return _verdicts(report)


def _verdicts(report: Any) -> int:
    """Print the gates; return the exit code."""
    required = report.record.resolved["require"]
    if report.record.part and required:
        click.echo(f"No gate was evaluated: only a part was asked ({report.record.part}).", err=True)
        return 0
    held = [verdict.requirement.model_dump(mode="json") for verdict in report.verdicts]
    for requirement in required:
        if requirement not in held:
            where = ", ".join(f"{axis} {value}" for axis, value in requirement["where"].items()) or "every arm but the baseline"
            click.echo(f"Not evaluated: {requirement['score']} where {where}: no such arm was asked.", err=True)
    return _gates(report.verdicts, report.record.resolved["undecided"])


def _gates(verdicts: Sequence[Verdict], undecided: object) -> int:
    colours = {"passed": "green", "undecided": "yellow"}
    for verdict in verdicts:
        click.secho(str(verdict), fg=colours.get(verdict.status, "red"))
    held = {"passed", "undecided"} if undecided == "pass" else {"passed"}
    return 0 if all(verdict.status in held for verdict in verdicts) else MISSED


@_verb("Put the shards of a run together.", "phrasing merge shards/*")
@click.argument("names", metavar="RUN...", nargs=-1, required=True)
def merge(names: tuple[str, ...]) -> None:
    """Make one run of all its shards (folders of `run --shard`), in runs/, and show the table. Exit codes are those of `run`."""
    from phrasing import api

    done = api.merge([_found(name) for name in names], runs=Path("runs"))
    sys.exit(_conclude(done, "resume the shards they are in, then merge anew"))


# ---------------------------------------------------------------------------------------------- looking back


def _found(name: str) -> Run:
    from phrasing import store
    from phrasing.api import Run

    return Run(store.find(Path("runs"), name))


@_verb("Score a run's stored answers again.", "phrasing score latest")
@click.argument("name", metavar="RUN")
def score(name: str) -> None:
    """Parse and score the stored answers of RUN (a folder, or latest) again, with functions and labels as they are now."""
    from phrasing import console
    from phrasing.api import rescore

    done, changed = rescore(_found(name))
    report = done.report()
    console.show(*console.report(report))
    click.echo(f"\n{changed} of {len(done.results)} results changed.")
    sys.exit(PARTIAL if done.unanswered else _verdicts(report))


@_verb("List what went wrong in a run, or one trial in full.", "phrasing show latest -k approval")
@click.argument("name", metavar="RUN")
@click.argument("trial", required=False)
@click.option("-k", "select", metavar="EXPR", help="Only trials whose id matches.")
@click.option("--all", "everything", is_flag=True, help="Right answers too.")
def show(name: str, trial: str | None, select: str | None, everything: bool) -> None:
    """List what went wrong in RUN (a folder, or latest); or show one TRIAL: prompt, answer, step, scores."""
    from phrasing import lookup, store
    from phrasing.errors import StoreError, unknown
    from phrasing.select import compile_expression

    done = _found(name)
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
    _read(lookup.trial_text(result, store.prompt(store.prompts(done.folder), result.prompt)))


def _failures(done: Run, wanted: Callable[[str], bool], everything: bool) -> None:
    shown = 0
    for trial, result in sorted(done.results.items()):
        if not wanted(trial) or not (result.why or everything):
            continue
        shown += 1
        click.echo(f"{click.style(trial, bold=True)}\n    {result.why or 'good'}")
    click.echo(f"{shown} of {len(done.results)} trials. One of them in full: phrasing show {done.folder} TRIAL")


@_verb("Compare arms with their baselines, or a run with another.", "phrasing compare latest --score intent --margin 0.05")
@click.argument("name", metavar="RUN")
@click.argument("baseline", metavar="[BASELINE]", required=False)
@click.option("--score", metavar="SCORE", help="What decides: step, intent, args, strict … (default: the suite's).")
@click.option("--margin", type=click.FloatRange(0, 1, min_open=True, max_open=True), help="What 'not worse' may lose, of 1.")
@click.option("--confidence", type=click.FloatRange(0.5, 1, max_open=True), help="Of intervals and verdicts, of 1.")
@click.option("--require", "gates", multiple=True, metavar="GATE", help="Hold a gate, such as 'score: step, margin: 0.02'.")
def compare(name: str, baseline: str | None, gates: tuple[str, ...], **changes: Any) -> None:
    """Compare the arms of RUN with their baselines, case by case; or with the same arms of BASELINE.

    RUN is a folder, or latest; BASELINE too, or recorded, or a git revision, which stands for what is recorded there. Gates
    against `recorded` hold the arms of RUN against those of BASELINE.
    """
    from phrasing import api, console, suite

    done = _found(name)
    requirements = suite.requirements(gates)
    settings = done.suite.compare.model_copy(update={key: value for key, value in changes.items() if value is not None})
    other = api.baseline(done, baseline) if baseline else None
    found = done.compare(other, settings=settings, name=baseline)
    if not found.contrasts:
        raise UserError(f"{done.folder}: nothing to compare: no arm but the baseline has an answer")
    verdicts = done.gates(requirements, recorded=other)
    for text, requirement in zip(gates, requirements, strict=True):
        if all(verdict.requirement != requirement for verdict in verdicts):  # a gate that holds nothing mustn't pass
            raise UserError(f"--require {text!r}: no arm to hold; there are: {'; '.join(done.summary().index)}")
    console.show(*console.compared(found, done.report()))
    sys.exit(_gates(verdicts, done.suite.undecided))


@_verb("Write a run's report, for people and for CI.", "phrasing report latest -o report.md -o trials.csv -o gates.xml")
@click.argument("name", metavar="RUN")
@click.option(
    "-o", "--output", "outputs", multiple=True, type=click.Path(path_type=Path), help="A .md, .csv or .xml (JUnit) file."
)
@click.option("--summary", metavar="FILE", help="A short Markdown for a job or a pull request; - shows it.")
@click.option("--annotations", is_flag=True, help="Print the gates that don't hold as GitHub's workflow commands.")
@click.option("--trials", is_flag=True, help="In JUnit, a test case for each trial that went wrong, too.")
@click.option("--against", metavar="RUN", help="Compare with this run; it is what gates against `recorded` are held to.")
def report(
    name: str, outputs: tuple[Path, ...], summary: str | None, annotations: bool, trials: bool, against: str | None
) -> None:
    """Write the report of RUN (a folder, or latest): Markdown, the trials as CSV, JUnit. Without an option: Markdown, here."""
    from dataclasses import replace

    from phrasing import api, ci, store, suite
    from phrasing import report as reports

    done = _found(name)
    other = api.baseline(done, against) if against else None
    found = done.report()
    if other and found.verdicts:
        found = replace(found, verdicts=tuple(done.gates(recorded=other)))
    kinds: dict[str, Callable[[], str]] = {
        ".csv": lambda: done.trials().to_csv(index=False, lineterminator="\n"),
        ".md": lambda: reports.markdown(found),
        ".xml": lambda: ci.junit(found, done.results, trials=trials),
    }
    for output in outputs:
        if output.suffix not in kinds:
            listed = ", ".join(kinds)
            raise UserError(f"--output {str(output)!r}: '{output.suffix}' isn't a kind of report; there are: {listed}")
    for output in outputs:
        store.replace(output, [kinds[output.suffix]()])
        click.echo(f"wrote {output}")
    if summary:
        _summary(summary, ci.summary(found, done.results, against=done.compare(other, name=against) if other else None))
    if annotations:
        path = Path("evals", f"{done.record.suite}.yaml")
        for line in ci.commands(found, done.results, file=suite.load(path) if path.is_file() else None):
            click.echo(line)
    if not (outputs or summary or annotations):
        click.echo(reports.markdown(found), nl=False)


def _summary(name: str, text: str) -> None:
    """Show a summary or write it to a file; to that of a GitHub job, which its steps share, it is added."""
    from phrasing import store

    if name == "-":
        click.echo(text, nl=False)
    elif name == os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")
    else:
        store.replace(Path(name), [text])
        click.echo(f"wrote {name}")


@_verb("List the models inside this environment.", "phrasing models")
def models() -> None:
    """List the models that run inside this environment: size, licence, digest, and whether they are installed."""
    from phrasing import local

    for found in local.installed():
        model = found.model
        state = "installed" if found.ready else f"not installed; {local.INSTALL}"
        click.secho(f"local/{model.name}", bold=True, nl=False)
        click.echo(f"  {state}\n  {model.title}, {model.size / 1e6:.0f} MB, {model.licence}\n  sha256 {model.sha256}")
    click.echo("Any model that litellm knows works too, such as openai/gpt-4.1-mini; docs/models.md says how.")


if __name__ == "__main__":
    main()
