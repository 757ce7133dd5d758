"""Functions rewritten as a file in ``prompts/`` says: ``DetermineNextStep(terse)``.

The sources are changed in memory, and BAML compiles them as if somebody had written them so. What isn't there, or changes nothing,
is refused. The contract is ``docs/prompts.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from phrasing.baml import rewriting
from phrasing.baml.project import Function, Project
from phrasing.errors import BamlError
from phrasing.suite.rewrites import RewriteFile


@dataclass(frozen=True)
class Rewritten:
    """A function of rewritten sources, with the values of parameters that the rewrite gives, and what it changes in words."""

    function: Function
    arguments: Mapping[str, JsonValue] = field(default_factory=dict)
    changes: tuple[str, ...] = ()


def rewrite(project: Project, name: str, file: RewriteFile) -> Rewritten:
    """Rewrite a function. Raises ``SuiteError`` with the rewrite's file and line, ``BamlError`` for the function itself."""
    project.find(name)
    texts: Mapping[str, str] = project.texts
    for i, each in enumerate(file.rewrite.replace):
        try:
            texts = rewriting.replace_text(texts, name, each.text, each.by)
        except ValueError as error:
            raise file.error(error, "replace", i) from None
    try:
        function = project.rewritten(texts).find(name)
    except BamlError as error:
        raise file.error(f"the sources it makes are wrong: {error}") from None
    return Rewritten(function, file.rewrite.arguments, ())
