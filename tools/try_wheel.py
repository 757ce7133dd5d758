"""Build the sdist, the wheel out of it, and try the wheel as a user would: in an environment of its own, without the repository.

``python tools/try_wheel.py`` takes about a minute; ``--keep FOLDER`` leaves the two files there. Versions are those of
requirements.lock. CI runs it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements.lock"

IN_WHEEL = (
    "phrasing/py.typed",
    "phrasing/__main__.py",
    "phrasing/project/baml_src/calculator.baml",
    "phrasing/project/datasets/calculator.jsonl",
    "phrasing/project/evals/quickstart.yaml",
    "phrasing/project/formats/xml_yaml.j2",
    "phrasing/project/formats/edits/redact.py",
    "phrasing/project/notations/yaml.py",
    "phrasing/project/prompts/intent_last.yaml",
)
LICENSES = ("LICENSE", "NOTICE")

USED = '''\
"""Runs the quickstart, answered by a function."""

import phrasing
from phrasing.types import Completion, Request


async def complete(request: Request) -> Completion:
    return Completion(text='{"intent": "add", "a": 1, "b": 2}')


run = phrasing.run("evals/quickstart.yaml", complete=complete)
answered: int = len(run.results)
assert answered == 120, answered
assert len(run.summary()) == 3
'''
"""What a user writes: mypy and Python take it."""

MISUSED = """\
import phrasing

phrasing.run(5)
wrong: int = phrasing.run("evals/quickstart.yaml").folder
"""
"""mypy sees two mistakes, if it sees types."""


def build(folder: Path) -> tuple[Path, Path]:
    """Build the sdist of the repository, and the wheel of what the sdist holds; give both."""
    _run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder)], ROOT)
    (sdist,) = folder.glob("*.tar.gz")
    with tempfile.TemporaryDirectory() as unpacked:
        with tarfile.open(sdist) as tar:
            tar.extractall(unpacked, filter="data")
        (source,) = Path(unpacked).iterdir()
        _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], source)
    (wheel,) = folder.glob("*.whl")
    return sdist, wheel


def look_inside(wheel: Path) -> None:
    """Hold that the wheel has what a user needs, and nothing that is the repository's alone."""
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        (metadata,) = (packed.read(name).decode() for name in names if name.endswith(".dist-info/METADATA"))
    missing = [name for name in IN_WHEEL if name not in names]
    missing += [name for name in LICENSES if not any(each.endswith(f"/licenses/{name}") for each in names)]
    foreign = [name for name in names if not name.startswith(("phrasing/", "phrasing-"))]
    foreign += [name for name in names if name.endswith(("spoofing.py", ".pyc")) or "/reports/reference/" in name]
    for field in ("Summary", "Author", "Keywords", "Classifier", "License-Expression", "Requires-Python"):
        if not re.search(rf"^{field}: .", metadata, re.MULTILINE):
            missing.append(f"METADATA: {field}")
    if missing or foreign:
        raise SystemExit(f"{wheel.name}: missing: {missing}; not to be there: {foreign}")


def install(wheel: Path, folder: Path) -> Path:
    """Make an environment with the wheel and what it depends on, in locked versions; give its Python."""
    venv.create(folder, with_pip=not shutil.which("uv"))
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pinned = folder / "constraints.txt"
    # without hashes, which the wheel has none of
    lines = re.findall(r"^[a-zA-Z0-9][\w.-]*==[^\\\n]*", LOCK.read_text("utf-8"), re.MULTILINE)
    pinned.write_text("".join(f"{line.strip()}\n" for line in lines), "utf-8")
    if shutil.which("uv"):
        command = ["uv", "pip", "install", "--quiet", "--python", str(python)]
    else:
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    _run([*command, "--constraint", str(pinned), str(wheel)], folder)
    return python


def trials(python: Path, folder: Path) -> Iterator[str]:
    """Use what is installed; name each thing that went as it should."""
    phrasing = str(python.with_name("phrasing"))
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert version
    said = _run([str(python), "-m", "phrasing", "--version"], folder)
    if version[1] not in said:
        raise SystemExit(f"python -m phrasing --version says: {said}")
    yield "python -m phrasing --version"
    _run([phrasing, "init", "project"], folder)
    project = folder / "project"
    _run([phrasing, "check"], project)
    yield "phrasing init, phrasing check"
    _run([phrasing, "init", "--all", "everything"], folder)
    everything = folder / "everything"
    for suite in sorted((everything / "evals").glob("*.yaml")):
        # the format needs an extra, and says so
        if "toon" not in suite.read_text("utf-8"):
            _run([phrasing, "check", f"evals/{suite.name}"], everything)
    yield "phrasing init --all, phrasing check of every suite that needs no extra"
    (project / "used.py").write_text(USED, "utf-8")
    _run([str(python), "used.py"], project)
    yield "a script that runs a suite"
    said = _run([phrasing, "report", "latest", "-o", "report.html", "-o", "report.md"], project)
    if "phrasing[charts]" not in said or "phrasing[charts]" not in (project / "report.html").read_text("utf-8"):
        raise SystemExit(f"phrasing report says nothing of the extra for charts: {said}")
    yield "phrasing report, which names the extra that draws charts"
    mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(python), "--cache-dir", str(folder / "mypy")]
    _run([*mypy, "used.py"], project)
    (project / "misused.py").write_text(MISUSED, "utf-8")
    said = _run([*mypy, "misused.py"], project, code=1)
    if "Found 2 errors" not in said:
        raise SystemExit(f"mypy doesn't see the types of phrasing: {said}")
    yield "mypy --strict, which sees types"


def _run(command: list[str], folder: Path, *, code: int = 0) -> str:
    """Run a command where nothing of the repository can be imported; give what it says. Exit unless it ends with ``code``."""
    own = {"PYTHONPATH", "VIRTUAL_ENV", "MYPYPATH"}
    environment = {name: value for name, value in os.environ.items() if name not in own}
    environment |= {"PHRASING_CACHE_DIR": str(folder / ".cache"), "PHRASING_CONFIG_DIR": str(folder / ".config")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != code:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def main(words: list[str]) -> None:
    """Build, look inside, install, try."""
    with tempfile.TemporaryDirectory() as temporary:
        built = Path(words[1]).absolute() if words[:1] == ["--keep"] else Path(temporary, "dist")
        tried = Path(temporary, "tried")
        built.mkdir(parents=True, exist_ok=True)
        tried.mkdir()
        sdist, wheel = build(built)
        look_inside(wheel)
        print(f"built {sdist.name}, {wheel.name}", flush=True)
        for said in trials(install(wheel, Path(temporary, "environment")), tried):
            print(f"good: {said}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
