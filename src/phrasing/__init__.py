"""Measure how the phrasing of an agent's context changes the next step a model picks, and what it costs.

A session in a notebook:

    import phrasing

    run = phrasing.run("evals/quickstart.yaml")  # ask; or read what was asked before:
    run = phrasing.load("latest")                # or a folder, or a suite's name

    run.trials()    # a DataFrame: one row a trial, with scores, tokens, seconds, the answer
    run.summary()   # one row a variant: accuracy with intervals, tokens, cost
    run.compare()   # one row a variant: its difference from the baseline, corrected, and a verdict
    run.gates()     # what the suite requires, held against what was measured

A variant is a BAML function, a context edit, a format, an output mode and a model. Scores lie between 0 and 1: ``intent``,
``arguments``, ``correct`` (both), ``valid`` (without repair), ``forbidden`` (a step that does harm: low is good).

A model of your own is a function that is awaited with a ``Request`` and returns a ``Completion`` (or raises
``CompletionError``):

    async def complete(request: phrasing.Request) -> phrasing.Completion:
        return phrasing.Completion(text=await ask(request.messages))

    run = phrasing.run("evals/quickstart.yaml", complete=complete)

For models that suites and the command line are to know, subclass ``Provider`` and call ``register_provider``.

What suites, datasets and results are made of can be imported too, for scorers and models of your own: ``Case``, ``Thread``,
``Event``, ``Step``, ``StepMatch``, ``Variant``, ``Trial``, ``Result``, ``Parsed``, ``Score``, ``Usage``, ``ToolCall``, ``Suite``,
``ModelSpec``, ``Comparing``, ``Requirement``.

All names are imported when they are first used: ``import phrasing`` costs nothing. A mistake of yours is a ``UserError``, whose
message names the file and the line. ``docs/concepts.md`` explains suites, scores and the columns of tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phrasing.analysis.run import Run, load
    from phrasing.api import load_suite, merge, rescore, resolve, run
    from phrasing.errors import CompletionError, UserError
    from phrasing.models.provider import Provider, register_provider
    from phrasing.plan.selection import Selection
    from phrasing.records import Result
    from phrasing.suite.schema import Comparing, ModelSpec, Requirement, Suite
    from phrasing.types import (
        Case,
        Completion,
        Event,
        Parsed,
        Request,
        Score,
        Step,
        StepMatch,
        Thread,
        ToolCall,
        Trial,
        Usage,
        Variant,
    )

__all__ = [
    "Case",
    "Comparing",
    "Completion",
    "CompletionError",
    "Event",
    "ModelSpec",
    "Parsed",
    "Provider",
    "Request",
    "Requirement",
    "Result",
    "Run",
    "Score",
    "Selection",
    "Step",
    "StepMatch",
    "Suite",
    "Thread",
    "ToolCall",
    "Trial",
    "Usage",
    "UserError",
    "Variant",
    "load",
    "load_suite",
    "merge",
    "register_provider",
    "rescore",
    "resolve",
    "run",
]

# Where each name lives, for those that don't live in ``types``.
_HOMES = {
    "Run": "analysis.run",
    "load": "analysis.run",
    **dict.fromkeys(("load_suite", "merge", "rescore", "resolve", "run"), "api"),
    **dict.fromkeys(("CompletionError", "UserError"), "errors"),
    **dict.fromkeys(("Provider", "register_provider"), "models.provider"),
    "Result": "records",
    "Selection": "plan.selection",
    **dict.fromkeys(("Comparing", "ModelSpec", "Requirement", "Suite"), "suite.schema"),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'phrasing' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"phrasing.{_HOMES.get(name, 'types')}"), name)


def __dir__() -> list[str]:
    # What one calls or catches. Of the other types in __all__ help() would write thousands of lines that are pydantic's.
    return sorted(name for name in __all__ if name in _HOMES and not _HOMES[name].startswith(("records", "suite", "models")))
