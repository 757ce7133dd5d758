"""What the documents tell a newcomer to do works."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import phrasing
from phrasing import cli
from phrasing.plan.resolve import resolve
from phrasing.report import columns
from phrasing.suite.file import load_suite
from support.log_records.openai_chat import CHAT
from support.paths import REPOSITORY

PAGES = [
    "README.md",
    "docs/quickstart.md",
    "docs/tools.md",
    "docs/bring-your-own.md",
    "docs/importers.md",
    "docs/redaction.md",
    "docs/verify.md",
    "docs/talk.md",
    "docs/your-model.md",
]


def _block(page: str, language: str, holding: str) -> str:
    text = (REPOSITORY / page).read_text("utf-8")
    (block,) = [found for found in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) if holding in found]
    return str(block)


def test_quickstart_builds_a_project_that_checks(tmp_path: Path) -> None:
    for name in ("baml_src", "datasets", "evals"):
        (tmp_path / name).mkdir()
    (tmp_path / "formats").symlink_to(REPOSITORY / "formats")
    clients = (REPOSITORY / "baml_src" / "clients.baml").read_text("utf-8")
    (tmp_path / "baml_src" / "clients.baml").write_text(clients, "utf-8")
    page = "docs/quickstart.md"
    (tmp_path / "baml_src" / "orders.baml").write_text(_block(page, "baml", "DetermineNextStepOrders"), "utf-8")
    (tmp_path / "datasets" / "orders.jsonl").write_text(_block(page, "json", "number-given"), "utf-8")
    require = _block(page, "yaml", "require:")
    (tmp_path / "evals" / "orders.yaml").write_text(_block(page, "yaml", "dataset: orders") + require, "utf-8")
    resolved = resolve(load_suite(tmp_path / "evals" / "orders.yaml"))
    assert len(resolved.trials) == 6
    assert not resolved.warnings


def test_suite_of_the_concepts_page_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "any.yaml"
    path.write_text(_block("docs/concepts.md", "yaml", "agents:"), "utf-8")
    assert load_suite(path).suite.tokenizer == "o200k_base"


def test_the_glossary_has_the_headings_of_tables() -> None:
    report, unions = (phrasing.load(REPOSITORY / "reports" / "reference" / name).report() for name in ("spoofing", "tools"))
    logged = replace(unions, agreement=True)
    glossary = (REPOSITORY / "docs" / "glossary.md").read_text("utf-8")
    assert columns.GAIN in columns.summary(unions, str).titles()
    for table, least in (
        (columns.summary(report, str), 10),
        (columns.comparison(report.comparison, str), 10),
        (columns.summary(unions, str), 10),
        (columns.conversations(unions, str), 6),
        (columns.conversations(logged, str), 6),
        (columns.conversations_apart(unions.comparison, str), 3),
    ):
        headings = {*table.titles(), *(title for _, title, _ in table.short())}
        words = {re.sub(r" \(95 %\)| ×$", "", heading) for heading in headings}
        assert len(words) > least
        assert {word for word in words if not re.search(rf"(?<!\w){re.escape(word)}(?!\w)", glossary)} == set()


def _done(words: list[str]) -> str:
    done = CliRunner().invoke(cli.main, words)
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


@pytest.mark.model
def test_bring_your_own_to_the_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = "docs/bring-your-own.md"
    monkeypatch.chdir(tmp_path)
    talks = [{**CHAT, "id": f"talk-{n}", "reward": 1} for n in range(6)]
    for n, talk in enumerate(talks):
        talk["messages"] = json.loads(json.dumps(talk["messages"]).replace("where is it?", f"where is number {n}?"))
    properties = {"id": {"type": "integer", "description": "the number"}}
    parameters = {"type": "object", "properties": properties, "required": ["id"]}
    tool = {"type": "function", "function": {"name": "find", "description": "Find it.", "parameters": parameters}}
    said = ""
    for line in re.findall(r"^(?:cd|phrasing) .+$", (REPOSITORY / page).read_text("utf-8"), re.MULTILINE):
        verb, *words = shlex.split(line)
        if verb == "cd":
            monkeypatch.chdir(words[0])
            Path("logs.jsonl").write_text("".join(json.dumps(talk) + "\n" for talk in talks), "utf-8")
            Path("tools.json").write_text(json.dumps([tool]), "utf-8")
            Path("evals/mine.yaml").write_text(_block(page, "yaml", "agents:"), "utf-8")
            continue
        if verb == "phrasing" and words[0] == "verify":
            plan = resolve(load_suite(Path("evals/mine.yaml")))
            sent = ({"model": "m", "messages": plan.prompt(trial).messages} for trial in plan.trials)
            Path("requests.jsonl").write_text("".join(json.dumps(body) + "\n" for body in sent), "utf-8")
        said += _done(words)
    assert "are equal under one of them" in said
    assert "messages_text (the baseline) agreed with the logged agent" in said
    assert Path("../agent/context/xml_yaml.j2").exists()


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_the_documents_exist(page: str) -> None:
    commands = re.findall(r"^phrasing (.+?)(?:\s+#.*)?$", (REPOSITORY / page).read_text("utf-8"), re.MULTILINE)
    assert commands
    for command in commands:
        words, found = shlex.split(command), cli.main
        while isinstance(found, click.Group):
            verb = words.pop(0)
            found = found.get_command(click.Context(found), verb)
            assert found, f"there is no {verb}: {command}"
        known = {name for option in found.params for name in option.opts}
        assert {word for word in words if word.startswith("-")} <= known, command
        assert CliRunner().invoke(found, ["--help"]).exit_code == 0
