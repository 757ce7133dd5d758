"""What formats make of the cases of a plan: rendered once, and checked before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import product

from phrasing.errors import BamlError, FormatError
from phrasing.plan import few_shot
from phrasing.plan.agents import AgentPlan
from phrasing.plan.grid import History
from phrasing.prompts import formats, probe, template
from phrasing.prompts.formats import Format
from phrasing.types import NO_EDIT, Prompt, Rendering, Thread, Variant


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
        """Render every case as it is and edited, look for dropped values, and say how each history shows the agent's steps.

        By dataset and format; ``None``: the format makes text, or no case holds a step. Raises ``FormatError``.
        """
        return {(name, format): self._history(agent, format) for name, agent in self.agents.items() for format in self.formats}

    def _history(self, agent: AgentPlan, format: str) -> History | None:
        history: History | None = None
        if not isinstance(shown := self.examples[agent.dataset.name, format], str):  # examples end with a step
            history = "tool calls" if formats.uses_tools(shown) else "text"
        for edit, case in _different(agent):
            rendering = self(agent.dataset.name, case, format, edit)
            try:
                probe.probe(self.formats[format], agent.edited[edit][case])
            except FormatError as error:
                raise agent.at(case, error) from None
            if isinstance(rendering, str):
                continue
            if formats.uses_tools(rendering):
                history = "tool calls"
            elif history is None and any(message["role"] == "assistant" for message in rendering):
                history = "text"
        return history

    def verify(self) -> None:
        """Hold every text against what BAML itself makes of it: a prompt may look for a word that no probe holds."""
        for agent in self.agents.values():
            for case in agent.cases:
                texts = list(self._texts(agent, case))
                try:
                    for made in agent.templates.values():
                        for text, example in texts:
                            template.verify(made, text, example)
                except BamlError as error:
                    raise BamlError(f"{error} (case {case!r})", where=agent.dataset.where(case)) from None

    def _texts(self, agent: AgentPlan, case: str) -> Iterator[tuple[str, str]]:
        """Give a case in each format that makes text, and edited, with the text of the examples."""
        name = agent.dataset.name
        for format, edit in product(self.formats, agent.edited):
            text, example = self(name, case, format, edit), self.examples[name, format]
            if isinstance(text, str) and isinstance(example, str):
                yield text, example


def _different(agent: AgentPlan) -> Iterator[tuple[str, str]]:
    """Name the edits and cases that make another thread than an edit before."""
    seen: dict[str, list[Thread]] = {case: [] for case in agent.cases}
    for edit, case in product(agent.edited, agent.cases):
        thread = agent.edited[edit][case]
        if thread not in seen[case]:
            seen[case].append(thread)
            yield edit, case
