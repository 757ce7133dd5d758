"""A plan, a case or a trial in full, as text: what would be asked, what is sent, the answer, what was read from it."""

from __future__ import annotations

import json
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import get_args

from phrasing.analysis.compare import about
from phrasing.baml.project import Project
from phrasing.errors import BamlError, SuiteError, unknown
from phrasing.plan import resolve as plan
from phrasing.plan.agents import AgentPlan
from phrasing.plan.resolve import Plan
from phrasing.prompts.formats import named
from phrasing.prompts.template import take_apart
from phrasing.records import Result
from phrasing.score.builtin import OF_LABELS
from phrasing.stats import power
from phrasing.stats.means import disagreement
from phrasing.suite.duplicates import near_duplicates
from phrasing.suite.file import SuiteFile
from phrasing.suite.schema import Suite
from phrasing.types import Output, Prompt, Trial, Variant

Block = list[tuple[str, str]]
"""A line or more for reading: texts, each with its kind: ``heading``, a segment of the prompt, or nothing."""

MOST_NAMED = 5
"""How many pairs of near-duplicates are named before it says how many more there are; twice as many steps."""


def plan_text(resolved: Plan) -> str:
    """Say what a plan holds: agents, what was inferred of their threads, marks, warnings, and how many trials."""
    lines = [f"{resolved.file.path}: {' '.join(resolved.suite.description.split())}"]
    for name, agent in resolved.agents.items():
        groups = {case.cluster for case in agent.cases.values()}
        lines.append(f"  {name}: {len(agent.cases)} cases in {len(groups)} groups")
        if agent.examples:
            lines.append(f"    {len(agent.examples)} examples; they and their groups take away {agent.set_aside} cases")
        lines += [*_labels(agent), *_observed(agent, resolved.suite)]
        rules = Counter(
            re.sub(r"events\[\d+\] ", "", note.partition(": ")[2]) for notes in agent.inferred.values() for note in notes
        )
        for edit in resolved.edits:
            changed = sum(thread != agent.threads[case] for case, thread in agent.edited[edit].items())
            lines.append(f"    {edit} changes {changed} of {len(agent.cases)} cases")
        lines += [f"    {n} events inferred as {rule}" for rule, n in sorted(rules.items(), key=lambda item: (-item[1], item[0]))]
    lines += [f"  skipped: {skipped}" for skipped in resolved.skipped]
    for format in resolved.formats.values():
        marks = {"spoofable": format.spoofable, "lossy": format.lossy}
        lines += [f"  {format.name} is {mark}: {why}" for mark, why in marks.items() if why]
    for edit, loaded in resolved.edits.items():
        lines += [f"  {edit} is lossy: {loaded.lossy}"] if loaded.lossy else []
        lines += [f"  {edit} adds {loaded.adds}"] if loaded.adds else []
    lines += [f"  score {scorer.name}: {scorer.file}" for scorer in resolved.scorers.values()]
    lines += [f"  warning: {warning}" for warning in resolved.warnings]
    lines += [f"  {line}" for line in design(resolved)]
    return "\n".join([*lines, f"  {len(resolved.variants)} variants, {len(resolved.trials)} trials: good"])


def functions_text(project: Project) -> str:
    """Say of every function of a project whether a suite can run it, and what to change where it can't."""
    ready, wanting, refused = [], [], [f"{name} can't be run: it {why}" for name, why in project.unsupported.items()]
    for name in project.functions:
        at = f"function {name!r}"
        try:
            whole = project.function(name)
        except BamlError as needed:
            wanting.append(str(needed).replace(at, f"{name} can be run, but"))
            continue
        try:
            take_apart(whole)
            ready.append(name)
        except BamlError as why:
            refused.append(str(why).replace(at, f"{name} can't be run: it"))
    lines = [f"{project.path}: {len(project.functions) + len(project.unsupported)} functions"]
    if ready:
        lines += textwrap.wrap(f"can be run: {', '.join(ready)}", 80, initial_indent="  ", subsequent_indent="    ")
    return "\n".join([*lines, *(f"  {line}" for line in [*wanting, *refused])])


def _labels(agent: AgentPlan) -> Iterator[str]:
    """Say what the labels expect, how far that gets without a model, and which cases are told twice."""
    expected = Counter(step for case in agent.cases.values() for step in case.note.expect)
    counts = [f"{step} {n}" for step, n in sorted(expected.items(), key=lambda item: (-item[1], item[0]))]
    yield from _wrap(f"expected: {_some(counts)}")
    for function, template in agent.templates.items():
        found, steps = agent.floors(function), template.function.steps
        rules = f"random {100 * found.random:.0f}, majority {100 * found.majority:.0f}, bigram {100 * found.bigram:.0f} %"
        yield from _wrap(f"{function}: {len(steps)} steps, {rules}")
        never = sorted(steps.keys() - expected.keys())
        if never:
            yield from _wrap(f"no case expects: {_some(never)}")
    pairs = near_duplicates(agent.dataset.cases)
    for one, other, alike in pairs[:MOST_NAMED]:
        yield from _wrap(f"warning: {one} and {other} are in different groups, and their threads are {100 * alike:.0f} % alike")
    more = len(pairs) - MOST_NAMED
    if more > 0:
        yield f"    warning: and {more} more pair{'s' * (more > 1)} of near-duplicates"


def _observed(agent: AgentPlan, suite: Suite) -> Iterator[str]:
    """Say how many labels are what a logged agent did, which gates leave them out, and how far such labels agree."""
    observed = [case for case in agent.cases.values() if case.strength == "observed"]
    if not observed:
        return
    yield from _wrap(f"{len(observed)} of {len(agent.cases)} labels are observed: reported as agreement with the logged agent")
    gated = sorted({gate.score for gate in suite.require}.intersection(OF_LABELS))
    if gated and suite.observed == "report":
        yield from _wrap(f"warning: gates on {', '.join(gated)} leave these out; `observed: gate` in the suite holds them")
    logged: dict[str, list[str]] = {}
    for case in observed:
        logged.setdefault(case.thread.model_dump_json(), []).append(" or ".join(case.note.expect))
    again = [steps for steps in logged.values() if len(steps) > 1]
    if again:
        same = 100 * (1 - disagreement(again))
        threads = f"{len(again)} thread{'s were' if len(again) > 1 else ' was'} logged more than once"
        yield from _wrap(f"{threads}; two steps logged after the same one are the same in {same:.0f} %")


def _some(names: Sequence[str]) -> str:
    most = 2 * MOST_NAMED
    return ", ".join(names[:most]) + (f", and {len(names) - most} more" if len(names) > most else "")


def _wrap(text: str) -> list[str]:
    """Break a line of the second level at 80 columns."""
    return textwrap.wrap(text, 80, initial_indent="    ", subsequent_indent="      ", break_on_hyphens=False)


def design(resolved: Plan) -> list[str]:
    """Say which differences from the baseline a plan can show, before anything is asked.

    That rests on two guesses: on how many cases the variants differ (the suite's ``compare.discordance``), and how alike the
    cases of a group are (``power.ALIKE``).
    """
    settings = resolved.suite.compare
    asked: dict[Variant, dict[str, Counter[str]]] = {
        variant: {} for variant, baseline in resolved.baselines.items() if variant != baseline
    }
    for trial in resolved.trials:
        if trial.repeat == 0 and trial.variant in asked:
            cluster = resolved.agents[trial.dataset].cases[trial.case].cluster
            asked[trial.variant].setdefault(trial.dataset, Counter())[cluster] += 1
    designs = Counter(tuple(tuple(sorted(groups.values())) for groups in strata.values()) for strata in asked.values() if strata)
    alpha, wanted, differing = (1 - settings.confidence) / max(1, designs.total()), settings.detect, settings.discordance
    lines = []
    for strata, variants in sorted(designs.items()):
        cases, (size, df) = sum(map(sum, strata)), power.guess(strata)
        seen = power.detectable(size, differing, alpha=alpha, df=df)
        shown = (
            "no difference shows" if seen is None else f"{settings.score} shows differences from about {100 * seen:.0f} points on"
        )
        needed = power.size_to_detect(wanted, differing, alpha=alpha)
        lines.append(
            f"{variants} of {designs.total()} comparisons with the baseline, {cases} cases: {shown} (80 % chance, if variants "
            f"differ on "
            f"{100 * differing:g} % of cases); "
            f"{100 * wanted:g} points would need {about(needed and round(needed * cases / size))}"
        )
    return lines


def prompts(
    files: Iterable[SuiteFile],
    dataset: str,
    case: str,
    shown: Sequence[tuple[str, str]],
    function: str | None,
    output: str | None,
) -> list[Prompt]:
    """Compose a case in each format and edit, under the first suite that holds it and the first output that fits."""
    known_outputs = get_args(Output)
    if output and output not in known_outputs:
        raise SuiteError(unknown("output", output, known_outputs), where="--output")
    # tool_auto sends what tool does but for one word, and not every agent has a step that text can stand for
    outputs = (output,) if output else tuple(name for name in known_outputs if name != "tool_auto")
    formats, edits = ([pair[i] for pair in shown] for i in (0, 1))
    seen: list[str] = []
    aside: list[SuiteFile] = []
    paths = []
    for file in files:
        paths.append(file.path)
        whole = tuple(agent.model_copy(update={"sample": None, "tags": ()}) for agent in file.suite.agents)
        changes: dict[str, object] = {"agents": whole, "outputs": outputs, "baseline": {}, "require": (), "repeats": 1}
        widened = Suite.model_validate({**dict(file.suite), **changes})
        resolved = plan.resolve(replace(file, suite=widened), formats=formats, edits=edits)
        pairs = [(named(file.root / "formats", format), edit) for format, edit in shown]
        found: dict[tuple[str, str, str], Trial] = {}
        for trial in resolved.trials:
            if trial.case == case and dataset in ("", trial.dataset) and function in (None, trial.variant.function):
                found.setdefault((trial.variant.output, trial.variant.format, trial.variant.edit), trial)
        if found:
            # one output for all, so that nothing but the format differs; else the first that each can have
            common = [name for name in outputs if all((name, *pair) in found for pair in pairs)]
            chosen = [next((found[o, *pair] for o in common[:1] or outputs if (o, *pair) in found), None) for pair in pairs]
            lost = {format for (format, _), trial in zip(pairs, chosen, strict=True) if trial is None}
            reasons = "; ".join(str(skipped) for skipped in resolved.skipped if skipped.format in lost)
            if reasons:
                raise SuiteError(reasons)
            return [resolved.prompt(trial) for trial in chosen if trial]
        known = {name for agent in resolved.agents.values() for name in agent.templates}
        if function and function not in known:
            raise SuiteError(f"--function: {unknown('function', function, known)}", where=str(file.path))
        seen += [f"{name}::{known}" for name, agent in resolved.agents.items() for known in agent.cases]
        for name, agent in resolved.agents.items():
            if dataset in ("", name) and case in agent.dataset.lines and case not in agent.cases:
                aside.append(file)
    if aside:
        raise SuiteError(f"{case!r} is an example, or of an example's group, so no model is asked it", where=str(aside[0].path))
    wanted = f"{dataset}::{case}" if dataset else case
    choices = sorted(set(seen) if dataset else {name.rpartition("::")[2] for name in seen})
    near = unknown("case", wanted, choices).partition("; there are")[0]
    raise SuiteError(f"{near}; there are {len(choices)}, in the datasets of {', '.join(map(str, paths)) or 'no suite'}")


def text(blocks: Iterable[Block]) -> str:
    """Write blocks as one text."""
    return "\n".join("".join(content for content, _ in block) for block in blocks)


def prompt(prompt: Prompt) -> list[Block]:
    """Write a prompt for reading: a heading a role, then the content by segment; tool calls and tools as JSON."""
    blocks: list[Block] = []
    for message, pieces in zip(prompt.messages, prompt.pieces, strict=True):
        blocks.append(_heading(message["role"], message.get("tool_call_id", "")))
        if message.get("content"):
            blocks.append([(piece.text, piece.kind) for piece in pieces])
        for call in message.get("tool_calls", ()):
            line = f"{call['id']}: {call['function']['name']}({call['function']['arguments']})"
            blocks.append([(line, pieces[0].kind)])
    for key in ("tools", "response_format"):
        if getattr(prompt, key):
            blocks += [_heading(key), [(json.dumps(getattr(prompt, key), indent=1, ensure_ascii=False), "schema")]]
    return blocks


def trial(result: Result, sent: Prompt) -> list[Block]:
    """Write a trial for reading: what was sent, what came back, what was read from it, what it was worth."""
    lines = []
    if result.error:
        lines.append(result.why)
    if result.completion:
        lines.append(result.completion.text)
        lines += [f"{call.name}({call.arguments})" for call in result.completion.tool_calls]
        usage = ", ".join(f"{key} {value}" for key, value in result.completion.usage if value is not None)
        lines.append(f"({result.completion.finish_reason}; tokens: {usage}; {result.completion.latency or 0:.2f} s)")
    blocks = [[(result.trial, "")], *prompt(sent), _heading("answer"), *([(line, "")] for line in lines)]
    if result.parsed:
        blocks += [_heading("parsed"), [(result.parsed.model_dump_json(exclude_none=True), "")]]
    scores = result.scores.items()
    return blocks + [[(f"{key}: {'–' if one.value is None else f'{one.value:g}'}  {one.reason}", "")] for key, one in scores]


def _heading(*words: str) -> Block:
    return [(f"── {' '.join(filter(None, words))} ──", "heading")]
