"""What formats make of the cases of a plan: rendered once, and checked before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from itertools import product

from phrasing.errors import BamlError, FormatError
from phrasing.plan import few_shot
from phrasing.plan.agents import AgentPlan
from phrasing.plan.grid import History
from phrasing.prompts import edits, formats, probe, template
from phrasing.prompts.edits import Edit
from phrasing.prompts.formats import Format
from phrasing.prompts.notations import NotationFile
from phrasing.prompts.verified import Passed, Verified
from phrasing.suite.dataset import infer_roles
from phrasing.types import NO_EDIT, OFFERS_TOOLS, Event, Output, Prompt, Rendering, Thread, Trial, Variant

Cells = dict[tuple[str, str, bool], dict[str, None]]
"""What is asked of a case: formats and edits, and whether the format is told that tools are offered, each with its functions."""


class Renderings:
    """Renders the cases of a plan's agents, and remembers recent renderings, which variants and repeats share."""

    def __init__(self, agents: Mapping[str, AgentPlan], loaded: Mapping[str, Format]) -> None:
        self.agents, self.formats = agents, loaded
        self._remembered = lru_cache(maxsize=4096)(self._render)
        self._remembered_examples = cache(self._examples)

    def __call__(self, dataset: str, case: str, format: str, edit: str = NO_EDIT, output: Output = "prompted") -> Rendering:
        """Render a case of a dataset in a format, edited or as it is, as the prompt of an output mode shows it."""
        return self._remembered(dataset, case, format, edit, self._told(format, output))

    def _render(self, dataset: str, case: str, format: str, edit: str, told: bool) -> Rendering:
        return self.agents[dataset].render(self.formats[format].where(tools=told), case, edit)

    def examples(self, dataset: str, format: str, output: Output) -> Rendering:
        """Render the examples that an agent shows. Raises ``FormatError``."""
        return self._remembered_examples(dataset, format, self._told(format, output), self._answer(dataset, output))

    def _examples(self, dataset: str, format: str, told: bool, notation: NotationFile | None = None) -> Rendering:
        return few_shot.render(self.formats[format].where(tools=told), self.agents[dataset].examples, notation)

    def _answer(self, dataset: str, output: Output) -> NotationFile | None:
        """Give the notation that answers are written in under an output; ``None``: as BAML has them written."""
        notation = self.agents[dataset].notations.get(output)
        return notation.answer if notation else None

    def format(self, name: str, output: Output) -> Format:
        """Give a format as it renders under an output mode."""
        return self.formats[name].where(tools=self._told(name, output))

    def _told(self, format: str, output: Output) -> bool:
        """Whether a format is told that tools are offered: never one that doesn't ask, which renders the same anyway."""
        return self.formats[format].told is not None and output in OFFERS_TOOLS

    def prompt(self, dataset: str, case: str, variant: Variant) -> Prompt:
        """Compose what is sent of a case."""
        return self.compose(dataset, self.agents[dataset].function(variant.function, case), case, variant)

    def compose(self, dataset: str, function: str, case: str, variant: Variant) -> Prompt:
        """Compose what a function would send of a case, whichever of its label's the case is asked with."""
        shown = self(dataset, case, variant.format, variant.edit, variant.output)
        return self._compose(dataset, function, variant, shown)

    def of_thread(self, dataset: str, case: str, variant: Variant, thread: Thread, edit: Edit | None) -> Prompt:
        """Compose what is sent of a thread that began as a case's. Raises ``FormatError``.

        It is edited first, as a case's own thread is, if there is an edit.
        """
        agent = self.agents[dataset]
        known, _ = infer_roles(thread, agent.steps)
        try:
            edited = edits.apply(edit, known, agent.steps) if edit else known
            shown = formats.render(self.format(variant.format, variant.output), edited)
        except FormatError as error:
            raise agent.at(case, error) from None
        return self._compose(dataset, agent.function(variant.function, case), variant, shown)

    def _compose(self, dataset: str, function: str, variant: Variant, shown: Rendering) -> Prompt:
        return template.compose(
            self.agents[dataset].template(function, variant.output),
            shown,
            variant.output,
            examples=self.examples(dataset, variant.format, variant.output),
        )

    def histories(self, outputs: Iterable[Output]) -> dict[tuple[str, str, Output], History | None]:
        """Say how the history that each format makes of a dataset's cases shows the agent's steps: by dataset, format and output.

        ``None``: the format makes text, or no case holds a step. That is known of all cases, whichever are asked, so that all
        shares of a suite have the same variants; templates make nothing but text, so they aren't rendered for it. Raises
        ``FormatError``.
        """
        known = cache(self._history)
        cells = product(self.agents, self.formats, outputs)
        return {(name, format, output): known(name, format, self._told(format, output)) for name, format, output in cells}

    def _history(self, dataset: str, format: str, told: bool) -> History | None:
        agent = self.agents[dataset]
        history: History | None = None
        if not isinstance(shown := self._remembered_examples(dataset, format, told), str):  # examples end with a step
            history = "tool calls" if formats.uses_tools(shown) else "text"
        if self.formats[format].path.suffix == ".j2":
            return history
        if agent.environment is not None:  # the history comes when the agent is run
            taken = formats.render(self.formats[format].where(tools=told), _taken(agent))
            return None if isinstance(taken, str) else "tool calls" if formats.uses_tools(taken) else "text"
        for edit, case in product(agent.edited, agent.notes):
            rendering = self._remembered(dataset, case, format, edit, told)
            if formats.uses_tools(rendering):
                return "tool calls"
            if not isinstance(rendering, str) and any(message["role"] == "assistant" for message in rendering):
                history = "text"
        return history

    def check(self, asked: Mapping[tuple[str, str], Cells]) -> None:
        """Look for what formats drop of cases, and hold every text against what BAML itself makes of it.

        For no probe holds the word that a prompt may look for. ``asked`` are cells by dataset and case. What passed before isn't
        checked again. Raises ``FormatError`` and ``BamlError`` with the case.
        """
        verified = Verified()
        of_formats = {
            (name, told): probe.remembered(format.where(tools=told), verified)
            for name, format in self.formats.items()
            for told in (False, True)
        }
        try:
            for agent in self.agents.values():
                of_prompts = {name: template.remembered(made, verified) for name, made in agent.templates.items()}
                for case in agent.notes:
                    if cells := asked.get((agent.dataset.name, case)):
                        self._check(agent, case, cells, of_formats, of_prompts)
        finally:
            verified.keep()

    def _check(
        self,
        agent: AgentPlan,
        case: str,
        cells: Cells,
        of_formats: Mapping[tuple[str, bool], Passed | None],
        of_prompts: Mapping[str, Passed],
    ) -> None:
        """Check one case. ``of_formats`` and ``of_prompts`` are what passed before."""
        name = agent.dataset.name
        probed: list[tuple[str, bool, Thread]] = []
        for (format, edit, told), functions in cells.items():
            text = self._remembered(name, case, format, edit, told)
            probing = format, told, agent.edited[edit][case]
            if probing not in probed:
                probed.append(probing)
                try:
                    probe.probe_once(self.formats[format].where(tools=told), probing[2], text, of_formats[format, told])
                except FormatError as error:
                    raise agent.at(case, error) from None
            for function, example in product(functions, self._texts_of_examples(name, format, told)):
                made, passed = agent.templates[function], of_prompts[function]
                try:
                    if isinstance(text, str):
                        template.verify(made, text, example, passed)
                    elif made.function.takes_messages:
                        template.verify_messages(made, text, example, passed)
                except BamlError as error:
                    raise BamlError(f"{error} (case {case!r})", where=agent.dataset.where(case)) from None

    def _texts_of_examples(self, dataset: str, format: str, told: bool) -> list[str]:
        """Give the texts that a format makes of examples, each once: their answers may be written in several notations."""
        answers = dict.fromkeys([None, *(notation.answer for notation in self.agents[dataset].notations.values())])
        found = [self._remembered_examples(dataset, format, told, answer) for answer in (answers if not told else [None])]
        return list(dict.fromkeys(text for text in found if isinstance(text, str)))

    def cells(self, trials: Iterable[Trial], *, whole: bool) -> dict[tuple[str, str], Cells]:
        """Give the cells of trials by dataset and case; ``whole``: all cells of a case, those too that make no variant."""
        listed = list(trials)
        offered = sorted({trial.variant.output in OFFERS_TOOLS for trial in listed})
        every = [(name, told) for name, format in self.formats.items() for told in (offered if format.told else [False])]
        asked: dict[tuple[str, str], Cells] = {}
        for trial in listed:
            key, variant = (trial.dataset, trial.case), trial.variant
            if not whole:
                cells = asked.setdefault(key, {})
                told = self._told(variant.format, variant.output)
                function = self.agents[trial.dataset].function(variant.function, trial.case)
                cells.setdefault((variant.format, variant.edit, told), {})[function] = None
            elif key not in asked:
                agent = self.agents[trial.dataset]
                functions = [agent.function(label, trial.case) for label in agent.labels]
                asked[key] = {(name, edit, told): dict.fromkeys(functions) for (name, told), edit in product(every, agent.edited)}
        return asked


def _taken(agent: AgentPlan) -> Thread:
    """Make a thread in which an agent has taken a step: what one looks like that is run to its end."""
    step = min(agent.steps)
    events = (Event("input", "x", "input"), Event(step, {}, "step", "call_1"), Event(f"{step}_result", "x", "result", "call_1"))
    return Thread(events=events)
