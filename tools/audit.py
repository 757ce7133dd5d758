"""Look up whether a known vulnerability is in any version of requirements.lock, and fail where that couldn't be looked up.

``python tools/audit.py`` installs pip-audit into an environment of its own and asks PyPI's advisories; ``--program`` names a
pip-audit that is there. pip-audit itself ends with 0 where it skipped every package, so its word alone isn't taken: each package
of the lock has to be in its answer, in its version, with a list of vulnerabilities. Exit code 1: something is vulnerable, or not
everything was looked up. CI runs it, in a job of its own, because it needs the wide internet.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements.lock"
PIP_AUDIT = "pip-audit==2.10.1"

Pin = tuple[str, str]
"""A package's name and its version."""


def pins(lock: str) -> list[Pin]:
    """Read the pins of a lock, for whatever system and Python each is."""
    return [(_normal(name), version) for name, version in re.findall(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", lock, re.MULTILINE)]


def rounds(pinned: Iterable[Pin]) -> list[dict[str, str]]:
    """Share pins out so that each name is once in a round: Python versions have different ones, and pip-audit refuses both."""
    made: list[dict[str, str]] = []
    for name, version in pinned:
        free = next((one for one in made if name not in one), None)
        if free is None:
            made.append(free := {})
        free[name] = version
    return made


def problems(asked: dict[str, str], output: str) -> Iterator[str]:
    """Say what is vulnerable in pip-audit's answer about these packages, and which of them it doesn't answer for."""
    try:
        found = {_normal(str(each["name"])): each for each in json.loads(output)["dependencies"]}
    except (ValueError, KeyError, TypeError):
        yield f"nothing was looked up: pip-audit's answer isn't one: {output[:200]!r}"
        return
    for name, version in asked.items():
        yield from _problems(name, version, found.get(name, {}))


def _problems(name: str, version: str, answer: dict[str, Any]) -> Iterator[str]:
    if answer.get("version") != version or not isinstance(answer.get("vulns"), list):
        yield f"{name} {version} wasn't looked up: {answer.get('skip_reason') or 'no answer for it'}"
        return
    for each in answer["vulns"]:
        fixed = ", ".join(each.get("fix_versions") or ()) or "no version yet"
        yield f"{name} {version} is vulnerable: {each.get('id')}; fixed in {fixed}"


def audit(program: list[str], pinned: list[Pin]) -> list[str]:
    """Ask a pip-audit about all pins; give what is wrong."""
    if not pinned:
        return ["nothing was looked up: the lock has no pins"]
    said = []
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder, "requirements.txt")
        for one in rounds(pinned):
            requirements.write_text("".join(f"{name}=={version}\n" for name, version in one.items()), "utf-8")
            words = ["-r", str(requirements), "--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
            done = subprocess.run([*program, *words], capture_output=True, text=True, check=False)
            said += list(problems(one, done.stdout))
            if done.returncode not in (0, 1):  # 1: it found something, or a service didn't answer
                said.append(f"pip-audit ended with {done.returncode}: {done.stderr.strip()[-200:]}")
    return said


def _installed(folder: Path) -> list[str]:
    """Install pip-audit into an environment of its own: it brings packages that the project doesn't need."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", PIP_AUDIT], check=True)
    return [str(python), "-m", "pip_audit"]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> int:
    parser = argparse.ArgumentParser(description="Look up known vulnerabilities of requirements.lock.")
    parser.add_argument("--program", nargs="+", help="a pip-audit that is there")
    given = parser.parse_args()
    pinned = pins(LOCK.read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        said = audit(given.program or _installed(Path(folder)), pinned)
    for line in said:
        print(line, file=sys.stderr)
    print(f"{len(pinned)} pins: {f'{len(said)} problems' if said else 'all looked up, none known to be vulnerable'}")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
