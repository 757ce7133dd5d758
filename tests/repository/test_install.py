"""What docs/install.md says of dependencies and extras is what pyproject.toml declares."""

from __future__ import annotations

import re
import tomllib

from support.paths import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
PAGE = (REPOSITORY / "docs" / "install.md").read_text("utf-8")
TESTED = {"dev", "docs"}
"""Extras of the repository, which no user needs."""


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=\[]", requirement)[0] for requirement in requirements}


def test_every_dependency_is_weighed_and_explained() -> None:
    assert set(re.findall(r"^\| `([\w-]+)` \| [\d.]+ \| [\d.–]+ \| .+ \|$", PAGE, re.MULTILINE)) == names(PROJECT["dependencies"])


def test_every_extra_is_weighed_and_explained() -> None:
    extras = PROJECT["optional-dependencies"].keys() - TESTED
    assert set(re.findall(r"^\| `phrasing\[(\w+)\]` \| \+[\d.]+ \| .+ \|$", PAGE, re.MULTILINE)) == extras
    assert set(re.findall(r"^pip install 'phrasing\[(\w+)\]'", PAGE, re.MULTILINE)) == extras


def test_the_tests_have_what_every_extra_brings() -> None:
    extras = PROJECT["optional-dependencies"]
    needed = set().union(*(names(extras[extra]) for extra in extras.keys() - TESTED - {"local"}))
    assert needed <= names(extras["dev"])


def pinned(lock: str) -> dict[str, set[str]]:
    """Read a lock: the hashes of each pin, by name and version."""
    found: dict[str, set[str]] = {}
    for line in (REPOSITORY / lock).read_text("utf-8").splitlines():
        if pin := re.match(r"[\w.-]+==[^\s;]+", line):
            hashes = found.setdefault(pin[0], set())
        elif "--hash=" in line:
            hashes.add(line.strip(" \\"))
    return found


def test_what_runs_suites_is_a_part_of_the_whole_lock() -> None:
    part, whole = pinned("requirements-run.lock"), pinned("requirements.lock")
    assert {pin: hashes for pin, hashes in part.items() if whole.get(pin) != hashes} == {}
    named = {pin.partition("==")[0] for pin in part}
    assert names(PROJECT["dependencies"]) | names(PROJECT["optional-dependencies"]["local"]) | {"vl-convert-python"} <= named
    assert not {"hypothesis", "mkdocs", "mypy", "pytest", "ruff"} & named
