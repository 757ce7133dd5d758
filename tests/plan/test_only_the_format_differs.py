"""What a README's reader relies on first: two formats of a case differ in how the thread is written, and in nothing else."""

from __future__ import annotations

from collections import defaultdict

import pytest

from phrasing.plan.resolve import resolve
from phrasing.plan.selection import Selection
from phrasing.suite.file import load_suite
from phrasing.types import OFFERS_TOOLS
from support.paths import REPOSITORY

FORMATS = ["chat", "json", "json_pretty", "markdown", "messages_text", "xml_json", "xml_yaml", "xml_yaml_renamed", "yaml"]


@pytest.mark.parametrize("name", ["outputs", "study/phrasing"])
def test_two_formats_differ_in_the_thread_alone(name: str) -> None:
    plan = resolve(load_suite(REPOSITORY / "evals" / f"{name}.yaml"), Selection(cases=12, formats=FORMATS))
    seen: defaultdict[tuple[str, ...], dict[str, object]] = defaultdict(dict)
    for trial in plan.trials:
        prompt = plan.prompt(trial)
        around: defaultdict[str, list[str]] = defaultdict(list)
        for piece in (piece for pieces in prompt.pieces for piece in pieces if piece.kind not in ("thread", "framing")):
            around[piece.kind].append(piece.text.strip())
        said = {kind: " ".join(filter(None, texts)) for kind, texts in around.items()}
        variant = trial.variant
        assert bool(prompt.tools) == (variant.output in OFFERS_TOOLS)
        key = (trial.dataset, trial.case, variant.function, variant.output, variant.model)
        seen[key][variant.format] = (said, prompt.tools, prompt.response_format)
    assert seen
    for found in seen.values():
        assert len(found) > 1
        first, *others = found.values()
        assert all(other == first for other in others)
