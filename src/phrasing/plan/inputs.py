"""Digests of what requests are composed of: while one stays the same, so does the request, and it needn't be composed again.

A digest covers the case's line in its dataset, or the thread as an edit made it, the format's file and parameters, the function's
prompt taken apart, what it shows of examples, tools and schema, the model, its parameters and the seed, and the code that makes a
request of these: this package's own and the versions of what it uses. A Python format that may depend on anything else has no
digest.
"""

from __future__ import annotations

import hashlib
import json
import sys
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from phrasing.plan.resolve import Plan
from phrasing.prompts.template import enforced
from phrasing.types import NO_EDIT, Trial, Variant, canonical_json, digest

_LIBRARIES = ("baml-py", "jinja2", "markupsafe", "pydantic", "pydantic-core", "toon-format")
"""Packages that take part in composing a request, or that a format may use."""


class Inputs:
    """Digests the inputs of a plan's requests, by trial."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._of_variant = cache(self._variant)
        self._of_thread = lru_cache(maxsize=4096)(self._thread)

    def __call__(self, trial: Trial) -> str | None:
        """Digest all that a trial's request depends on, in hexadecimal; ``None``: not all of it is known."""
        function = self._plan.agents[trial.dataset].function(trial.variant.function, trial.case)
        variant = self._of_variant(trial.dataset, function, trial.variant)
        if variant is None:
            return None
        thread = self._of_thread(trial.dataset, trial.case, trial.variant.edit)
        return digest(f"{variant} {thread} {trial.case} {trial.repeat}")[:32]

    def _thread(self, dataset: str, case: str, edit: str) -> str:
        agent = self._plan.agents[dataset]
        if edit == NO_EDIT:
            return agent.dataset.digests[case]
        return digest(json.dumps(agent.edited[edit][case].model_dump()))  # in the order of keys, which a format may show

    def _variant(self, dataset: str, function: str, variant: Variant) -> str | None:
        plan = self._plan
        format, spec = plan.formats[variant.format], plan.models[variant.model]
        template = plan.agents[dataset].template(function, variant.output)
        examples = plan.render.examples(dataset, variant.format, variant.output)
        if not format.contained:
            return None
        return digest(
            canonical_json(
                {
                    "code": _code(),
                    "trial": [dataset, str(variant)],
                    "steps": sorted(plan.agents[dataset].steps),  # by which roles are inferred
                    "prompt": repr((template.messages, template.plain)),
                    "function": template.function.digest if template.function.takes_messages else None,
                    "examples": examples if template.function.takes_examples else None,
                    "enforced": enforced(template.function, variant.output),
                    "format": [format.name, format.digest],
                    "model": spec.id,
                    "params": [plan.suite.params, spec.params],
                    "seed": [plan.suite.seed, plan.suite.seeds],
                }
            )
        )


@cache
def _code() -> str:
    """Digest this package, and name the versions of Python and of the libraries."""
    root = Path(__file__).parents[1]
    found = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        source = path.read_bytes()
        found.update(f"{path.relative_to(root).as_posix()} {len(source)}\n".encode() + source)
    return " ".join([found.hexdigest(), sys.version, *map(_version, _LIBRARIES)])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
