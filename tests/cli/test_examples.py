"""The examples that helps end with: each works as it stands in the project that ``phrasing init`` makes."""

from __future__ import annotations

import glob
import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import phrasing
from phrasing.cli import main
from phrasing.cli.verbs import VERBS
from phrasing.types import Completion, Request
from support.small_projects import CLIENT, STEPS, cache, function, write

__all__ = ["cache"]

INSTALLS = {"models", "models add", "environments", "environments add"}
"""Their example gets a model's weights, or a package."""

MORE = {"run": ["--dry-run"], "view": ["--no-open"]}
"""Options without which an example would ask a model or open a browser."""


def examples(group: click.Group, above: str = "") -> Iterator[tuple[str, str]]:
    """Give each verb, also those below a verb, with its example."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found
        assert found.epilog
        yield f"{above}{name}", found.epilog.removeprefix("\b\nExample:\n  phrasing ")
        if isinstance(found, click.Group):
            yield from examples(found, f"{name} ")


EXAMPLES = dict(examples(main))


@pytest.fixture(scope="module")
def begun(cache: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as ``phrasing init`` makes it, with a run, shards of another, a log, a list of tools and BAML beside it."""
    folder = tmp_path_factory.mktemp("begun")
    project = folder / "project"
    write(folder, {"agent/baml_src/main.baml": CLIENT + STEPS + function("Mail")})
    assert CliRunner().invoke(main, ["init", str(project)]).exit_code == 0

    sent: list[Request] = []

    async def complete(request: Request) -> Completion:
        sent.append(request)
        return Completion(text='{"intent": "done_for_now", "message": "it is done"}')

    suite = project / "evals" / "quickstart.yaml"
    phrasing.run(suite, complete=complete)
    for shard in ("1/2", "2/2"):
        made = phrasing.run(suite, complete=complete, shard=shard).folder
        (project / "shards").mkdir(exist_ok=True)
        made.rename(project / "shards" / shard[0])
    said = [{"role": "user", "content": "one and one?"}, {"role": "assistant", "content": "two"}]
    log = {"id": "a", "messages": said, "reward": 1}
    tool = {"name": "find", "input_schema": {"type": "object", "properties": {"id": {"type": "string"}}}}
    answer = {"role": "assistant", "content": '{"intent": "done_for_now", "message": "it is done"}'}
    traced = next(request for request in sent if "<user_input>" in str(request.messages))
    logged = {"request": {"model": "m", "messages": traced.messages}, "response": {"choices": [{"message": answer}]}}
    write(project, {"requests.jsonl": f"{json.dumps(logged)}\n"})
    write(project, {"logs.jsonl": f"{json.dumps(log)}\n", "tools.json": json.dumps([tool])})
    return project


@pytest.mark.slow
@pytest.mark.parametrize("verb", sorted(EXAMPLES.keys() - INSTALLS))
def test_example(begun: Path, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(begun)
    words = shlex.split(EXAMPLES[verb])
    words = [file for word in words for file in (sorted(glob.glob(word)) if "*" in word else [word])]
    done = CliRunner().invoke(main, [*words, *MORE.get(verb, [])], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert done.output


def test_every_verb_has_an_example() -> None:
    assert set(VERBS) <= set(EXAMPLES)
    assert all(example.startswith(verb.split()[0]) for verb, example in EXAMPLES.items())
