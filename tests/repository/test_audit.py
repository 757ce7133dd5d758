"""The audit of dependencies fails where it couldn't look: silence is no answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.paths import REPOSITORY
from support.tiers import few

STUB = """\
import json, pathlib, re, sys
words = sys.argv[1:]
asked = re.findall(r"^(.+)==(.+)$", pathlib.Path(words[words.index("-r") + 1]).read_text(), re.M)
assert len({name for name, _ in asked}) == len(asked)
found = [{"name": name, "version": version, "vulns": []} for name, version in asked]
"""

SKIPPED = 'found = [{"name": name, "skip_reason": "not found on PyPI"} for name, _ in asked]\n'
WHOLE = 'print(json.dumps({"dependencies": found, "fixes": []}))\n'


def audited(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Audit the lock with a stand-in for pip-audit."""
    stub = folder / "stub.py"
    stub.write_text(STUB + program)
    command = [sys.executable, str(REPOSITORY / "tools" / "audit.py"), "--program", sys.executable, str(stub)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_all_looked_up_and_nothing_known_passes(tmp_path: Path) -> None:
    done = audited(tmp_path, WHOLE)
    assert (done.returncode, done.stderr) == (0, "")
    pins = [line for line in (REPOSITORY / "requirements.lock").read_text("utf-8").splitlines() if line[:1].isalnum()]
    assert done.stdout == f"{len(pins)} pins: all looked up, none known to be vulnerable\n"
    assert len(pins) > 100


PROGRAMS = [
    (SKIPPED + WHOLE, "litellm 1.106.2 wasn't looked up: not found on PyPI\n"),
    ("found[3].pop('vulns')\n" + WHOLE, "wasn't looked up: no answer for it\n"),
    ("found = [one for one in found if one['name'] != 'jinja2']\n" + WHOLE, "jinja2 3.1.6 wasn't looked up"),
    ("for one in found: one['version'] = '0'\n" + WHOLE, "jinja2 3.1.6 wasn't looked up"),
    ("found = []\n" + WHOLE, "jinja2 3.1.6 wasn't looked up"),
    ("print('{}')\n", "nothing was looked up"),
    ("print('[]')\n", "nothing was looked up"),
    ("", "nothing was looked up"),
    ("raise SystemExit('api.osv.dev: no such host')\n", "nothing was looked up"),
    (WHOLE + "raise SystemExit(2)\n", "pip-audit ended with 2"),
    (
        "found[0]['vulns'] = [{'id': 'GHSA-x', 'fix_versions': ['9']}]\n" + WHOLE + "raise SystemExit(1)\n",
        "is vulnerable: GHSA-x; fixed in 9\n",
    ),
]
NAMES = ["skipped", "one unanswered", "one missing", "others", "empty", "no list", "a list", "silent", "failed", "late", "found"]


@pytest.mark.parametrize(("program", "said"), few(PROGRAMS, [PROGRAMS[0], PROGRAMS[7], PROGRAMS[10]]), ids=NAMES)
def test_what_was_not_looked_up_fails_and_is_named(tmp_path: Path, program: str, said: str) -> None:
    done = audited(tmp_path, program)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "problems" in done.stdout


def test_ci_audits_in_a_job_of_its_own_that_may_fail() -> None:
    jobs: dict[str, Any] = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "ci.yml").read_text("utf-8"))["jobs"]
    auditing = {name: job for name, job in jobs.items() if "tools/audit.py" in json.dumps(job)}
    assert list(auditing) == ["audit"]
    assert "continue-on-error" not in json.dumps(auditing)
    assert [step["run"] for step in auditing["audit"]["steps"] if "run" in step] == ["python tools/audit.py"]
