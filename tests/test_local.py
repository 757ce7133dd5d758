"""The embedded model: its file (with small pieces of our own) and, marked ``model``, its server."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from phrasing.errors import ModelError
from phrasing.local import DEFAULT, KNOWN, LocalModel, Server, assert_tools, file_digest, installed, resolve
from phrasing.models import FORCED, Client
from phrasing.suite import ModelSpec
from phrasing.types import Completion, Request

PARTS = (b"first piece, ", b"second piece")
WHOLE = b"".join(PARTS)
TOOL = {"type": "function", "function": {"name": "deploy_backend", "parameters": {"type": "object", "properties": {}}}}


def tiny(
    sha256: str = hashlib.sha256(WHOLE).hexdigest(), packages: tuple[str, ...] = ("tiny-part1", "tiny-part2")
) -> dict[str, LocalModel]:
    return {"tiny": LocalModel("tiny", "Tiny", packages, len(WHOLE), sha256, "MIT")}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two installed packages with a piece each; importing either would fail."""
    site = tmp_path / "site"
    for n, part in enumerate(PARTS, 1):
        data = site / f"tiny_part{n}" / "data"
        data.mkdir(parents=True)
        (data / f"part0{n}.bin").write_bytes(part)
        (data.parent / "__init__.py").write_text("raise RuntimeError('imported')")
        info = site / f"tiny_part{n}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tiny-part{n}\nVersion: 1.0\n")
        (info / "RECORD").write_text(f"tiny_part{n}/__init__.py,,\ntiny_part{n}/data/part0{n}.bin,,\n")
    monkeypatch.syspath_prepend(str(site))
    return site


def test_pieces_are_put_together_once(tmp_path: Path, packages: Path) -> None:
    cache = tmp_path / "cache"
    path = resolve("local/tiny", cache=cache, known=tiny())
    assert (path, path.read_bytes()) == (cache / "tiny.gguf", WHOLE)
    before = path.stat().st_mtime_ns
    (packages / "tiny_part1" / "data" / "part01.bin").unlink()  # no longer needed
    assert resolve("tiny", cache=cache, known=tiny()).stat().st_mtime_ns == before
    assert sorted(p.name for p in cache.iterdir() if p.suffix != ".lock") == ["tiny.gguf"]


def test_pieces_that_aren_t_the_model_are_refused_and_leave_nothing(tmp_path: Path, packages: Path) -> None:
    with pytest.raises(ModelError) as caught:
        resolve("tiny", cache=tmp_path, known=tiny(sha256="0" * 64))
    said = str(caught.value)
    assert str(packages / "tiny_part1" / "data" / "part01.bin") in said
    assert hashlib.sha256(WHOLE).hexdigest() in said
    assert "0" * 64 in said
    assert "install 'phrasing[local]' again" in said
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("tiny.gguf") and p.suffix != ".lock"] == []


def test_a_damaged_file_is_found_each_time(tmp_path: Path, packages: Path) -> None:
    path = resolve("tiny", cache=tmp_path, known=tiny())
    path.write_bytes(WHOLE[:-1])
    found = file_digest(path)
    with pytest.raises(ModelError) as caught:
        resolve("tiny", cache=tmp_path, known=tiny())
    wanted = tiny()["tiny"].sha256
    assert str(caught.value) == f"{path}: SHA-256 is {found}, but tiny is {wanted}; delete this file and run again"
    path.unlink()
    assert resolve("tiny", cache=tmp_path, known=tiny()).read_bytes() == WHOLE


def test_a_missing_package_says_what_to_run(tmp_path: Path) -> None:
    known = tiny(packages=("phrasing-no-such-package",))
    with pytest.raises(ModelError) as caught:
        resolve("tiny", cache=tmp_path, known=known)
    wanted = "model 'local/tiny': the package 'phrasing-no-such-package' isn't installed; run: pip install 'phrasing[local]'"
    assert str(caught.value) == wanted


def test_a_cache_that_can_t_be_written_is_named(tmp_path: Path, packages: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="can't put tiny together: "):
        resolve("tiny", cache=tmp_path / "file" / "models", known=tiny())


def test_unknown_names_list_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"local model 'tinny' not found \(did you mean 'tiny'\?\); there are: tiny; or a path"):
        resolve("tinny", cache=tmp_path, known=tiny())


def test_any_gguf_file_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "mine.gguf"
    with pytest.raises(ModelError, match="no such file"):
        resolve(f"local/{file}")
    file.write_bytes(b"x")
    assert resolve(f"local/{file}") == file


def test_the_cache_can_be_moved(tmp_path: Path, packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHRASING_CACHE_DIR", str(tmp_path / "moved"))
    assert resolve("tiny", known=tiny()) == tmp_path / "moved" / "models" / "tiny.gguf"


def test_what_is_installed(tmp_path: Path, packages: Path) -> None:
    known = {**tiny(), "gone": LocalModel("gone", "Gone", ("phrasing-no-such-package",), 1, "0" * 64, "MIT")}
    before = installed(cache=tmp_path, known=known)
    assert [(i.model.name, i.packages, i.file) for i in before] == [("tiny", True, None), ("gone", False, None)]
    path = resolve("tiny", cache=tmp_path, known=known)
    assert [i.file for i in installed(cache=tmp_path, known=known)] == [path, None]
    assert not before[1].ready


@pytest.mark.parametrize("asked", ["0", "-1", "many"])
def test_threads_must_be_a_number(asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHRASING_THREADS", asked)
    with pytest.raises(ModelError, match=f"PHRASING_THREADS is '{asked}'"):
        Server(tmp_path / "x.gguf")


class Template(BaseHTTPRequestHandler):
    """A chat template that shows the tools whose names begin with ``shown``."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        names = [t["function"]["name"] for t in asked["tools"] if t["function"]["name"].startswith("shown")]
        self.send_response(200 if self.path == "/apply-template" else 404)
        self.end_headers()
        self.wfile.write(json.dumps({"prompt": " ".join(names)}).encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def template() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Template) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def tools(*names: str) -> list[dict[str, Any]]:
    return [{"type": "function", "function": {"name": name}} for name in names]


def test_a_template_that_drops_a_tool_is_refused(template: str) -> None:
    assert_tools(template, tools("shown_a", "shown_b"))
    with pytest.raises(ModelError, match=r"drops tools \(hidden\)"):
        assert_tools(template, tools("shown_a", "hidden"))


def test_a_server_that_can_t_apply_its_template_is_named(template: str) -> None:
    with pytest.raises(ModelError, match=f"{template}/elsewhere: .*HTTP Error 404"):
        assert_tools(f"{template}/elsewhere", tools("shown_a"))


# ---------------------------------------------------------------------------------------------- the real one


@pytest.fixture(scope="module")
def served() -> Iterator[Server]:
    with Server(resolve(DEFAULT)) as server:
        yield server


def ask(server: Server, **more: Any) -> Completion:
    model = ModelSpec(label="embedded", id=f"local/{DEFAULT}")

    async def run() -> Completion:
        async with Client([model], local={model.id: server.url}, check_tools=assert_tools) as models:
            plain = {
                "messages": ({"role": "user", "content": "Name a colour. One word."},),
                "params": {"temperature": 0, "max_tokens": 24, "seed": 1},
            }
            return await models.complete(Request(model=model.id, **{**plain, **more}))

    return asyncio.run(run())


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # a killed process may wait as a zombie for whoever adopted it
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def gone(pid: int, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(pid)


@pytest.mark.model
def test_the_file_is_the_one_that_is_pinned() -> None:
    path = resolve(DEFAULT)
    assert (path.stat().st_size, file_digest(path)) == (KNOWN[DEFAULT].size, KNOWN[DEFAULT].sha256)


@pytest.mark.model
def test_it_answers_and_the_same_again(served: Server) -> None:
    first, second = ask(served), ask(served)
    assert first.text
    assert (first.text, first.finish_reason, first.cost) == (second.text, second.finish_reason, 0.0)
    assert first.usage.prompt == second.usage.prompt
    assert second.usage.cached


@pytest.mark.model
def test_it_obeys_a_schema(served: Server) -> None:
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "blue"]}},
        "required": ["colour"],
        "additionalProperties": False,
    }
    shape = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}
    # shown another value as an example, the model copies it unless the schema is enforced
    messages = ({"role": "user", "content": 'What colour is the sea? Answer with JSON like {"colour": "green"}'},)
    assert json.loads(ask(served, messages=messages, response_format=shape).text)["colour"] in ("red", "blue")


@pytest.mark.model
def test_its_template_shows_tools(served: Server) -> None:
    assert_tools(served.url, [TOOL])
    assert ask(served, tools=(TOOL,)).usage.prompt


@pytest.mark.model
def test_a_required_tool_call_is_one_call_and_ends(served: Server) -> None:
    answer = ask(served, tools=(TOOL,), params={"temperature": 0, "max_tokens": 100, "tool_choice": "required"})
    assert answer.finish_reason == "stop"
    assert json.loads(answer.text)["name"] == TOOL["function"]["name"]
    assert answer.emulated == FORCED


@pytest.mark.model
def test_a_prompt_that_is_too_long_is_an_overflow() -> None:
    from phrasing.errors import CompletionError

    with Server(resolve(DEFAULT), context=512) as server, pytest.raises(CompletionError) as caught:
        ask(server, messages=({"role": "user", "content": "word " * 600},))
    assert caught.value.kind == "overflow"


@pytest.mark.model
def test_stop_ends_it() -> None:
    with Server(resolve(DEFAULT)) as server:
        pid = server.pid
        assert pid is not None
        assert alive(pid)
    assert gone(pid)
    assert server.pid is None


@pytest.mark.model
def test_it_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import time\n"
        "from phrasing.local import DEFAULT, Server, resolve\n"
        "with Server(resolve(DEFAULT)) as server:\n"
        "    print(server.pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.send_signal(signal.SIGKILL)
    assert gone(child)


@pytest.mark.model
def test_a_file_that_is_no_model_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "not.gguf"
    file.write_bytes(b"not a model at all")
    with pytest.raises(ModelError) as caught, Server(file):
        pass
    said = str(caught.value)
    assert said.startswith(f"{file}: the embedded model's server didn't start: ")
    assert "\n" not in said
