"""`phrasing tokens`: its table, and a baseline."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from phrasing.cli.common import MISSED, MISTAKE
from support.tiny_commands import call, project
from support.tiny_runs import cache, commit

__all__ = ["cache", "project"]


def test_tokens_is_a_table(project: Path) -> None:
    out = call("tokens", "evals/small.yaml", "-n", "3").output
    assert out.splitlines()[0].startswith("function ")
    assert out.splitlines()[2].split()[:3] == ["variant", "instructions", "schema"]
    assert "o200k_base: an estimate" in out
    assert re.search(r"^tags .* ×\d\.\d{3}", out, re.MULTILINE)


def test_tokens_against_a_baseline(project: Path) -> None:
    commit(project, "v1")
    baml = project / "baml_src" / "mail.baml"
    baml.write_text(baml.read_text().replace("You send mail for a person.", "You send mail for a person. " * 5))
    done = call("tokens", "evals/small.yaml", "--against", "v1")
    assert re.search(r"^variant +cases +before +after +ratio$", done.output, re.MULTILINE)
    found = re.search(r"^tags +6 +(\S+) +(\S+) +×(\S+)$", done.output, re.MULTILINE)
    assert found
    ratio = float(found[3])
    assert ratio == pytest.approx(float(found[2]) / float(found[1]), abs=0.001)
    assert ratio > 1.1
    done = call("tokens", "evals/small.yaml", "--against", "v1", "--max-ratio", "1.1", code=MISSED)
    assert done.output.count("missed: tokens ×1.") == 2
    assert (
        f"missed: tokens ×{ratio:.3f}, required at most ×1.1, in DetermineNextStepMail,none,tags,prompted,scripted" in done.output
    )
    done = call("tokens", "evals/small.yaml", "--against", "v1", "--max-ratio", "1.5")
    assert done.output.count("passed: tokens ×1.") == 2
    done = call("tokens", "evals/small.yaml", "--against", "v1", "-f", "lines")
    assert "DetermineNextStepMail,none,tags,prompted: only in v1: no format tags here" in done.output
    assert "--max-ratio needs --against" in call("tokens", "evals/small.yaml", "--max-ratio", "1", code=MISTAKE).stderr
