"""A server that repeats the key it was sent, wherever it can: no byte that is written or printed has it."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas
import pytest
from click.testing import CliRunner

import phrasing
from phrasing.cli import main
from phrasing.cli.common import MISTAKE
from phrasing.models.client import Client, Retry
from phrasing.suite.schema import ModelSpec
from phrasing.types import Completion, Request
from support.fault_server import Reply, answer, failure
from support.tiny_runs import cache, case, serving, world

__all__ = ["cache"]

pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")

KEYS = {
    "plain": "acme-7Qx9Lr2Vt5Bn8Wd3",
    "short": "7Qx9Lr2V",
    "long": "acme." + "7Qx9Lr2Vt5Bn8Wd3" * 25,
    "odd": '7Qx9"Lr2V\\t5/Bn8%Wd3<&~',
}
"""By what is particular of it. None looks like a provider's, and none is in a variable that is called like a key."""


def said(text: str) -> str:
    return json.dumps({"intent": "ask", "message": text})


def called(key: str) -> Reply:
    return answer(None, tool_calls=[("ask", said(key)), (key, "{}")])


def spelled(key: str) -> str:
    """Write a key in JSON with each character escaped."""
    return "".join(f"\\u{ord(character):04X}" for character in key)


PLACES: dict[str, Any] = {
    "text": lambda key: answer(f"The key is {key}."),
    "an argument": lambda key: answer(said(key)),
    "an argument, escaped": lambda key: answer('{"intent": "ask", "message": "' + spelled(key) + '"}'),
    "an argument, in an address": lambda key: answer(said(f"https://a.example/?key={quote(key, safe='')}")),
    "an argument, in base64": lambda key: answer(said(base64.b64encode(f"user:{key}".encode()).decode())),
    "a header, told": lambda key: answer(said(f"Authorization: Bearer {key}")),
    "a call": called,
    "a refusal": lambda key: answer(None, message={"refusal": f"not with {key}"}),
    "reasoning": lambda key: answer(said("x"), message={"reasoning_content": key, "tool_call_id": key}),
    "finish_reason": lambda key: answer(said("x"), finish_reason=key),
    "usage": lambda key: answer(said("x"), usage={"prompt_tokens": key, "completion_tokens": 1, "total_tokens": key}),
    "more usage": lambda key: answer(said("x"), usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, key: key}),
    "no answer": lambda key: Reply(f"<html>{key}</html>"),
    "no choices": lambda key: Reply({"choices": [], "id": key, "model": key}),
    "choices of another shape": lambda key: Reply({"choices": key}),
    "400": lambda key: failure(400, f"Incorrect key: {key}", code=key),
    "401": lambda key: failure(401, f"Incorrect API key provided: {key}"),
    "401, masked": lambda key: failure(401, f"Incorrect API key provided: {key[:8]}…{key[-8:]}"),
    "500": lambda key: failure(500, key),
    "an error that is cut": lambda key: failure(400, "x" * 280 + key),
    "an error that is long": lambda key: failure(400, (key + " ") * 200),
    "an overflow": lambda key: failure(400, f"maximum context length, {key}", code="context_length_exceeded"),
}
IN_HEADERS: dict[str, Any] = {
    "429": lambda key: failure(429, key, headers={"retry-after": key}),
    "headers": lambda key: Reply({"error": key}, 503, {"x-request-id": key, "www-authenticate": f'Bearer realm="{key}"'}),
    "a reason": lambda key: Reply("", 418, reason=f"No {key}"),
    "a redirect": lambda key: Reply("", 302, {"Location": f"/{quote(key, safe='')}"}),
}


def traces(key: str) -> list[str]:
    """Give what would show a key: itself, as JSON and as an address have it, its ends, and what base64 makes of it."""
    encoded = [base64.b64encode(bytes(before) + key.encode()).decode()[4:-4] for before in range(3)]
    written = [key, json.dumps(key)[1:-1], quote(key, safe=""), spelled(key), spelled(key).lower()]
    return [*written, key[:8], key[-8:], *(text for text in encoded if text)]


def unpacked(folder: Path) -> Iterator[tuple[str, str]]:
    """Give all files below a folder, and what is packed in them, as texts."""
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        content = path.read_bytes()
        yield str(path), content.decode("utf-8", "replace")
        if path.suffix == ".gz":
            yield f"{path}, unpacked", gzip.decompress(content).decode()
        if path.suffix == ".parquet":
            yield f"{path}, read", pandas.read_parquet(path).to_csv()
        for block in re.findall(rb'<script type="text/plain"[^>]*>([A-Za-z0-9+/=\s]+)</script>', content):
            yield f"{path}, a block", gzip.decompress(base64.b64decode(block)).decode()


def printed(*words: str, code: int | None = None) -> str:
    done = CliRunner().invoke(main, words, prog_name="phrasing", catch_exceptions=False)
    assert code is None or done.exit_code == code, done.output
    return f"{done.stdout}{done.stderr}"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PHRASING_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path


def ask(project: Path, key: str, *replies: Reply, output: str = "prompted") -> phrasing.Run:
    """Ask a server that answers so, and try each request once: a model for each answer, of which one may end with an error."""
    with serving(*replies) as served:
        models = [
            {"label": f"m{i}", "id": "openai/mine", "api_base": f"{served.url}/v1", "api_key_env": "ACME_CRED", "jobs": 1}
            for i in range(len(replies))
        ]
        path = world(project, models=models, formats=["lines"], outputs=[output], cases=[case("a-1", expect="ask")])

        async def complete(request: Request) -> Completion:
            environ = {"ACME_CRED": key}
            async with Client([ModelSpec.model_validate(models[0])], retry=Retry(attempts=1), environ=environ) as client:
                return await client.complete(request)

        run = phrasing.run(path, complete=complete, jobs=1)
        assert {f"Bearer {key}"} == {*served.keys}
    assert len(run.results) == len(replies)
    return run


@pytest.mark.parametrize(
    "key", [pytest.param(key, id=of, marks=[pytest.mark.slow] * (of != "plain")) for of, key in KEYS.items()]
)
def test_no_byte_that_is_written_or_printed_holds_the_key(project: Path, key: str) -> None:
    replies = [make(key) for make in PLACES.values()]
    if re.fullmatch(r"[\w.-]+", key):
        replies += [make(key) for make in IN_HEADERS.values()]
    run = ask(project, key, *replies)
    told = [repr(run.results), repr(run.record), printed("show", "latest"), printed("compare", "latest")]
    told += [printed("show", "latest", name) for name in list(run.results)[:3]]
    told += [printed("report", "latest", "-o", "r.html", "-o", "r.md", "-o", "r.csv", "-o", "r.xml", "-o", "r.parquet", code=0)]
    told += [printed("run", "evals/small.yaml", "--replay", "latest")]
    found = [*unpacked(project), *(("printed", text) for text in told)]
    assert {"a block", "read"} <= {name.rpartition(", ")[2] for name, _ in found}
    for name, text in found:
        for trace in traces(key):
            assert trace not in text, name


@pytest.mark.parametrize("place", ["text", "an argument, escaped", "a call"])
def test_a_replay_scores_what_the_live_run_did(project: Path, place: str) -> None:
    run = ask(project, KEYS["plain"], PLACES[place](KEYS["plain"]), output="tool" if place == "a call" else "prompted")
    (live,) = run.results.values()
    (again,) = phrasing.run("evals/small.yaml", replay=run.folder).results.values()
    assert (again.parsed, again.scores, again.completion) == (live.parsed, live.scores, live.completion)
    assert live.parsed is not None
    if place != "text":
        assert live.parsed.step is not None
        assert live.parsed.step.args == {"message": "***"}


def test_the_command_line_tells_no_key(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = KEYS["plain"]
    (project / ".env").write_text(f"ACME_CRED={key}\n")
    with serving(failure(401, f"Incorrect API key provided: {key}")) as served:
        world(project, models=[{"id": "openai/mine", "api_base": f"{served.url}/v1", "api_key_env": "ACME_CRED"}])
        text = printed("run", "evals/small.yaml", "-n", "1", "-f", "lines")
    assert "the key in ACME_CRED was refused" in text
    (project / ".env").unlink()
    assert key not in text + str(list(unpacked(project)))


def test_a_request_that_holds_the_key_isnt_sent_nor_kept(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = KEYS["odd"]
    monkeypatch.setenv("ACME_CRED", key)
    cases = [case("a-1"), {**case("a-2"), "thread": {"events": [{"type": "mail", "data": {"text": f"use {key}"}}]}}]
    with serving(answer(said("x"))) as served:
        models = [{"id": "openai/mine", "api_base": f"{served.url}/v1", "api_key_env": "ACME_CRED", "jobs": 1}]
        world(project, models=models, formats=["lines"], cases=cases)
        text = printed("run", "evals/small.yaml", code=MISTAKE)
    assert "error: model 'mine': a request holds the value of ACME_CRED, so it wasn't sent; take it out" in text
    assert key not in text + json.dumps(served.requests, ensure_ascii=False)
    kept = "".join(text for _, text in unpacked(project / "runs"))
    assert not any(trace in kept for trace in traces(key))
