"""``phrasing verify``: whether logged requests are, byte by byte, what is composed here. Asks nothing."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phrasing.cli.common import MISSED, at_revision, example, files_of, safe
from phrasing.cli.import_logs import importer_and_files
from phrasing.errors import LogError, UserError, unknown

if TYPE_CHECKING:
    from phrasing.importers.conversation import Conversation, Sent
    from phrasing.importers.summary import ImportSummary
    from phrasing.plan.resolve import Plan
    from phrasing.plan.selection import Selection
    from phrasing.plan.verify import Composition, Difference, Group, Outcome
    from phrasing.project.revision import ProjectFiles

WIDTH = 80
_BEFORE = 30
"""Columns of the text before a difference that are shown."""

_SIGNS = {ord("\n"): "⏎", ord("\t"): "⇥", 0xA0: "⍽"}

_SOURCES = {
    "import": "of the thread that import makes of them",
    "request": "of a thread taken out of the request, where import keeps a text or another step",
    "case": "of a case of the suite's dataset; their own thread can't be read back so",
}


@click.command("verify", epilog=example("phrasing verify requests.jsonl evals/quickstart.yaml -f xml_yaml -o prompted"))
@click.argument("words", metavar="[IMPORTER] LOG... [SUITE]", nargs=-1, required=True)
@click.option("-f", "--format", "formats", multiple=True, metavar="FORMAT", help="Compose with this instead of the suite's.")
@click.option("-e", "--edit", "edits", multiple=True, metavar="EDIT", help="Edit with this instead of the suite's context edits.")
@click.option("-o", "--output", "outputs", multiple=True, metavar="MODE", help="Use this output mode instead of the suite's.")
@click.option("--function", metavar="NAME", help="Only this function of the suite.")
@click.option(
    "--text", default="respond.message", show_default=True, metavar="STEP.FIELD", help="The step for what the agent says."
)
@at_revision
@click.pass_context
def verify(
    context: click.Context,
    words: tuple[str, ...],
    formats: tuple[str, ...],
    edits: tuple[str, ...],
    outputs: tuple[str, ...],
    function: str | None,
    text: str,
    at: str | None,
) -> None:
    """Hold the requests in LOGs against what SUITE (default: the only one in evals/) composes of the same threads, byte by byte.

    Compared are messages, tools and response_format. Says which function, format, edit and output mode give most of the requests,
    and where the others differ first. Exit code 1 where a request isn't equal under any. docs/bring-your-own.md explains it.
    """
    from phrasing.cli.import_logs import said_step
    from phrasing.plan import verify as verifying
    from phrasing.plan.selection import Selection

    logs = [word for word in words if not word.endswith((".yaml", ".yml"))]
    suites = [Path(word) for word in words if word not in logs]
    if not logs:
        raise UserError("no log is named; wanted the files of logs, and a suite if there are several")
    importer, files = importer_and_files(context, context.command.params[0], logs)
    said = said_step(text)
    with files_of(suites, at) as project:
        plan = _plan(project, suites, Selection(formats=formats, edits=edits, outputs=outputs))
        compositions = verifying.compositions(plan, function)
        if not compositions:
            raise UserError(f"--function: {unknown('function', str(function), {v.function for v in plan.variants})}")
        sent, reasons, account = _requests(files, importer)
        _check(sent, reasons, account, files)
        composers = {composition: verifying.Composer(plan, composition, said) for composition in compositions}
        found: dict[Composition, list[Outcome]] = {composition: [] for composition in compositions}
        for _, request in sent:
            for composition, composer in composers.items():
                found[composition].append(composer.outcome(request))
    _show(found, sent, reasons, account)
    every = all(any(outcomes[i].source for outcomes in found.values()) for i in range(len(sent)))
    sys.exit(0 if every else MISSED)


def _plan(project: ProjectFiles, suites: Sequence[Path], selection: Selection) -> Plan:
    """Lay out a suite with all cases of its datasets."""
    from dataclasses import replace

    from phrasing.plan.resolve import lay_out

    paths = suites or project.suites()
    if len(paths) != 1:
        named = ", ".join(map(str, paths)) or "none in evals/"
        raise UserError(
            f"name one suite, such as evals/mine.yaml; there are: {named}" if not suites else "name one suite, not several"
        )
    file = project.suite(paths[0])
    whole = tuple(agent.model_copy(update={"sample": None, "tags": ()}) for agent in file.suite.agents)
    return lay_out(replace(file, suite=file.suite.model_copy(update={"agents": whole})), selection)


# ---------------------------------------------------------------------------------------------- reading


def _requests(files: Sequence[str], importer: str | None) -> tuple[list[tuple[str, Sent]], Counter[str], ImportSummary]:
    """Read the requests of logs with their places, and why other calls have none to compare with."""
    from phrasing.cli.import_logs import log_entries
    from phrasing.importers.conversation import Sent
    from phrasing.importers.pipeline import read_logs
    from phrasing.importers.summary import ImportSummary

    account, reasons = ImportSummary(), Counter[str]()

    def made(conversation: Conversation, place: str) -> Iterator[tuple[str, Sent]]:
        if isinstance(conversation.sent, Sent):
            yield place, conversation.sent
        else:
            reasons[conversation.sent] += 1

    return list(read_logs(log_entries(files, importer), made, account, importer=importer)), reasons, account


def _check(sent: Sequence[tuple[str, Sent]], reasons: Counter[str], account: ImportSummary, files: Sequence[str]) -> None:
    """Refuse logs without a request."""
    if not sent:
        why = [f"{times:,} × {reason}" for reason, times in reasons.most_common()]
        why += [f"{met.times:,} × {reason}" for reason, met in account.left.items()]
        raise LogError(f"no request to compare; {'; '.join(why) or 'no record'}", where=" ".join(files))


# ---------------------------------------------------------------------------------------------- showing


def _say(text: str, indent: int = 2) -> None:
    from phrasing.importers.summary import wrapped

    for line in wrapped(text, indent):
        click.echo(safe(line))


def _show(
    found: dict[Composition, list[Outcome]], sent: Sequence[tuple[str, Sent]], reasons: Counter[str], account: ImportSummary
) -> None:
    from phrasing.importers.summary import wrapped
    from phrasing.plan.verify import grouped

    equal = {composition: sum(1 for one in outcomes if one.source) for composition, outcomes in found.items()}
    best = max(equal, key=lambda composition: equal[composition])
    for line in wrapped(f"{equal[best]:,} of {len(sent):,} requests are equal under {best.name}"):
        click.secho(line, bold=True)
    _say_sources(found[best])
    _say_left_out(sent, reasons, account)
    if len(equal) > 1:
        click.echo("Equal requests by function, edit, format and output mode:")
        for composition, times in sorted(equal.items(), key=lambda item: -item[1]):
            if not times:
                continue
            name = composition.name if len({one.dataset for one in equal}) == 1 else f"{composition.dataset}: {composition.name}"
            _say(f"{times:>7,}  {name}", 9)
        _say(f"{0:>7}  under the {list(equal.values()).count(0):,} others" if 0 in equal.values() else "", 9)
        either = sum(1 for i in range(len(sent)) if any(outcomes[i].source for outcomes in found.values()))
        _say(f"{either:,} of {len(sent):,} are equal under one of them")
    groups = grouped((place, outcome) for (place, _), outcome in zip(sent, found[best], strict=True))
    if groups:
        _say(f"The first difference of the others, under {best.name}:")
    for group in groups:
        _show_group(group)


def _say_sources(outcomes: Sequence[Outcome]) -> None:
    sources = Counter(outcome.source for outcome in outcomes if outcome.source)
    for source, times in sources.most_common():
        _say(f"{times:>7,}  {_SOURCES[source]}", 9)


def _say_left_out(sent: Sequence[tuple[str, Sent]], reasons: Counter[str], account: ImportSummary) -> None:
    """Say what wasn't compared, and why."""
    unsaid = Counter(name for _, request in sent for name in request.unsaid)
    if unsaid or reasons or account.left:
        click.echo("Not compared:")
    for name, times in sorted(unsaid.items()):
        _say(f"{times:>7,}  {name}: the log doesn't say whether the request had any", 9)
    for reason, times in reasons.most_common():
        _say(f"{times:>7,}  {reason}", 9)
    for reason, met in sorted(account.left.items(), key=lambda item: -item[1].times):
        _say(f"{met.times:>7,}  {reason} ({', '.join(met.places)}{', …' * (met.times > len(met.places))})", 9)


def _show_group(group: Group) -> None:
    more = ", …" if group.times > len(group.places) else ""
    _say(f"{group.times:>7,}  {_where(group.first)} ({', '.join(group.places)}{more})", 9)
    if group.first.difference is not None:
        for line in _around(group.first.difference):
            click.echo(safe(line))


def _where(outcome: Outcome) -> str:
    """Say in words where two requests differ first."""
    one = outcome.difference
    unread = "the thread in its text can't be taken apart" if outcome.unread else ""
    if one is None:
        return f"{unread}; all around it is equal"
    if not one.logged or not one.composed:
        said = f"{_part(one)}: {'in the log only' if one.logged else 'missing in the log'}"
    else:
        said = f"{_part(one)}, byte {one.byte:,}" + (f", in the {one.segment}" if one.message and one.what != "role" else "")
    said += "; only white space differs" * one.only_space + "; only the order of keys differs" * one.only_order
    return "; ".join(filter(None, (said, unread)))


def _part(one: Difference) -> str:
    if not one.message:
        return one.what
    return f"message {one.message} ({one.role})" + ("" if one.what == "content" else f", its {one.what}")


def _around(one: Difference) -> Iterator[str]:
    """Show both texts around a difference, and mark the first character that differs, in a line of its own."""
    from phrasing.plan.verify import at_character

    at = at_character(one)
    texts = [one.logged or "", one.composed or ""]
    column = 0
    for name, text in zip(("logged", "composed"), texts, strict=True):
        before = _visible(text[max(0, at - _BEFORE) : at])
        before = _cut(before[::-1], _BEFORE)[::-1]
        column = 12 + _columns(before) + (at > _BEFORE)
        shown = f"  {name:<9} {'…' * (at > _BEFORE)}{before}{_visible(text[at : at + WIDTH]) or '∎'}"
        yield _cut(shown, WIDTH)
    yield " " * column + "^"
    yield "  " + ", ".join(f"{name} {_code(text[at : at + 1])}" for name, text in zip(("logged", "composed"), texts, strict=True))


def _visible(text: str) -> str:
    from phrasing.cli.text import visible

    return visible(text.translate(_SIGNS))


def _code(char: str) -> str:
    """Name a character, as a reader may not see it."""
    return (
        f"{_visible(char) if not char.isspace() or char in chr(10) + chr(9) else '␣'} (U+{ord(char):04X})" if char else "nothing"
    )


def _cut(text: str, columns: int) -> str:
    """Cut a text to so many columns."""
    while _columns(text) > columns:
        text = text[:-1]
    return text


def _columns(text: str) -> int:
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)
