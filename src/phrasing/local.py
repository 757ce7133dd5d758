"""The embedded model's server: llama.cpp in a process of its own, on a free loopback port.

Requests then go the way of any OpenAI-compatible endpoint (``models``). Neither the network nor a daemon is needed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from phrasing.catalogue import INSTALL
from phrasing.errors import ModelError, shorten

CONTEXT = 8192
MAX_THREADS = 8


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
