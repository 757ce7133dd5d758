"""The verbs that look at prompts and count them: nothing here asks a model."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phrasing.cli.common import MISSED, PARTIAL, at_revision, files_of, read, run_of, safe, suite_options, verb
from phrasing.errors import UserError, shorten

if TYPE_CHECKING:
    from phrasing.costs.estimate import Kind
    from phrasing.costs.tables import View
    from phrasing.costs.tally import Tally
    from phrasing.plan.resolve import Plan
    from phrasing.records import TokenCounts
    from phrasing.tokenizers.tokenizer import Tokenizer

BY = ("segment", "event", "case", "length", "turn", "model")
CONVERSATIONS = ("turn", "model")
"""The views for which a suite's samples are left out of account: one would tear conversations."""
ALONE = ("segment", "event", "length")
"""The views of threads alone."""
NARROWING = {"models": "-m", "edits": "-e", "select": "-k", "cases": "-n", "repeats": "--repeats"}
"""The options that narrow a suite by other things than format."""
PICTURES = (".svg", ".png")
KINDS = (".csv", ".json", ".md", *PICTURES)


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
@click.option("--tokenizer", default="o200k_base", show_default=True, metavar="NAME", help="Whose tokens --tokens shows.")
@at_revision
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

    from phrasing.cli import terminal as console
    from phrasing.models.local.tokenizer import open_tokenizers
    from phrasing.plan import describe as lookup
    from phrasing.tokenizers import view as tokenview
    from phrasing.types import NO_EDIT

    shown = [(format, edit) for format in formats for edit in edits or (NO_EDIT,)]
    if len(shown) > 2:
        many = f", not {len(formats)} × {len(edits)}" if edits else f", not {len(formats)}"
        raise UserError(f"--format: one or two can be shown{many}")
    dataset, _, name = case.rpartition("::")
    with files_of([path] if path else [], at) as files:
        suites = map(files.suite, [path] if path else files.suites())
        prompts = lookup.prompts(suites, dataset, name, shown, function, output)
    names = [" ".join(name for name in pair if name != NO_EDIT) for pair in shown]
    if tokens:
        with ExitStack() as stack:
            (counted,) = open_tokenizers([tokenizer], stack)
            views = [tokenview.sections(counted.tokenize(prompt)) for prompt in prompts]
        console.show(*console.side_by_side(names, views), f"{counted.name}: {counted.rule}", exact=True)
        return
    if len(prompts) == 1:
        read(lookup.prompt(prompts[0]))
        return
    texts = [lookup.text(lookup.prompt(prompt)) for prompt in prompts]
    one, other = names
    if texts[0] == texts[1]:
        click.echo(f"{one} and {other} make the same prompt.")
    for line in unified_diff(texts[0].splitlines(), texts[1].splitlines(), one, other, lineterm="", n=1000):
        click.secho(safe(line), fg={"+": "green", "-": "red"}.get(line[:1]))


@verb("Count what each part of the prompts costs.", "phrasing tokens evals/quickstart.yaml --by length -o growth.svg")
@click.argument("path", metavar="SUITE|RUN", required=False)
@click.option("--file", type=click.Path(path_type=Path), metavar="TRACES", help="Count the threads of a file, one a line.")
@suite_options
@at_revision
@click.option("--by", type=click.Choice(BY), default="segment", show_default=True, help="What a row or a column stands for.")
@click.option("--tokenizer", "named", multiple=True, metavar="NAME", help="Count by this instead of the suite's tokenizer.")
@click.option("-o", "--output", "outputs", multiple=True, type=click.Path(path_type=Path), help=f"A file: {', '.join(KINDS)}.")
@click.option("--against", metavar="BASELINE", help="Compare with a run, recorded, latest, or a git revision.")
@click.option("--max-ratio", type=click.FloatRange(0), metavar="R", help="Exit with 1 if a variant costs more than R times that.")
def tokens(
    path: str | None,
    file: Path | None,
    at: str | None,
    by: str,
    named: tuple[str, ...],
    outputs: tuple[Path, ...],
    against: str | None,
    max_ratio: float | None,
    **narrowed: Any,
) -> None:
    """Count what each part of SUITE's prompts costs, variant by variant, offline; or hold a RUN's counts against the bill.

    Or count a file of threads (--file traces.jsonl -f messages -f xml_yaml): JSON, one a line, also gzipped. With SUITE, its
    formats, baseline and tokenizer are used. docs/tokens.md says what each view shows.
    """
    from phrasing.costs import prompt_cache as prefixes
    from phrasing.models.local.tokenizer import open_tokenizers
    from phrasing.plan import resolve as plan
    from phrasing.runs import store

    if max_ratio is not None and against is None:
        raise UserError("--max-ratio needs --against: a run, recorded, latest, or a git revision")
    _check_outputs(outputs, by)
    narrowing = {flag: narrowed[name] for name, flag in NARROWING.items()}
    viewed = {f"--by {by}": by != "segment", "-o": outputs}
    if file:
        given = {f"--by {by}": by not in ALONE, "--against": against, **narrowing}
        _refuse("--file counts threads alone, all of them", given)
        sys.exit(_archive(file, path, narrowed["formats"], named, at, by, outputs))
    if path is None:
        raise UserError("name a suite or a run, or a file of threads with --file traces.jsonl -f FORMAT")
    if path == store.LATEST or (Path(path) / store.RUN).is_file():
        given = {**viewed, "--against": against, "--at": at, "-f": narrowed["formats"], **narrowing}
        _refuse(f"{path} is a run: all of it is held against the bill", given)
        _bill(path, named)
        return
    if against:
        _refuse("--against holds totals against totals, by the suite's tokenizer", {**viewed, "--tokenizer": named})
    with files_of([Path(path)], at) as files, ExitStack() as stack:
        suite = files.suite(Path(path))
        resolved = plan.resolve(prefixes.whole(suite) if by in CONVERSATIONS and not against else suite, **narrowed)
        if against:
            sys.exit(_changes(resolved, against, max_ratio))
        tokenizers = open_tokenizers(named, stack) if named else [resolved.tokenizer]
        view = _view(resolved, by, tokenizers)
    _show(view, tokenizers, outputs)


def _refuse(why: str, given: Mapping[str, object]) -> None:
    """Refuse options that would have no effect."""
    if refused := [flag for flag, value in given.items() if value]:
        raise UserError(f"{why}; leave out {', '.join(refused)}")


def _check_outputs(outputs: Sequence[Path], by: str) -> None:
    """Refuse files that can't be written, before anything is counted."""
    for output in outputs:
        if output.suffix not in KINDS:
            raise UserError(f"--output {str(output)!r}: '{output.suffix}' isn't a kind of file; there are: {', '.join(KINDS)}")
        if output.suffix in PICTURES and by != "length":
            raise UserError(f"--output {str(output)!r}: this view has no picture; --by length has one")
        if not output.absolute().parent.is_dir():
            raise UserError(f"--output {str(output)!r}: there is no folder {str(output.parent)!r}")


def _view(resolved: Plan, by: str, tokenizers: Sequence[Tokenizer]) -> View:
    """Make a view of a suite's prompts."""
    from phrasing.analysis.report import common, labels
    from phrasing.costs import estimate as ledger
    from phrasing.costs import price as costs
    from phrasing.costs import prompt_cache as prefixes

    variants = [",".join(ledger.kind_of(variant)) for variant in resolved.variants]
    label = labels(variants).__getitem__
    if by == "turn":
        view = prefixes.view(resolved, tokenizers, label)
    elif by == "model":
        answered, recorded = _answers(resolved)
        view = costs.view(resolved, tokenizers, label, answered=answered, recorded=recorded)
    elif by == "case":
        view = ledger.by_case(resolved, tokenizers, label)
    else:
        view = _tallied(ledger.measure(resolved, tokenizers, by_event=by == "event"), by, label, ledger.axes)
    return replace(view, about=common(variants))


def _tallied(tally: Tally, by: str, label: Callable[[str], str], axes: Callable[[str], dict[str, str]]) -> View:
    from phrasing.costs import tables as views

    made = {"segment": views.by_segment, "event": views.by_event, "length": views.by_length}[by]
    return made(tally, label, axes)


def _archive(
    file: Path, suite: str | None, chosen: Sequence[str], named: Sequence[str], at: str | None, by: str, outputs: Sequence[Path]
) -> int:
    """Count a file of threads; return the exit code."""
    from phrasing.costs import archive
    from phrasing.prompts import formats
    from phrasing.tokenizers.tokenizer import DEFAULT, open_tokenizer

    with files_of([Path(suite)] if suite else [], at) as files:
        folder, root, baseline = files.folder / "formats", Path(), None
        names = named or [DEFAULT]
        if suite:
            read = files.suite(Path(suite))
            baseline = None if chosen else read.suite.baseline.get("format")
            chosen = chosen or read.suite.formats
            names, root = (named, root) if named else ([read.suite.tokenizer], read.root)
        if not chosen:
            raise UserError(f"--file needs a format, -f FORMAT; there are: {', '.join(formats.available(folder))}")
        job = archive.Job(folder, tuple(chosen), tuple(names), root, baseline, by_event=by == "event")
        found = archive.measure(file, job)
        tokenizers = [open_tokenizer(name, root) for name in names]
    _show(_tallied(found.tally, by, str, lambda format: {"format": format}), tokenizers, outputs)
    if not found.bad:
        return 0
    lines = f"{found.bad} line{'s' * (found.bad > 1)}"
    click.echo(f"{lines} of {file} can't be counted, and count for no format:", err=True)
    for number, why in found.named:
        click.echo(f"  line {number}: {shorten(why)}", err=True)
    if found.bad > len(found.named):
        click.echo(f"  and {found.bad - len(found.named)} more", err=True)
    return PARTIAL


def _answers(resolved: Plan) -> tuple[Mapping[Kind, float], str]:
    """Give how long answers were in the recording of a suite, else in its newest run, and which that was."""
    from phrasing import api
    from phrasing.analysis.run import Run
    from phrasing.costs import price as costs
    from phrasing.errors import StoreError
    from phrasing.runs import store

    for name in store.RECORDED, store.LATEST:
        try:
            folder = api.find(name, resolved.file)
        except StoreError:
            continue
        return costs.answers(Run(folder).results.values()), str(folder)
    return {}, ""


def _show(view: View, tokenizers: Sequence[Tokenizer], outputs: Sequence[Path]) -> None:
    from phrasing.cli import terminal as console

    names: dict[str, list[str]] = {}
    for one in tokenizers:
        names.setdefault(f"{'exact' if one.exact else 'an estimate'}: {one.rule}.", []).append(one.name)
    console.show(*console.view(view, [f"{', '.join(named)}: {what}" for what, named in names.items()]))
    for output in outputs:
        _write(output, view)
        click.echo(f"wrote {output}")


def _write(output: Path, view: View) -> None:
    """Write a view to a file: its records as CSV or JSON, its tables as Markdown, its lines as a picture."""
    import csv
    import io
    import json

    from phrasing.costs import tables as views
    from phrasing.report.charts import vega as plots
    from phrasing.runs import store

    if output.suffix in PICTURES:
        plots.write(output, plots.lines(view.chart, x="events in the thread", y="tokens of a prompt"))
        return
    text = io.StringIO()
    if output.suffix == ".csv":
        writer = csv.DictWriter(text, list(dict.fromkeys(name for row in view.records for name in row)), lineterminator="\n")
        writer.writeheader()
        writer.writerows(view.records)
    elif output.suffix == ".json":
        json.dump(view.records, text, indent=1, ensure_ascii=False)
    else:
        text.write(views.markdown(view))
    store.replace(output, [text.getvalue()])


def _bill(name: str, named: Sequence[str]) -> None:
    """Hold the counts of a run, or those of other tokenizers, against the provider's."""
    from phrasing.analysis import usage as bill
    from phrasing.cli import terminal as console
    from phrasing.models.local.tokenizer import open_tokenizers
    from phrasing.runs import store

    done = run_of(name)

    def show(counts: Mapping[str, TokenCounts] | None, tokenizer: str, exact: bool) -> None:
        for part in done.parts:  # what a right decision costs isn't what one costs that agrees with a logged agent
            results = list(part.results.values())
            if counts is not None:
                results = [result.model_copy(update={"tokens": counts[result.prompt]}) for result in results]
            rows = bill.reconcile(results, part.record.cases, variants=part.record.variants, exact=exact)
            if len(done.parts) > 1:
                kind = "observed" if part.agreement else "other"
                click.echo(f"{part.record.strengths.total()} cases with {kind} labels:")
            console.show(*console.billed(rows, tokenizer, agreement=part.agreement))

    if named:
        kept = store.prompts(done.folder)
        prompts = {result.prompt: store.prompt(kept, result.prompt) for result in done.results.values()}
        with ExitStack() as stack:
            for tokenizer in open_tokenizers(named, stack):
                counts = {name: tokenizer.count(prompt) for name, prompt in prompts.items()}
                show(counts, tokenizer.name, tokenizer.exact)
    else:
        show(None, done.suite.tokenizer, done.record.exact_tokens)


def _changes(resolved: Plan, against: str, max_ratio: float | None) -> int:
    """Show tokens then and now; return the exit code."""
    from phrasing import api
    from phrasing.cli import terminal as console

    changes = api.token_changes(resolved, against)
    console.show(*console.changes(changes))
    click.echo(f"Tokens by {resolved.tokenizer.name}: {resolved.tokenizer.rule}.")
    held = [change for change in changes if max_ratio is not None and not change.why]
    for change in held:
        passed = change.ratio <= (max_ratio or 0)
        verdict = f"{'passed' if passed else 'missed'}: tokens ×{change.ratio:.3f}, required at most ×{max_ratio:g}"
        click.secho(f"{verdict}, in {change.variant}", fg="green" if passed else "red")
    return MISSED if any(change.ratio > (max_ratio or 0) for change in held) else 0
