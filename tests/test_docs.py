"""What the documents tell a newcomer to do works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from phrasing import cli, plan, suitefile

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "docs/quickstart.md", "docs/tools.md"]


def _block(page: str, language: str, holding: str) -> str:
    text = (ROOT / page).read_text("utf-8")
    (block,) = [found for found in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) if holding in found]
    return str(block)


def test_quickstart_builds_a_project_that_checks(tmp_path: Path) -> None:
    for name in ("baml_src", "datasets", "evals"):
        (tmp_path / name).mkdir()
    (tmp_path / "formats").symlink_to(ROOT / "formats")
    clients = (ROOT / "baml_src" / "clients.baml").read_text("utf-8")
    (tmp_path / "baml_src" / "clients.baml").write_text(clients, "utf-8")
    page = "docs/quickstart.md"
    (tmp_path / "baml_src" / "orders.baml").write_text(_block(page, "baml", "DetermineNextStepOrders"), "utf-8")
    (tmp_path / "datasets" / "orders.jsonl").write_text(_block(page, "json", "number-given"), "utf-8")
    require = _block(page, "yaml", "require:")
    (tmp_path / "evals" / "orders.yaml").write_text(_block(page, "yaml", "dataset: orders") + require, "utf-8")
    resolved = plan.resolve(suitefile.load(tmp_path / "evals" / "orders.yaml"))
    assert len(resolved.trials) == 6
    assert not resolved.warnings


def test_suite_of_the_concepts_page_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "any.yaml"
    path.write_text(_block("docs/concepts.md", "yaml", "agents:"), "utf-8")
    assert suitefile.load(path).suite.tokenizer == "o200k_base"


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_the_documents_exist(page: str) -> None:
    commands = re.findall(r"^phrasing (.+?)(?:\s+#.*)?$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    assert commands
    for command in commands:
        verb, *arguments = shlex.split(command)
        known = {name for option in cli.main.commands[verb].params for name in option.opts}
        assert {a for a in arguments if a.startswith("-")} <= known, command
        assert CliRunner().invoke(cli.main, [verb, "--help"]).exit_code == 0
