"""The embedded model's server: what it refuses and, marked ``model``, the real one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from phrasing.errors import ModelError
from phrasing.models.local.catalogue import DEFAULT, KNOWN
from phrasing.models.local.provider import FORCED, Embedded
from phrasing.models.local.server import Server, assert_tools, environment
from phrasing.models.local.weights import file_digest, resolve
from phrasing.suite.schema import ModelSpec
from phrasing.types import Completion, Request

TOOL = {"type": "function", "function": {"name": "deploy_backend", "parameters": {"type": "object", "properties": {}}}}


@pytest.mark.parametrize("asked", ["0", "-1", "many"])
def test_threads_must_be_a_number(asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHRASING_THREADS", asked)
    with pytest.raises(ModelError, match=f"PHRASING_THREADS is '{asked}'"):
        Server(tmp_path / "x.gguf")


@pytest.mark.parametrize("set_by_user", [{}, {"OMP_WAIT_POLICY": "active", "GOMP_SPINCOUNT": "infinite", "KMP_BLOCKTIME": "200"}])
def test_its_threads_sleep_while_they_wait_whatever_the_user_s_environment_says(
    set_by_user: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in set_by_user.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PHRASING_TEST", "kept")
    found = environment()
    assert {name: found.get(name) for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "PHRASING_TEST")} == {
        "OMP_WAIT_POLICY": "passive",
        "GOMP_SPINCOUNT": None,
        "KMP_BLOCKTIME": None,
        "PHRASING_TEST": "kept",
    }


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
        thread = Thread(target=server.serve_forever, args=(0.01,))
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
    with pytest.raises(ModelError, match=f"{template}/elsewhere: .*HTTP 404"):
        assert_tools(f"{template}/elsewhere", tools("shown_a"))


# ---------------------------------------------------------------------------------------------- the real one


@pytest.fixture(scope="module")
def served() -> Iterator[Server]:
    with Server(resolve(DEFAULT)) as server:
        yield server


def ask(server: Server, **more: Any) -> Completion:
    model = ModelSpec(label="embedded", id=f"local/{DEFAULT}")

    async def run() -> Completion:
        async with Embedded(serve=lambda id: nullcontext(server)).open(model, {}) as complete:
            plain = {
                "messages": ({"role": "user", "content": "Name a colour. One word."},),
                "params": {"temperature": 0, "max_tokens": 24, "seed": 1},
            }
            return await complete(Request(model=model.id, **{**plain, **more}))

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
def test_without_the_cache_no_answer_depends_on_what_was_asked_before(served: Server) -> None:
    rules = "You sort letters. " + " ".join(f"Rule {n}: a letter about topic {n} goes to desk {n * 7 % 10}." for n in range(30))
    asked = [
        ({"role": "system", "content": rules[:cut]}, {"role": "user", "content": f"Explain where a letter about topic {n} goes."})
        for n, cut in enumerate((400, 900, 1500, 2000))
    ]
    params = {"temperature": 0, "max_tokens": 24, "seed": 1, "cache_prompt": False, "logprobs": True}
    seen: dict[int, set[Any]] = {n: set() for n in range(len(asked))}
    for order in ((0, 1, 2, 3), (3, 2, 1, 0), (1, 1, 3, 0, 2)):
        for n in order:
            found = ask(served, messages=asked[n], params=params)
            assert not found.usage.cached
            seen[n].add((found.text, found.logprobs))
    assert all(len(found) == 1 for found in seen.values())


@pytest.mark.model
def test_it_says_how_likely_the_tokens_of_its_answer_are(served: Server) -> None:
    params = {"temperature": 0, "max_tokens": 24, "seed": 1, "logprobs": True}
    found = ask(served, params=params)
    assert found.logprobs
    assert "".join(token for token, _ in found.logprobs).removesuffix("<|im_end|>") == found.text
    assert all(value <= 0 for _, value in found.logprobs)
    assert ask(served).logprobs is None


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
def test_one_that_is_killed_says_so() -> None:
    with Server(resolve(DEFAULT)) as server:
        assert server.pid is not None
        assert server.ended() is None
        os.kill(server.pid, signal.SIGKILL)
        assert server.ended() == "it was killed (SIGKILL), as the system does when memory runs out"
    assert server.ended() == "it was stopped"


@pytest.mark.model
def test_it_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import time\n"
        "from phrasing.models.local.catalogue import DEFAULT\n"
        "from phrasing.models.local.server import Server\n"
        "from phrasing.models.local.weights import resolve\n"
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
    assert said.startswith(f"{file}: the embedded model's server didn't start: it ended with status 1 and said ")
    assert "\n" not in said
