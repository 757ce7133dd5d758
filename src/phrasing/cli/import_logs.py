"""``phrasing import``: datasets of logs. Asks nothing."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phrasing.cli.common import example
from phrasing.errors import LogError, UserError, unknown

if TYPE_CHECKING:
    from pydantic import JsonValue

    from phrasing.importers.case_writer import CaseWriter
    from phrasing.importers.cases import Said, Together
    from phrasing.importers.declared import NewestTools
    from phrasing.importers.json_stream import Broken
    from phrasing.importers.pipeline import Options, WhichTurns
    from phrasing.importers.redact import Redactor
    from phrasing.importers.summary import ImportSummary
    from phrasing.suite.duplicates import Seen
    from phrasing.suite.sample import Indices


_MOST_NAMED = 10
"""How many tools are named that changed."""


def importer_and_files(
    context: click.Context, parameter: click.Parameter, words: Sequence[str]
) -> tuple[str | None, Sequence[str]]:
    """Tell the importer from the files: it is the first word, unless a file has that name."""
    from phrasing.importers import registry

    first, *rest = words
    if rest and not Path(first).exists():
        registry.load_importer(first)
        return first, rest
    if not rest and first in registry.importer_names() and not Path(first).exists():
        raise UserError(f"importer {first!r} needs {getattr(registry.load_importer(first), 'WANTED', 'a FILE')}")
    if Path(first).is_dir():
        raise UserError(f"{first} is a folder; if it holds BAML sources: phrasing import baml {first}")
    return None, words


def known_encoding(context: click.Context, parameter: click.Parameter, name: str | None) -> str | None:
    """Refuse a name that isn't that of an encoding of texts."""
    try:
        if name is not None:
            "".encode(name)
    except LookupError:
        raise UserError(f"--encoding {name!r} is none that Python knows, such as cp1252, latin-1 or utf-16") from None
    return name


@click.command("import", epilog=example("phrasing import logs.jsonl -o datasets/mine.jsonl --where reward=1"))
@click.argument("words", metavar="[IMPORTER] FILE...", nargs=-1, required=True, callback=importer_and_files)
@click.option("-o", "--output", "path", required=True, type=click.Path(path_type=Path), help="The .jsonl file to write.")
@click.option(
    "--every-step", "cases", flag_value="every-step", default=True, help="A case for every turn of the agent (default)."
)
@click.option("--one-each", "cases", flag_value="one-each", help="Only for one turn of each conversation, drawn by the seed.")
@click.option("--last", "cases", flag_value="last", help="Only for the last turn of each conversation.")
@click.option("--tool-calls", "cases", flag_value="tool-calls", help="Only for turns with a call.")
@click.option("--where", multiple=True, metavar="KEY=VALUE", help="Only conversations of which the log says so.")
@click.option(
    "--text", default="respond.message", show_default=True, metavar="STEP.FIELD", help="The step for what the agent says."
)
@click.option(
    "--compare-text",
    multiple=True,
    metavar="NAME",
    help="Compare this argument, such as cancel.reason, though it is free text; or all.",
)
@click.option(
    "--together",
    type=click.Choice(("all", "any")),
    default="all",
    show_default=True,
    help="Of several calls in one turn: all are wanted, or any is right.",
)
@click.option("--sample", type=click.IntRange(1), metavar="CASES", help="Draw so many, alike by intent and length.")
@click.option("--split", metavar="SHARES", help="Into files of their own, such as dev=0.3,test=0.7; no conversation in two.")
@click.option("--seed", default=0, show_default=True, help="What --one-each, --sample and --split draw by.")
@click.option("--keep-duplicates", is_flag=True, help="Keep cases whose thread and label were there already.")
@click.option(
    "--redact", multiple=True, metavar="NAME=PATTERN", help="Replace what a Python pattern finds, too; or a kind by name."
)
@click.option("--keep", multiple=True, metavar="KIND", help="Don't replace this kind; 'all' replaces nothing.")
@click.option(
    "--tools", "tools_path", type=click.Path(path_type=Path), metavar="FILE", help="Write the tools that the logs name."
)
@click.option("--system", type=click.Path(path_type=Path), metavar="FILE", help="Write the instructions met most often.")
@click.option(
    "--encoding", callback=known_encoding, metavar="NAME", help="How the logs' text is encoded, such as cp1252; else UTF-8 or 16."
)
@click.option("--force", is_flag=True, help="Write over files that are there.")
def import_logs(
    words: tuple[str | None, Sequence[str]],
    path: Path,
    cases: WhichTurns,
    where: tuple[str, ...],
    text: str,
    compare_text: tuple[str, ...],
    together: Together,
    sample: int | None,
    split: str | None,
    seed: int,
    keep_duplicates: bool,
    redact: tuple[str, ...],
    keep: tuple[str, ...],
    tools_path: Path | None,
    system: Path | None,
    encoding: str | None,
    force: bool,
) -> None:
    """Make cases of what an agent did: FILE... are logs, whose shape is found out unless an IMPORTER is named.

    What can't be read is counted and shown by place and reason. Keys, e-mail addresses, phone and card numbers are replaced.
    docs/importers.md lists the shapes, docs/bring-your-own.md goes through it.
    """
    from phrasing.importers.case_writer import CaseWriter
    from phrasing.importers.free_text import FreeText
    from phrasing.importers.pipeline import Options
    from phrasing.importers.summary import ImportSummary
    from phrasing.suite.duplicates import Seen
    from phrasing.suite.sample import parse_shares

    importer, files = words
    shares = parse_shares(split) if split else None
    names = [f"{path.stem}-{part}{path.suffix}" for part in shares] if shares else [path.name]
    _check_targets([path.with_name(name) for name in names], [tools_path, system], force=force)
    options = Options(cases, said_step(text), dict(map(_wanted, where)), seed, FreeText(compare_text), together)
    redactor = _redactor(redact, keep)
    account, seen = ImportSummary(), None if keep_duplicates else Seen()
    path.parent.mkdir(parents=True, exist_ok=True)
    with CaseWriter(path.parent, seed=seed) as spool:
        toolsets = _fill(
            spool, log_entries(files, importer, encoding), options, account, importer=importer, redactor=redactor, seen=seen
        )
        for line in account.lines():
            click.echo(line)
        if not len(spool):
            raise LogError(f"no case could be made; nothing is written{_hint(options, account)}", where=" ".join(files))
        tools = _newest_tools(account, toolsets)
        kept, outdated = _still_allowed(spool, tools, options.said.step)
        if not len(kept):
            raise LogError(
                f"no case could be made; nothing is written: {outdated} cases are of tools that changed", where=path.name
            )
        chosen = spool.sample(sample, kept)
        parts = dict(zip(names, spool.split(chosen, shares).values(), strict=True)) if shares else {path.name: chosen}
        _check_parts(parts)
        spool.write(parts)
    if outdated:
        _say(f"{outdated:,} cases left out: the newest declaration of a tool doesn't allow their calls")
    _say_left_out(seen, redactor)
    for name, rows in parts.items():
        click.secho(f"{path.with_name(name)}: {len(rows):,} cases", bold=True)
    _write_system(system, account)
    _write_tools(tools_path, tools)


def _fill(
    spool: CaseWriter,
    entries: Iterable[tuple[str, Any]],
    options: Options,
    account: ImportSummary,
    *,
    importer: str | None,
    redactor: Redactor,
    seen: Seen | None,
) -> array[int]:
    """Make cases of the records of logs; return the number of its tools for each, as ``account`` has them."""
    from phrasing.importers.pipeline import make_cases

    toolsets = array("I")
    for made in make_cases(_watched(entries, spool), options, account, importer=importer, cleaning=redactor.over):
        if seen is None or seen.add(made.thread, made.labels):
            spool.add(made.line, intent=made.intent, events=made.events, cluster=made.cluster, turn=made.turn)
            toolsets.append(made.toolset)
    return toolsets


def _check_targets(datasets: Sequence[Path], others: Sequence[Path | None], *, force: bool) -> None:
    """Refuse names of files before anything is read."""
    for path in datasets:
        if path.suffix != ".jsonl":
            raise UserError(f"--output {str(path)!r} isn't a .jsonl file")
    for target in (*datasets, *others):
        if target is not None and target.exists() and not force:
            raise UserError(f"{target} is there already; --force writes over it")


def _check_parts(parts: Mapping[str, Indices]) -> None:
    """Refuse files that would be empty, before any is written."""
    if empty := [name for name, rows in parts.items() if not len(rows)]:
        raise LogError(f"{', '.join(empty)} would hold no case: there are too few conversations to split; nothing is written")


def said_step(text: str) -> Said:
    """Read the step that stands for what an agent said, with its field. Raises ``UserError``."""
    from phrasing.importers.cases import Said

    step, _, field = text.partition(".")
    if not all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for name in (step, field)):
        raise UserError(f"--text {text!r} isn't a step with its field, such as respond.message")
    return Said(step, field)


def _wanted(text: str) -> tuple[str, JsonValue]:
    key, sign, written = text.partition("=")
    if not sign or not key:
        raise UserError(f"--where {text!r} isn't KEY=VALUE, such as reward=1")
    try:
        return key, json.loads(written)
    except ValueError:
        return key, written


def _hint(options: Options, account: ImportSummary) -> str:
    """Say what there is to select by where nothing was selected, or which shapes are known where no record was."""
    from phrasing.importers import registry

    if account.unselected and account.unselected == account.conversations:
        there = (f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in sorted(account.known.items()))
        return f". --where {', '.join(options.where)}: there are, for example: {', '.join(there) or 'none'}"
    return "" if account.conversations else f". Known are: {', '.join(registry.importer_names())} (docs/importers.md)"


def _redactor(redact: Sequence[str], keep: Sequence[str]) -> Redactor:
    from phrasing.importers.redact import DEFAULT_KINDS, REDACTED_KINDS, Redactor

    own = dict(entry.split("=", 1) for entry in redact if "=" in entry)
    more = [entry for entry in redact if "=" not in entry]
    for kind in keep:
        if kind not in (*REDACTED_KINDS, "all"):
            raise LogError(f"--keep: {unknown('kind', kind, (*REDACTED_KINDS, 'all'))}")
    kinds = [] if "all" in keep else [kind for kind in DEFAULT_KINDS if kind not in keep]
    return Redactor([*kinds, *more], own)


def log_entries(
    files: Sequence[str], importer: str | None, encoding: str | None = None
) -> Iterator[tuple[str, JsonValue | Broken]]:
    """Give the records of all files with their places."""
    from phrasing.importers import registry
    from phrasing.importers.json_stream import LogEntry
    from phrasing.importers.log_files import read_records

    own = getattr(registry.load_importer(importer), "records", None) if importer else None
    for file in files:
        if own is not None:
            yield from own(file)
            continue
        for entry in read_records(Path(file), encoding=encoding):
            place = f"{Path(file).name}{f'/{entry.member}' if entry.member else ''}:{entry.line}"
            yield place, entry.value if isinstance(entry, LogEntry) else entry


def _watched(entries: Iterable[tuple[str, Any]], spool: CaseWriter) -> Iterator[tuple[str, Any]]:
    """Say now and then how far it is, where somebody looks."""
    from time import monotonic

    shown = monotonic()
    for place, record in entries:
        if monotonic() - shown > 5:
            shown = monotonic()
            click.echo(f"{place}: {len(spool):,} cases so far", err=True)
        yield place, record


def _say(text: str) -> None:
    from phrasing.importers.summary import wrapped

    click.echo("\n".join(wrapped(text)))


def _say_left_out(seen: Seen | None, redactor: Redactor) -> None:
    """Say how many cases were there already, and what was replaced."""
    if seen and seen.repeats:
        _say(f"{seen.repeats:,} cases left out: the same thread and label were there already (--keep-duplicates keeps them)")
    if seen and seen.relabelled:
        _say(f"{seen.relabelled:,} cases have a thread that was met before with another label")
    if redactor.found:
        kinds = ", ".join(
            f"{times:,} × {kind} ({redactor.different[kind]:,} different)" for kind, times in redactor.found.most_common()
        )
        _say(f"Replaced: {kinds}")


def _write_system(path: Path | None, account: ImportSummary) -> None:
    """Write the instructions that most conversations began with, or say that there are some."""
    if not account.systems:
        return
    text, times = account.systems.most_common(1)[0]
    others = f"; {len(account.systems) - 1:,} others" if len(account.systems) > 1 else ""
    if path is None:
        hint = "they belong to your prompt, and --system FILE writes them"
        _say(f"Not in the threads: instructions that {times:,} conversations began with{others} ({hint})")
        return
    path.write_text(text, "utf-8", newline="\n")
    _say(f"{path}: the instructions that {times:,} conversations began with{others}")


def _newest_tools(account: ImportSummary, toolsets: Sequence[int]) -> NewestTools:
    """Give the tools that the cases could call, each once."""
    from phrasing.importers.declared import newest

    return newest(account.toolsets[number] for number in account.by_age(set(toolsets)))


def _still_allowed(spool: CaseWriter, tools: NewestTools, said: str) -> tuple[Indices, int]:
    """Give the cases whose calls the newest declarations allow, and how many others there are."""
    import numpy as np

    from phrasing.importers.declared import Declared, refused
    from phrasing.types import LABELS

    if not tools.changed:
        return np.arange(len(spool)), 0
    declared = Declared(tools.tools)
    cases = map(json.loads, spool.lines())
    labels = (case[key] for case in cases for key in LABELS if key in case)
    found = (refused(wanted, declared, said) is None for wanted in labels)
    allowed = np.fromiter(found, bool, len(spool))
    return np.flatnonzero(allowed), int((~allowed).sum())


def _write_tools(path: Path | None, found: NewestTools) -> None:
    """Write the tools, or say that there are some. Where there are none, the file isn't written."""
    if found.changed:
        listed = ", ".join(found.changed[:_MOST_NAMED]) + (", …" if len(found.changed) > _MOST_NAMED else "")
        _say(f"Tools that changed in these logs, of which the newest declaration counts: {listed}")
    if found.unread:
        _say(f"{found.unread:,} declarations of tools are of a shape that import-tools doesn't read: left out")
    if path is not None and found.tools:
        path.write_text(json.dumps(found.tools, indent=2, ensure_ascii=False) + "\n", "utf-8", newline="\n")
        _say(f"{path}: {len(found.tools):,} tools; phrasing import-tools makes BAML of them")
    elif path is not None:
        click.echo(
            f"warning: --tools {path}: the logs name no tools{' that it reads' * bool(found.unread)}; it isn't written", err=True
        )
    elif found.tools:
        _say(f"The logs name {len(found.tools):,} tools: --tools FILE writes them, and phrasing import-tools makes BAML of them")
