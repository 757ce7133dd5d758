"""``phrasing tokens``: what each part of the prompts costs, then and now, or beside the provider's usage. Asks nothing."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phrasing.cli.common import (
    MISSED,
    PARTIAL,
    at_revision,
    example,
    files_of,
    run_of,
    suite_options,
    warn,
    write_file,
)
from phrasing.errors import UserError, shorten

if TYPE_CHECKING:
    from phrasing.analysis.run import Run
    from phrasing.costs.estimate import Kind
    from phrasing.costs.tables import View
    from phrasing.costs.token_totals import TokenTotals
    from phrasing.plan.resolve import Plan
    from phrasing.plan.selection import Selection
    from phrasing.records import Result
    from phrasing.tokenizers.tokenizer import Tokenizer
    from phrasing.tokenizers.tool_rules import ToolRule

BY = ("segment", "event", "case", "length", "turn", "model")
CONVERSATIONS = ("turn", "model")
"""The views for which a suite's samples are left out of account: one would tear conversations."""
ALONE = ("segment", "event", "length")
"""The views of threads alone."""
NARROWING = {"models": "-m", "edits": "-e", "select": "-k", "cases": "-n", "repeats": "--repeats", "params": "-p"}
"""The options that narrow a suite by other things than format."""
PICTURES = (".svg", ".png")
KINDS = (".csv", ".json", ".md", *PICTURES)


@click.command("tokens", epilog=example("phrasing tokens evals/quickstart.yaml --by length -o growth.svg"))
@click.argument("path", metavar="SUITE|RUN", required=False)
@click.option("--file", type=click.Path(path_type=Path), metavar="TRACES", help="Count the threads of a file, one a line.")
@suite_options
@at_revision
@click.option("--by", type=click.Choice(BY), default="segment", show_default=True, help="What a row or a column stands for.")
@click.option("--tokenizer", "named", multiple=True, metavar="NAME", help="Count by this instead of the suite's tokenizer.")
@click.option("-o", "--output", "written", multiple=True, type=click.Path(path_type=Path), help=f"A file: {', '.join(KINDS)}.")
@click.option("--against", metavar="BASELINE", help="Compare with a run, recorded, latest, or a git revision.")
@click.option("--max-ratio", type=click.FloatRange(0), metavar="R", help="Exit with 1 if a variant costs more than R times that.")
def tokens(
    path: str | None,
    file: Path | None,
    at: str | None,
    by: str,
    named: tuple[str, ...],
    written: tuple[Path, ...],
    against: str | None,
    max_ratio: float | None,
    selection: Selection,
) -> None:
    """Count what each part of SUITE's prompts costs, variant by variant, offline; or hold a RUN's counts against the provider's.

    Or count a file of threads (--file traces.jsonl -f messages -f xml_yaml): JSON, one a line, also gzipped. With SUITE, its
    formats, baseline and tokenizer are used. docs/tokens.md says what each view shows.
    """
    from phrasing.costs import estimate, prompt_cache
    from phrasing.models.provider import open_tokenizers
    from phrasing.plan import resolve
    from phrasing.runs import run_folders

    if max_ratio is not None and against is None:
        raise UserError("--max-ratio needs --against: a run, recorded, latest, or a git revision")
    _check_outputs(written, by)
    narrowing = {flag: getattr(selection, name) for name, flag in NARROWING.items()}
    viewed = {f"--by {by}": by != "segment", "-o": written}
    if file:
        given = {f"--by {by}": by not in ALONE, "--against": against, **narrowing}
        _refuse("--file counts threads alone, all of them", given)
        sys.exit(_archive(file, path, selection.formats, named, at, by, written))
    if path is None:
        raise UserError("name a suite or a run, or a file of threads with --file traces.jsonl -f FORMAT")
    if path == run_folders.LATEST or run_folders.is_run(Path(path)):
        given = {**viewed, "--against": against, "--at": at, "-f": selection.formats, **narrowing}
        _refuse(f"{path} is a run: all of it is held against the provider's counts", given)
        _usage(path, named)
        return
    if against:
        _refuse("--against holds totals against totals, by the suite's tokenizer", {**viewed, "--tokenizer": named})
    with files_of([Path(path)], at) as files, ExitStack() as stack:
        suite = files.suite(Path(path))
        plan = resolve.resolve(prompt_cache.without_samples(suite) if by in CONVERSATIONS and not against else suite, selection)
        if against:
            sys.exit(_changes(plan, against, max_ratio))
        tokenizers = open_tokenizers(named, stack) if named else [plan.tokenizer]
        view = _view(plan, by, tokenizers)
        rules = list(dict.fromkeys(plan.tool_rules.values())) if estimate.offers(plan) else []
    _show(view, tokenizers, written, rules)


def _refuse(why: str, given: Mapping[str, object]) -> None:
    """Refuse options that would have no effect."""
    if refused := [flag for flag, value in given.items() if value]:
        raise UserError(f"{why}; leave out {', '.join(refused)}")


def _check_outputs(written: Sequence[Path], by: str) -> None:
    """Refuse files that can't be written, before anything is counted."""
    for output in written:
        if output.suffix not in KINDS:
            raise UserError(f"--output {str(output)!r}: '{output.suffix}' isn't a kind of file; there are: {', '.join(KINDS)}")
        if output.suffix in PICTURES and by != "length":
            raise UserError(f"--output {str(output)!r}: this view has no picture; --by length has one")
        if not output.absolute().parent.is_dir():
            raise UserError(f"--output {str(output)!r}: there is no folder {str(output.parent)!r}")


def _view(plan: Plan, by: str, tokenizers: Sequence[Tokenizer]) -> View:
    """Make a view of a suite's prompts."""
    from phrasing.analysis.report_data import common, labels
    from phrasing.costs import decision_cost, estimate, prompt_cache

    variants = [",".join(estimate.kind_of(variant)) for variant in plan.variants]
    label = labels(variants).__getitem__
    counting = estimate.by_rule(plan, tokenizers)
    if by == "turn":
        view = prompt_cache.cache_view(plan, counting, label)
    elif by == "model":
        answered, recorded = _answers(plan)
        view = decision_cost.cost_view(plan, tokenizers, label, answered=answered, recorded=recorded)
    elif by == "case":
        view = estimate.by_case(plan, counting, label)
    else:
        view = _tallied(estimate.measure(plan, counting, by_event=by == "event"), by, label, estimate.axes)
    return replace(view, about=common(variants))


def _tallied(tally: TokenTotals, by: str, label: Callable[[str], str], axes: Callable[[str], dict[str, str]]) -> View:
    from phrasing.costs import tables

    made = {"segment": tables.by_segment, "event": tables.by_event, "length": tables.by_length}[by]
    return made(tally, label, axes)


def _archive(
    file: Path, suite: str | None, chosen: Sequence[str], named: Sequence[str], at: str | None, by: str, written: Sequence[Path]
) -> int:
    """Count a file of threads; return the exit code."""
    from phrasing.costs import trace_files
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
        job = trace_files.Job(folder, tuple(chosen), tuple(names), root, baseline, by_event=by == "event")
        found = trace_files.count_file(file, job)
        tokenizers = [open_tokenizer(name, root) for name in names]
    _show(_tallied(found.totals, by, str, lambda format: {"format": format}), tokenizers, written)
    if not found.bad:
        return 0
    lines = f"{found.bad} line{'s' * (found.bad > 1)}"
    click.echo(f"{lines} of {file} can't be counted, and count for no format:", err=True)
    for number, why in found.named:
        click.echo(f"  line {number}: {shorten(why)}", err=True)
    if found.bad > len(found.named):
        click.echo(f"  and {found.bad - len(found.named)} more", err=True)
    return PARTIAL


def _answers(plan: Plan) -> tuple[Mapping[Kind, float], str]:
    """Give how long answers were in the recording of a suite, else in its newest run, and which that was."""
    from phrasing.analysis import locate
    from phrasing.analysis.run import Run
    from phrasing.costs import decision_cost
    from phrasing.errors import StoreError
    from phrasing.runs import run_folders

    for name in run_folders.RECORDED, run_folders.LATEST:
        try:
            folder = locate.find(name, plan.file)
        except StoreError:
            continue
        return decision_cost.answers(Run(folder).results.values()), str(folder)
    return {}, ""


def _show(view: View, tokenizers: Sequence[Tokenizer], written: Sequence[Path], rules: Sequence[ToolRule] = ()) -> None:
    """Show a view and write its files. ``rules``: how tools are shown to the models, where there are any."""
    from phrasing.cli import terminal

    names: dict[str, list[str]] = {}
    for one in tokenizers:
        names.setdefault(f"{'exact' if one.exact else 'an estimate'}: {one.rule}.", []).append(one.name)
    notes = [f"{', '.join(named)}: {what}" for what, named in names.items()]
    estimated = any(not one.exact for one in tokenizers)
    notes += [f"Tools ({rule.name}): {rule.says}." for rule in rules if estimated]
    terminal.show(*terminal.view(view, notes))
    for output in written:
        _write(output, view)


def _write(output: Path, view: View) -> None:
    """Write a view to a file: its lines as a picture, its records as CSV or JSON, its tables as Markdown."""
    if output.suffix in PICTURES:
        from phrasing.report.charts import vega

        vega.write(output, vega.lines(view.chart, x="events in the thread", y="tokens of a prompt"))
        click.echo(f"wrote {output}")
    elif output.suffix == ".json":
        write_file(output, json.dumps(view.records, indent=1, ensure_ascii=False))
    elif output.suffix == ".csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, list(dict.fromkeys(name for row in view.records for name in row)), lineterminator="\n")
        writer.writeheader()
        writer.writerows(view.records)
        write_file(output, text.getvalue())
    else:
        from phrasing.costs.tables import markdown

        write_file(output, markdown(view))


def _usage(name: str, named: Sequence[str]) -> None:
    """Show the counts of a run, or those of other tokenizers, beside the provider's."""
    from phrasing.analysis import usage
    from phrasing.models.provider import open_tokenizers, tool_rule
    from phrasing.runs import store

    run = run_of(name)
    if not named:
        _show_usage(
            run, run.results.values(), run.suite.tokenizer, exact=run.record.exact_tokens, as_json=usage.as_json(run.record)
        )
        return
    kept, damaged = store.read_prompts(run.folder)
    warn(damaged)
    prompts = {result.prompt: store.prompt(kept, result.prompt) for result in run.results.values()}
    with ExitStack() as stack:
        for tokenizer in open_tokenizers(named, stack):
            counting = {spec.label: tokenizer.under(tool_rule(spec)) for spec in run.suite.models}
            asked = {(result.prompt, result.model) for result in run.results.values()}
            counts = {(prompt, model): counting[model].count(prompts[prompt]) for prompt, model in asked}
            results = (
                result.model_copy(update={"tokens": counts[result.prompt, result.model]}) for result in run.results.values()
            )
            _show_usage(run, results, tokenizer.name, exact=tokenizer.exact)


def _show_usage(run: Run, counted: Iterable[Result], tokenizer: str, *, exact: bool, as_json: bool = False) -> None:
    """Show counts of a run's prompts, part by part: those in ``counted``, its results."""
    from phrasing.analysis import tables, usage
    from phrasing.analysis.report_data import terms
    from phrasing.cli import terminal

    table = tables.trials(counted, run.record.cases)
    for part in run.parts:  # what a right decision costs isn't what one costs that agrees with a logged agent
        mine = table[table["trial"].isin(list(part.results))]
        rows = usage.reconcile(mine, part.record.cases, variants=part.record.variants, exact=exact)
        if len(run.parts) > 1:
            click.echo(f"{part.record.strengths.total()} cases with {'logged' if part.agreement else 'other'} labels:")
        terminal.show(*terminal.billed(rows, tokenizer, terms(part.agreement), as_json=as_json))


def _changes(plan: Plan, against: str, max_ratio: float | None) -> int:
    """Show tokens then and now; return the exit code."""
    from phrasing.analysis import locate
    from phrasing.analysis.run import Run
    from phrasing.cli import terminal
    from phrasing.costs import estimate
    from phrasing.costs.changes import token_changes

    if locate.is_run(against):
        warn(Run(locate.find(against, plan.file)).damaged)
    changes = token_changes(plan, against)
    terminal.show(*terminal.changes(changes))
    click.echo(f"Tokens by {plan.tokenizer.name}: {plan.tokenizer.rule}.")
    if estimate.offers(plan) and not plan.tokenizer.exact:
        rule = next(iter(plan.tool_rules.values()))
        click.echo(f"Tools ({rule.name}): {rule.says}.")
    held = [change for change in changes if max_ratio is not None and not change.why]
    for change in held:
        passed = change.ratio <= (max_ratio or 0)
        verdict = f"{'passed' if passed else 'missed'}: tokens ×{change.ratio:.3f}, required at most ×{max_ratio:g}"
        click.secho(f"{verdict}, in {change.variant}", fg="green" if passed else "red")
    return MISSED if any(change.ratio > (max_ratio or 0) for change in held) else 0
