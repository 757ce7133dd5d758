"""A model whose prompts were all too long isn't shown as one that is always wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

import phrasing
from phrasing.errors import CompletionError
from phrasing.report.text import caveats
from phrasing.types import Completion, Request
from support.tiny_runs import cache, obey, world

__all__ = ["cache"]

TOLD = "of prompts were longer than the model's context window, and count as wrong."
WHOLE = f"100 % {TOLD} No figure there says anything of answers."


@pytest.mark.parametrize(
    ("models", "too_long", "said"),
    [
        (["openai/small"], "", [f"All 2 variants: {WHOLE}"]),
        (["openai/small", "openai/large"], "small", [f"lines small, tags small: {WHOLE}"]),
        (["openai/small"], "a-1", [f"All 2 variants: 17 % {TOLD}"]),
        (["openai/small"], "nobody", []),
    ],
)
def test_where_prompts_were_too_long_the_table_says_so(tmp_path: Path, models: list[str], too_long: str, said: list[str]) -> None:
    async def complete(request: Request) -> Completion:
        if too_long in request.model + str(request.messages):
            raise CompletionError("overflow", "too long")
        return await obey(request)

    path = world(tmp_path, models=models)
    found = caveats(phrasing.run(path, complete=complete).report())
    assert [line for line in found if "context window" in line] == said
