"""The embedded model's server: llama.cpp in a process of its own, on a free loopback port.

Requests then go the way of any OpenAI-compatible endpoint (``models.direct``). Neither the network nor a daemon is needed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from phrasing.errors import ModelError, shorten
from phrasing.models.local import processors
from phrasing.models.local.catalogue import INSTALL
from phrasing.tokenizers.vocabulary import Encoded, clean
from phrasing.types import Message

CONTEXT = 8192
MAX_THREADS = 8

SPINNING = ("GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Variables that would overrule ``OMP_WAIT_POLICY``, by runtime: GNU's, LLVM's."""

PATIENCE = 300.0
"""Seconds that loading a model may take."""

MOMENT = 0.5
"""Seconds that may pass between a child's last sign and its end."""


def _threads() -> int:
    asked = os.environ.get("PHRASING_THREADS", "")
    if asked and not (asked.isdecimal() and int(asked) > 0):
        raise ModelError(f"PHRASING_THREADS is {asked!r}; it must be a number of threads, 1 or more")
    return int(asked) if asked else min(processors.usable(), MAX_THREADS)


def environment() -> dict[str, str]:
    """Give the environment of a server, in which its threads sleep while they wait for each other.

    llama.cpp's threads wait for each other several hundred times a token, at OpenMP's barriers. Left alone, OpenMP lets them spin
    there for milliseconds, and the one they wait for gets no processor where others want it too.
    """
    return {name: value for name, value in os.environ.items() if name not in SPINNING} | {"OMP_WAIT_POLICY": "passive"}


class Server:
    """A model file being served: ``with Server(path) as server: server.url``. Raises ``ModelError`` if it doesn't start.

    The child holds the other end of a pipe to this process and ends when that closes, so killing this process ends it too.
    """

    def __init__(self, path: Path, *, context: int = CONTEXT, threads: int | None = None) -> None:
        self.path = path
        self.url = ""
        self.threads = threads or _threads()
        self._options = ["--context", str(context), "--threads", str(self.threads)]
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
            [sys.executable, "-P", "-m", "phrasing.models.local.serve", str(self.path), *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment(),
        )
        assert self._process.stdout is not None
        late = threading.Timer(PATIENCE, self._process.kill)
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

    def ended(self) -> str | None:
        """Say why the child isn't running any more; ``None`` while it runs. May wait: one that hangs up ends within moments."""
        if self._process is None:
            return "it was stopped"
        try:
            self._process.wait(timeout=MOMENT)
        except subprocess.TimeoutExpired:
            return None
        return self._last_words()

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
        status = self._process.wait(timeout=5)
        if status == -getattr(signal, "SIGKILL", 0):
            return "it was killed (SIGKILL), as the system does when memory runs out"
        how = f"it ended by {signal.Signals(-status).name}" if status < 0 else f"it ended with status {status}"
        self._log.seek(0)
        lines = [line for line in self._log.read().decode(errors="replace").splitlines() if line.strip()]
        return f"{how} and said " + (shorten(" | ".join(lines[-3:])) or "nothing")


class Endpoint:
    """What a running server knows of its model's prompts: ``with Endpoint(url) as endpoint``. The connection is kept.

    Raises ``ModelError`` where the server says no, or isn't there.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._address = urlsplit(url)
        self._connection = HTTPConnection(self._address.netloc, timeout=600)
        self._lengths: dict[int, int] = {}

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def apply_template(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] | None = None) -> str:
        """Write messages as the model reads them when it is asked for an answer."""
        body = {"messages": list(messages), **({"tools": list(tools)} if tools else {})}
        return str(self._post("/apply-template", body)["prompt"])

    def encode(self, text: str) -> Encoded:
        """Encode what a template wrote, as the server does: special tokens are special, and it may put some before it."""
        import numpy as np

        ids = np.array(self._tokens(text), dtype=np.int64)
        lengths = np.array([self._lengths[token] for token in ids.tolist()], dtype=np.int64)
        before = int(lengths.sum()) - len(text.encode())  # a first token, or blank, of the server's own has no byte in the text
        if not 0 <= before <= int(lengths[:1].sum()) + 1:
            raise ModelError(
                "the embedded model's tokens, put together, aren't the prompt: its vocabulary loses text", where=self.url
            )
        return Encoded(ids, np.maximum(np.cumsum(lengths) - lengths - before, 0))

    def _tokens(self, text: str) -> list[int]:
        asked = {"content": text, "add_special": True, "parse_special": True}
        ids: list[int] = self._post("/tokenize", asked)["tokens"]
        if not self._lengths.keys() >= set(ids):  # the pieces take as long again, and are needed once
            for token in self._post("/tokenize", {**asked, "with_pieces": True})["tokens"]:
                piece = token["piece"]  # a list of bytes where they are part of a character
                self._lengths[token["id"]] = len(piece.encode() if isinstance(piece, str) else piece)
        return ids

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        content = clean(json.dumps(body, ensure_ascii=False)).encode()
        try:
            try:
                status, answer = self._exchange(path, content)
            except (ConnectionError, HTTPException):
                self._connection.close()  # the server ends one that was idle; the next request opens another
                status, answer = self._exchange(path, content)
        except (OSError, HTTPException) as error:
            raise ModelError(f"the embedded model's server doesn't answer: {error!r}", where=self.url) from error
        if status != 200:
            what = "apply its chat template" if path == "/apply-template" else "make tokens"
            raise ModelError(f"the embedded model's server can't {what}: HTTP {status}: {_said(answer)}", where=self.url)
        return json.loads(answer)

    def _exchange(self, path: str, content: bytes) -> tuple[int, bytes]:
        self._connection.request("POST", self._address.path + path, content, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        return response.status, response.read()


def _said(answer: bytes) -> str:
    text = answer.decode(errors="replace")
    try:
        return shorten(str(json.loads(text)["error"]["message"]))
    except (ValueError, KeyError, TypeError):
        return shorten(text)


def assert_tools(url: str, tools: Sequence[Mapping[str, Any]]) -> None:
    """Raise ``ModelError`` unless the model's chat template shows every tool: one without tool support drops them silently."""
    with Endpoint(url) as endpoint:
        prompt = endpoint.apply_template([{"role": "user", "content": "-"}], tools)
    missing = [name for tool in tools if (name := tool["function"]["name"]) not in prompt]
    if missing:
        raise ModelError(f"the model's chat template drops tools ({', '.join(missing)}): it can't be asked with output 'tool'")
