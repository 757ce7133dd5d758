"""A second provider is one file: found by its prefix, checked and asked, without an edit elsewhere."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import phrasing
from phrasing.errors import ModelError, SuiteError
from phrasing.models.provider import Provider, _registered, provider_of, register_provider
from phrasing.report.text import caveats
from phrasing.suite.schema import ModelSpec
from support.small_projects import cache, plan_of, project, write

__all__ = ["cache"]

ECHO = '''
"""Answers each request with the step that the model's name says."""

import asyncio
import contextlib

from phrasing.errors import CompletionError
from phrasing.models.prices import Price
from phrasing.models.provider import Provider
from phrasing.types import Completion, Usage


class Echo(Provider):
    note = "an echo; its figures say nothing"
    outputs = frozenset({"prompted", "native"})
    at_once = 2

    def __init__(self):
        self.open_now = self.most_at_once = self.held = 0

    def keys(self, spec):
        return ("ECHO_KEY",)

    def price(self, spec):
        return Price(prompt=1.0, completion=2.0)

    def digest(self, id):
        return "e" * 64

    @contextlib.asynccontextmanager
    async def open(self, spec, environ):
        failures = ["busy"]

        async def complete(request):
            self.held += 1
            self.most_at_once = max(self.most_at_once, self.held)
            await asyncio.sleep(0.01)
            self.held -= 1
            if spec.id.endswith("refuse"):
                raise CompletionError("fatal", f"{environ['ECHO_KEY']} isn't welcome")
            if failures:
                raise CompletionError("transient", failures.pop(), retry_after=0.0)
            said = spec.id.partition("/")[2]
            return Completion(text='{"intent": "%s"}' % said, usage=Usage(prompt=1_000_000, completion=500_000))

        self.open_now += 1
        yield complete
        self.open_now -= 1
'''
SUITE: dict[str, Any] = {"models": ["echo/finish"]}


def echo(folder: Path) -> Any:
    """Write the provider's file, run it, and register what it makes."""
    write(folder, {"echo_provider.py": ECHO})
    made = runpy.run_path(str(folder / "echo_provider.py"))["Echo"]()
    register_provider("echo/", made)
    return made


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("ECHO_KEY", "secret-of-echo")
    yield
    _registered.clear()


def test_its_models_are_run_and_reported(tmp_path: Path) -> None:
    made = echo(tmp_path / "elsewhere")
    run = phrasing.run(project(tmp_path, **SUITE), max_cost=100)
    answers = [result.completion for result in run.results.values()]
    assert {answer.text for answer in answers if answer} == {'{"intent": "finish"}'}
    assert {answer.cost for answer in answers if answer} == {2.0}
    assert sorted(answer.attempts for answer in answers if answer) == [*([1] * 5), 2]
    assert all(answer.latency for answer in answers if answer)
    assert (made.open_now, made.most_at_once) == (0, 2)
    assert run.record.models == {"finish": {"id": "echo/finish", "digest": "e" * 64}}
    assert "finish: an echo; its figures say nothing." in caveats(run.report())


def test_what_fails_says_which_model_and_no_key(tmp_path: Path) -> None:
    echo(tmp_path / "elsewhere")
    run = phrasing.run(project(tmp_path, models=["echo/refuse"]))
    assert run.outcome.stopped == {"refuse": "refuse (echo/refuse): *** isn't welcome"}


def test_a_missing_key_is_named_before_there_is_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    echo(tmp_path / "elsewhere")
    monkeypatch.delenv("ECHO_KEY")
    with pytest.raises(ModelError, match="model 'finish': no key for echo: set ECHO_KEY"):
        phrasing.run(project(tmp_path, **SUITE))
    assert not (tmp_path / "runs").exists()


def test_its_key_may_be_in_the_project_and_goes_to_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    echo(tmp_path / "elsewhere")
    monkeypatch.delenv("ECHO_KEY")
    write(tmp_path, {".env": "ECHO_KEY=of-the-project\nGITHUB_TOKEN=x\n"})
    assert phrasing.run(project(tmp_path, **SUITE)).outcome
    assert "ECHO_KEY" not in os.environ
    other = {"id": "echo/finish", "api_key_env": "GITHUB_TOKEN"}
    with pytest.raises(ModelError, match="the value of GITHUB_TOKEN would go to echo, which nobody has confirmed"):
        phrasing.run(project(tmp_path, models=[other]))


def test_an_output_that_it_hasn_t_is_a_mistake_of_the_suite(tmp_path: Path) -> None:
    echo(tmp_path / "elsewhere")
    said = r"mail\.yaml:\d+: models: 'finish' can't be asked with output tool; it can with: prompted, native$"
    with pytest.raises(SuiteError, match=said):
        plan_of(tmp_path, **SUITE, outputs=["prompted", "tool"])


# ---------------------------------------------------------------------------------------------- as a package


def packaged(folder: Path, value: str) -> None:
    """Write a package that names the provider in its entry points."""
    about = "Metadata-Version: 2.1\nName: echo\nVersion: 1.0\n"
    points = f"[phrasing.providers]\necho = {value}\n"
    write(folder, {"echo-1.0.dist-info/METADATA": about, "echo-1.0.dist-info/entry_points.txt": points})


def phrasing_command(root: Path, site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "phrasing", *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow  # two processes
def test_an_installed_package_brings_one(tmp_path: Path) -> None:
    site = tmp_path / "site"
    write(site, {"echo_provider.py": ECHO})
    packaged(site, "echo_provider:Echo")
    project(tmp_path, **SUITE, require=[{"score": "step", "min": 0}])
    checked = phrasing_command(tmp_path, site, "check", "evals/mail.yaml")
    assert checked.returncode == 0, checked.stderr
    run = phrasing_command(tmp_path, site, "run", "evals/mail.yaml")
    assert run.returncode == 0, run.stderr
    assert "finish: an echo; its figures say nothing." in " ".join(run.stdout.split())


@pytest.mark.slow
def test_a_package_that_is_broken_is_named(tmp_path: Path) -> None:
    packaged(tmp_path / "site", "no_such_module:Echo")
    project(tmp_path, **SUITE)
    done = phrasing_command(tmp_path, tmp_path / "site", "check", "evals/mail.yaml")
    assert done.returncode == 2
    assert "no_such_module:Echo: the provider of 'echo/' can't be loaded: ModuleNotFoundError" in " ".join(done.stderr.split())


# ---------------------------------------------------------------------------------------------- who asks whom


@pytest.mark.parametrize("prefix", ["echo", "", "/", "echo/x", "a/b/"])
def test_a_prefix_is_a_name_and_a_slash(prefix: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wanted a name and a slash"):
        register_provider(prefix, echo(tmp_path))


def test_others_are_asked_by_litellm() -> None:
    assert provider_of("openai/gpt") is provider_of("gpt") is provider_of("echo/x")
    assert provider_of("local/x") is not provider_of("gpt")


def test_what_is_known_of_models_needs_no_client() -> None:
    program = """
import sys
from phrasing.models.provider import provider_of
from phrasing.suite.schema import ModelSpec
for id in ("openai/gpt-4.1-mini", "local/qwen2.5-coder-0.5b"):
    found = provider_of(id)
    assert found.price(ModelSpec(id=id, label="x")) and found.outputs
    found.digest(id), found.note
heavy = {"litellm", "openai", "httpx", "aiohttp", "xllamacpp", "numpy", "tiktoken"} & sys.modules.keys()
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_spec_s_own_price_is_the_default() -> None:
    class Plain(Provider):
        open = None  # type: ignore[assignment]

    spec = ModelSpec.model_validate({"id": "x/y", "price": {"prompt": 1, "completion": 2}})
    price = Plain().price(spec)
    assert price
    assert (price.prompt, price.completion) == (1, 2)
    assert Plain().problem(spec) is None
