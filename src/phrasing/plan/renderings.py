"""What formats make of the cases of a plan: rendered once, and checked before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import product

from phrasing.errors import BamlError, FormatError
from phrasing.plan import few_shot
from phrasing.plan.agents import AgentPlan
from phrasing.plan.grid import History
from phrasing.prompts import formats, probe, template
from phrasing.prompts.formats import Format
from phrasing.prompts.verified import Passed, Verified
from phrasing.types import NO_EDIT, Prompt, Rendering, Thread, Trial, Variant

Cells = dict[tuple[str, str], dict[str, None]]
"""What is asked of a case: formats and edits, each with its functions."""


class Renderings:
    """Renders the cases of a plan's agents, and remembers recent renderings, which variants and repeats share.

    ``examples`` are what examples an agent shows, by dataset and format.
    """

    def __init__(self, agents: Mapping[str, AgentPlan], loaded: Mapping[str, Format]) -> None:
        self.agents, self.formats = agents, loaded
        self.examples = {
            (name, format): few_shot.render(loaded[format], agent.examples) for name, agent in agents.items() for format in loaded
        }
        self._remembered = lru_cache(maxsize=4096)(self._render)

    def __call__(self, dataset: str, case: str, format: str, edit: str = NO_EDIT) -> Rendering:
        """Render a case of a dataset in a format, edited or as it is."""
        return self._remembered(dataset, case, format, edit)

    def _render(self, dataset: str, case: str, format: str, edit: str) -> Rendering:
        return self.agents[dataset].render(self.formats[format], case, edit)

    def prompt(self, dataset: str, case: str, variant: Variant) -> Prompt:
        """Compose what is sent of a case."""
        return template.compose(
            self.agents[dataset].templates[variant.function],
            self(dataset, case, variant.format, variant.edit),
            variant.output,
            examples=self.examples[dataset, variant.format],
        )

    def histories(self) -> dict[tuple[str, str], History | None]:
        """Say how the history that each format makes of a dataset's cases shows the agent's steps: by dataset and format.

        ``None``: the format makes text, or no case holds a step. That is known of all cases, whichever are asked, so that all
        shares of a suite have the same variants; templates make nothing but text, so they aren't rendered for it. Raises
        ``FormatError``.
        """
        return {(name, format): self._history(agent, format) for name, agent in self.agents.items() for format in self.formats}

    def _history(self, agent: AgentPlan, format: str) -> History | None:
        history: History | None = None
        if not isinstance(shown := self.examples[agent.dataset.name, format], str):  # examples end with a step
            history = "tool calls" if formats.uses_tools(shown) else "text"
        if self.formats[format].path.suffix == ".j2":
            return history
        for edit, case in product(agent.edited, agent.cases):
            rendering = self(agent.dataset.name, case, format, edit)
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
        of_formats = {name: probe.remembered(format, verified) for name, format in self.formats.items()}
        try:
            for agent in self.agents.values():
                of_prompts = {name: template.remembered(made, verified) for name, made in agent.templates.items()}
                for case in agent.cases:
                    if cells := asked.get((agent.dataset.name, case)):
                        self._check(agent, case, cells, of_formats, of_prompts)
        finally:
            verified.keep()

    def _check(
        self,
        agent: AgentPlan,
        case: str,
        cells: Cells,
        of_formats: Mapping[str, Passed | None],
        of_prompts: Mapping[str, Passed],
    ) -> None:
        """Check one case. ``of_formats`` and ``of_prompts`` are what passed before."""
        name = agent.dataset.name
        probed: list[tuple[str, Thread]] = []
        for (format, edit), functions in cells.items():
            text, example = self(name, case, format, edit), self.examples[name, format]
            probing = format, agent.edited[edit][case]
            if probing not in probed:
                probed.append(probing)
                try:
                    probe.probe_once(self.formats[format], probing[1], text, of_formats[format])
                except FormatError as error:
                    raise agent.at(case, error) from None
            if not isinstance(example, str):
                continue
            for function in functions:
                made, passed = agent.templates[function], of_prompts[function]
                try:
                    if isinstance(text, str):
                        template.verify(made, text, example, passed)
                    elif made.function.takes_messages:
                        template.verify_messages(made, text, example, passed)
                except BamlError as error:
                    raise BamlError(f"{error} (case {case!r})", where=agent.dataset.where(case)) from None

    def cells(self, trials: Iterable[Trial], *, whole: bool) -> dict[tuple[str, str], Cells]:
        """Give the cells of trials by dataset and case; ``whole``: all cells of a case, those too that make no variant."""
        asked: dict[tuple[str, str], Cells] = {}
        for trial in trials:
            key = trial.dataset, trial.case
            if not whole:
                cells = asked.setdefault(key, {})
                cells.setdefault((trial.variant.format, trial.variant.edit), {})[trial.variant.function] = None
            elif key not in asked:
                agent = self.agents[trial.dataset]
                asked[key] = {cell: dict.fromkeys(agent.templates) for cell in product(self.formats, agent.edited)}
        return asked
