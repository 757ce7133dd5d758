"""The router's four unions differ in nothing but their size, as baml_src/router.baml says."""

from __future__ import annotations

import hashlib
import itertools

from phrasing.baml.project import load_project
from phrasing.prompts.template import take_apart
from support.paths import REPOSITORY

SIZES = (6, 20, 50, 100)


def test_unions_of_the_router_are_nested_in_one_order_under_one_prompt() -> None:
    project = load_project(REPOSITORY / "baml_src")
    functions = [project.functions[f"DetermineNextStepRouter{size}"] for size in SIZES]
    members = [list(function.steps) for function in functions]
    assert [len(names) for names in members] == list(SIZES)
    assert members[-1] == sorted(members[-1], key=lambda intent: hashlib.sha256(intent.encode()).hexdigest())
    for smaller, larger in itertools.pairwise(members):
        assert smaller == [intent for intent in larger if intent in smaller]
    prompts = [take_apart(function).skeletons[False, False] for function in functions]
    assert all(prompt == prompts[0] for prompt in prompts)
