"""What a plan holds, in words: agents and their labels, warnings, and which differences it can show."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from phrasing import scores
from phrasing.baml.project import Project
from phrasing.errors import BamlError, SuiteError
from phrasing.plan.agents import AgentPlan
from phrasing.plan.resolve import Plan
from phrasing.prompts import notations
from phrasing.prompts.template import take_apart
from phrasing.score.weak_labels import TooWide, too_wide, unfixed
from phrasing.stats import power
from phrasing.stats.means import disagreement
from phrasing.stats.power import about
from phrasing.suite import rewrites
from phrasing.suite.dataset import infer_roles
from phrasing.suite.near_duplicates import near_duplicates
from phrasing.suite.schema import Suite
from phrasing.types import NO_EDIT, Variant, canonical_json

MOST_NAMED = 5
"""How many pairs of near-duplicates are named before it says how many more there are; twice as many steps."""

LONGEST_SHOWN = 60
"""How many characters of a matcher are shown."""


def plan_text(resolved: Plan) -> str:
    """Say what a plan holds: agents, what was inferred of their threads, marks, warnings, and how many trials."""
    lines = [f"{resolved.file.path}: {' '.join(resolved.suite.description.split())}"]
    for name, agent in resolved.agents.items():
        lines += _agent(name, agent, resolved.suite)
    lines += [f"  hint: {hint}" for hint in resolved.hints]
    lines += [f"  skipped: {skipped}" for skipped in resolved.skipped]
    lines += _marks(resolved)
    lines += [f"  score {scorer.name}: {scorer.file}" for scorer in resolved.scorers.values()]
    lines += [f"  warning: {warning}" for warning in resolved.warnings]
    lines += [f"  {line}" for line in design(resolved)]
    return "\n".join([*lines, f"  {len(resolved.variants)} variants, {len(resolved.trials)} trials: good"])


def _agent(name: str, agent: AgentPlan, suite: Suite) -> Iterator[str]:
    """Say what an agent is asked, what its edits change, and what was inferred of its threads."""
    groups = {note.group or case for case, note in agent.notes.items()}
    what = "tasks" if agent.environment else "cases"
    yield f"  {name}: {len(agent.notes)} {what} in {len(groups)} groups"
    if agent.environment:
        yield f"    run to the end in {agent.environment.shown}"
        yield from _edited(agent)
        return
    if agent.examples:
        yield f"    {len(agent.examples)} examples; they and their groups take away {agent.set_aside} cases"
    for function, made in agent.rewritten.items():
        assert made.file is not None, "each names a rewrite"
        yield from _wrap(f"{function}: {made.file.shown}: {'; '.join(made.changes)}")
    yield from _added(agent)
    yield from _labels(agent)
    yield from _arguments(agent)
    yield from _logged(agent, suite)
    yield from _edited(agent)
    notes = (note for case in agent.cases.values() for note in infer_roles(case.thread, agent.steps)[1])
    rules = Counter(re.sub(r"events\[\d+\] ", "", note.partition(": ")[2]) for note in notes)
    for rule, n in sorted(rules.items(), key=lambda item: (-item[1], item[0])):
        yield f"    {n} events inferred as {rule}"


def _edited(agent: AgentPlan) -> Iterator[str]:
    """Say how many threads each edit changes; those of runs may be changed later on."""
    what = "first threads" if agent.environment else "cases"
    for edit, threads in agent.edited.items():
        if edit != NO_EDIT:
            changed = sum(thread != agent.threads[case] for case, thread in threads.items())
            yield f"    {edit} changes {changed} of {len(agent.notes)} {what}"


def _added(agent: AgentPlan) -> Iterator[str]:
    """Say which tools are added to steps, which of them resemble one, and what of them BAML can't say."""
    if not (found := agent.added):
        return
    counts = ", ".join(f"{name} {len(tools)}" for name, tools in agent.added_to.items())
    yield from _wrap(f"tools of {found.shown} added to steps: {counts or 'none'}")
    if found.names:
        yield from _wrap(f"in the order in which they are drawn: {', '.join(found.names)}")
    if found.near:
        yield from _wrap(f"they resemble steps, and were reviewed: {_some(list(found.near))}")


def _marks(resolved: Plan) -> Iterator[str]:
    """Say what the files of formats and edits admit of themselves."""
    for format in resolved.formats.values():
        marks = {"injectable": format.injectable, "lossy": format.lossy}
        yield from (f"  {format.name} is {mark}: {why}" for mark, why in marks.items() if why)
    for name, edit in resolved.edits.items():
        if edit.lossy:
            yield f"  {name} is lossy: {edit.lossy}"
        if edit.adds:
            yield f"  {name} adds {edit.adds}"


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


def rewrites_text(root: Path, named: Collection[str]) -> str:
    """List the rewrites of a project, those that none of the suites that were checked names, and files that are none.

    Nothing, where it has none: its folder ``prompts/`` may be for something else.
    """
    good, wrong = [], []
    for name in rewrites.available(root):
        try:
            good.append(rewrites.load(root, name).name)
        except SuiteError as error:
            wrong.append(f"  no rewrite: {error}")
    if not good:
        return ""
    return "\n".join([_listed(root / rewrites.FOLDER, "rewrite", good, named), *wrong])


def notations_text(root: Path, named: Collection[str]) -> str:
    """List the notations of a project, and those that none of the suites that were checked names. None of them runs for it."""
    there = list(notations.available(root))
    return _listed(root / notations.FOLDER, "notation", there, named) if there else ""


def _listed(folder: Path, what: str, there: Sequence[str], named: Collection[str]) -> str:
    said = f"{folder}: {len(there)} {what}{'s' * (len(there) != 1)}: {', '.join(there)}"
    if unused := [name for name in there if name not in named]:
        said += f"; in no suite that was checked: {'all' if len(unused) == len(there) else ', '.join(unused)}"
    return "\n".join(textwrap.wrap(said, 80, subsequent_indent="  ", break_on_hyphens=False))


def _labels(agent: AgentPlan) -> Iterator[str]:
    """Say what the labels expect, how far that gets without a model, and which cases are told twice."""
    expected = Counter(step for note in agent.notes.values() for step in note.expect)
    counts = [f"{step} {n}" for step, n in sorted(expected.items(), key=lambda item: (-item[1], item[0]))]
    yield from _wrap(f"expected: {_some(counts)}")
    yield from _several(agent)
    labelled = Counter(note.labeller for note in agent.notes.values() if note.labeller)
    if labelled:
        yield from _wrap(f"labelled by: {', '.join(f'a {who} {n}' for who, n in sorted(labelled.items()))}")
    for function, names in agent.labels.items():
        if names != (function,):
            listed = names[0] if len(names) == 1 else f"for each case one of {', '.join(names)}"
            yield from _wrap(f"{function} is {listed}")
        found, steps = agent.no_model(function), agent.picked_from(function)
        rules = ", ".join(f"{rule} {100 * share:.0f}" for rule, share in found.shares.items())
        lines = _wrap(f"{function}: {len(steps)} steps, {rules}\N{NO-BREAK SPACE}%")
        yield from (line.replace("\N{NO-BREAK SPACE}", " ") for line in lines)
        never = sorted(steps.keys() - expected.keys() - {*agent.added_to.get(function, ())})
        if never:
            yield from _wrap(f"no case expects: {_some(never)}")
    near = near_duplicates(agent.dataset.cases, MOST_NAMED)
    for one, other, alike in near.pairs:
        yield from _wrap(f"warning: {one} and {other} are in different groups, and their threads are {100 * alike:.0f} % alike")
    more = near.total - len(near.pairs)
    least = "" if near.whole else "at least "
    if more > 0:
        yield f"    warning: and {least}{more} more pair{'s' * (more > 1)} of near-duplicates"


def _several(agent: AgentPlan) -> Iterator[str]:
    """Say how many cases want several steps at once, and which functions return one."""
    wanting = sum(note.together is not None for note in agent.notes.values())
    if not wanting:
        return
    yield from _wrap(f"{wanting} of {len(agent.notes)} cases want several steps at once: an answer is right with all of them")
    if single := [name for name, template in agent.templates.items() if not template.function.many]:
        returns = "returns one step, and is" if len(single) == 1 else "return one step, and are"
        yield from _wrap(f"warning: {', '.join(single)} {returns} asked for one, which is wrong in these cases")
        yield from _wrap("return a list of steps, (A | B)[], or let `phrasing import --together any` take any one for right")


def _arguments(agent: AgentPlan) -> Iterator[str]:
    """Say which labels name no argument, and which matchers accept another value than the one they were written for."""
    functions = [template.function for template in agent.templates.values()]
    cases = agent.dataset.cases
    empty = unfixed(cases, functions)
    if empty:
        steps = [
            f"{step} {one.labels} ({', '.join(one.arguments)})"
            for step, one in sorted(empty.items(), key=lambda item: (-item[1].labels, item[0]))
        ]
        n = sum(one.labels for one in empty.values())
        total = sum(len(case.labels) for case in cases)
        yield from _wrap(f"{n} of {total} labels name no argument, though one could be compared: {_some(steps)}")
    found = list(too_wide(cases, functions))
    wide = [one for one in found if one.also]
    for one in wide[:MOST_NAMED]:
        at = f"{agent.dataset.where(one.case)}: {one.key}: {one.intent}: {one.path}"
        yield from _wrap(f"warning: {at}: {_matcher(one)} accepts {one.also!r} as well as {one.value!r}")
    if len(wide) > MOST_NAMED:
        yield f"    warning: and {len(wide) - MOST_NAMED} more that accept another value as well"
    if wide:
        yield from _wrap("write the whole value instead, $any_of several, or a $regex from ^ to $")
    untried = [one for one in found if not one.also]
    if untried:
        n = len(untried)
        which = (
            "1 matcher wasn't tried, because no value that it accepts was found"
            if n == 1
            else (f"{n} matchers weren't tried, because no value that they accept was found; the first")
        )
        yield from _wrap(f"{which}: {_matcher(untried[0])} in {agent.dataset.where(untried[0].case)}")


def _matcher(one: TooWide) -> str:
    """Name a matcher by its key and the start of what it holds."""
    key, operand = next(iter(one.matcher.items()))
    text = operand if isinstance(operand, str) else canonical_json(operand)
    return f"{key} {text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + '…'}"


def _logged(agent: AgentPlan, suite: Suite) -> Iterator[str]:
    """Say how many labels are what a logged agent did, which gates leave them out, and how far such labels agree."""
    found = [name for name, note in agent.notes.items() if note.strength == "logged"]
    if not found:
        return
    yield from _wrap(f"{len(found)} of {len(agent.cases)} labels are logged: reported as agreement with the logged agent")
    own = suite.scorer_names
    gated = sorted({scores.public(gate.score) for gate in suite.require if scores.is_of_labels(gate.score, own)})
    if gated and suite.logged == "report":
        yield from _wrap(f"warning: gates on {', '.join(gated)} leave these out; `logged: gate` in the suite holds them")
    logged: dict[str, list[str]] = {}
    for name in found:
        logged.setdefault(agent.cases[name].thread.model_dump_json(), []).append(agent.notes[name].wanted)
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
    cases of a group are (``power.ALIKE``). Where conversations are compared, each is one piece.
    """
    settings = resolved.suite.compare
    whole = settings.score == scores.CONVERSATION
    unit = "conversations" if whole else "tasks" if resolved.suite.loops else "cases"
    asked: dict[Variant, dict[str, Counter[str]]] = {
        variant: {} for variant, baseline in resolved.baselines.items() if variant != baseline
    }
    for trial in resolved.trials:
        if trial.repeat == 0 and trial.variant in asked:
            group = resolved.agents[trial.dataset].notes[trial.case].group
            if not whole:
                asked[trial.variant].setdefault(trial.dataset, Counter())[group or trial.case] += 1
            elif group:
                asked[trial.variant].setdefault(trial.dataset, Counter())[group] = 1
    designs = Counter(tuple(tuple(sorted(groups.values())) for groups in strata.values()) for strata in asked.values() if strata)
    alpha, wanted, differing = (1 - settings.confidence) / max(1, designs.total()), settings.detect, settings.discordance
    lines = []
    for strata, variants in sorted(designs.items()):
        cases, (size, added) = sum(map(sum, strata)), power.guess(strata)
        seen = power.detectable(size, differing, alpha=alpha, added=added)
        shown = (
            "no difference shows"
            if seen is None
            else f"{scores.public(settings.score)} shows differences from about {100 * seen:.0f} points on"
        )
        needed = power.size_to_detect(wanted, differing, alpha=alpha, added=added)
        lines.append(
            f"{variants} of {designs.total()} comparisons with the baseline, {cases} {unit}: {shown} (80 % chance, if variants "
            f"differ on "
            f"{100 * differing:g} % of {unit}); "
            f"{100 * wanted:g} points would need {about(needed and round(needed * cases / size)).replace('cases', unit)}"
        )
    return lines
