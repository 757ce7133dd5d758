"""`phrasing score`: stored answers under the labels of now."""

from __future__ import annotations

from pathlib import Path

import pytest

from phrasing.cli.common import MISSED, PARTIAL
from support.tiny_commands import call, flaky, project, recorded
from support.tiny_runs import CASES, cache, world

__all__ = ["cache", "project"]

# litellm ignores this warning of its own; pytest undoes that after the test in which litellm was first imported
pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")


def test_score_uses_the_labels_of_now(project: Path) -> None:
    require = [{"score": "intent", "min": 0.9}]
    world(project, require=require)
    recorded()
    assert "0 of 12 results changed." in call("score", "latest", code=MISSED).output
    world(project, require=require, cases=[{**c, "expect": [{"intent": "send"}], "forbid": []} for c in CASES])
    done = call("score", "latest", code=MISSED)
    assert "33 (4–78)" in done.output
    assert "\nmissed: intent at least 0.9: 0.333 (0.043 to 0.778) [lines]\n" in done.output
    world(project, cases=CASES)
    recorded(flaky)
    call("score", "latest", code=PARTIAL)
