"""`phrasing merge`: shards, with the exit codes of `run`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from phrasing.cli.common import MISSED, MISTAKE, PARTIAL
from support.tiny_commands import call, flaky, project, recorded
from support.tiny_runs import CASES, cache, case, obey, world

__all__ = ["cache", "project"]

# litellm ignores this warning of its own; pytest undoes that after the test in which litellm was first imported
pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")


def test_shards_are_merged_with_the_exit_codes_of_run(project: Path) -> None:
    cases = [case(f"a-{i}") for i in range(16)]
    world(project, cases=cases, require=[{"score": "intent", "min": 0.9}])
    first = recorded()
    for shard in ("1/2", "2/2"):
        done = call("run", "evals/small.yaml", "--replay", str(first.folder), "--shard", shard)
        assert f"No gate was evaluated: only a part was asked (--shard {shard})." in done.stderr
    shards = [str(path.relative_to(project)) for path in sorted((project / "runs" / "small").iterdir())[1:]]
    done = call("merge", *shards)
    assert re.search(r"^lines +16 +100 ", done.stdout, re.MULTILINE)
    assert done.stdout.count("passed: intent at least 0.9: 1.000") == 2
    assert call("merge", shards[0], code=MISTAKE).stderr == "error: not all shards of the run: 2/2 missing\n"
    folder = re.search(r"Kept in (\S+)$", done.stdout, re.MULTILINE)
    assert folder
    assert call("report", folder[1]).output == call("report", str(first.folder)).output
    call("merge", code=MISTAKE)


@pytest.mark.parametrize(("require", "complete", "code"), [(1, obey, MISSED), (0, flaky, PARTIAL)], ids=["missed", "partial"])
def test_merged_run_may_miss_or_be_partial(project: Path, require: float, complete: Any, code: int) -> None:
    cases = [*CASES, *(case(f"b-{i}") for i in range(10))]
    world(project, cases=cases, require=[{"score": "intent", "min": require}])
    shards = [recorded(complete, shard=shard) for shard in ("1/2", "2/2")]
    done = call("merge", *(str(shard.folder) for shard in shards), code=code)
    assert ("missed: intent" in done.stdout) == (code == MISSED)
    assert ("resume the shards they are in, then merge anew" in done.stderr) == (code == PARTIAL)
