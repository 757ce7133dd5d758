"""The shape of the engine: who may import whom, who owns which package, what a cheap command costs, and who prints."""

from __future__ import annotations

import ast
import functools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import phrasing
from phrasing.cli.verbs import VERBS
from phrasing.types import Completion, Request
from support.paths import REPOSITORY
from support.small_projects import cache, project

__all__ = ["cache"]

SOURCE = REPOSITORY / "src" / "phrasing"


def name(path: Path) -> str:
    """Name a module below ``phrasing``; a folder's ``__init__`` is the folder."""
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name(path): ast.parse(path.read_text("utf-8")) for path in sorted(SOURCE.rglob("*.py"))}

# Each package and what it may import, besides the modules at the top that know no package. One stands above those it is made of.
NOUNS = {"types", "scores", "errors", "records", "messages", "user_code", "files", "texts", "trust"}
PACKAGES: dict[str, set[str]] = {
    "stats": set(),
    "suite": set(),
    "baml": set(),
    "prompts": {"suite", "baml"},
    "tokenizers": set(),
    "models": {"suite", "tokenizers"},
    "score": {"stats", "suite", "baml", "prompts"},
    "rollout": {"suite", "models", "score"},
    "importers": {"suite", "baml", "score"},
    "project": {"suite", "baml", "prompts", "score"},
    "plan": {"stats", "suite", "baml", "prompts", "tokenizers", "models", "score", "rollout", "importers"},
    "runs": {"stats", "suite", "models", "score", "rollout", "plan"},
    "analysis": {"stats", "suite", "score", "project", "runs"},
    "costs": {"stats", "suite", "prompts", "tokenizers", "models", "importers", "project", "plan", "analysis"},
    "report": {"stats", "suite", "models", "runs", "analysis"},
}
TOP = {"api", "pytest_plugin", "cli", "__init__", "__main__"}  # these use everything, and nothing uses them

# Heavy packages, and the modules that may import them.
OWNERS = {
    "litellm": {"models.litellm"},
    "aiohttp": {"models.wire", "models.litellm"},
    "baml_py": {"baml.project"},
    "pandas": {"analysis.tables", "analysis.conversations", "analysis.dataframes"},
    "jinja2": {"prompts.formats", "tokenizers.chat_template", "importers.baml.assertions", "report.html.page"},
    "tiktoken": {"tokenizers.vocabulary"},
    "tokenizers": {"tokenizers.vocabulary"},
    "xllamacpp": {"models.local.serve"},
    "rich": {"cli.terminal", "cli.layout"},
    "click": {name for name in MODULES if name.startswith("cli.")}
    - {"cli.terminal", "cli.layout", "cli.text", "cli.rollout_text"},
    "vl_convert": {"report.charts.vega"},
    "yaml": {"suite.file", "importers.baml.thread_text"},
    "dotenv": {"models.keys"},
}
HEAVY = ("litellm", "openai", "pandas", "tiktoken", "tokenizers", "xllamacpp", "baml_py", "aiohttp", "httpx", "vl_convert")
LIGHTER = ("numpy", "scipy", "pydantic", "rich", "jinja2", "yaml")  # some verbs may import these, but not the help
FILES = {"pydantic", "yaml"}  # what reading a project's files takes


def running(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk a module without what stands under ``if TYPE_CHECKING``, which never runs."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from running(node)


def imports(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """Give what is imported: ``phrasing.x`` for our own modules, the package's name for others."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            if node.module == "phrasing":
                yield from (f"phrasing.{alias.name}" for alias in node.names)
            elif SOURCE.joinpath(*node.module.split(".")[1:]).is_dir() and node.module.startswith("phrasing."):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield node.module


# ---------------------------------------------------------------------------------------------- imports


def package(module: str) -> str:
    """Name the package a module is in; a module at the top is its own."""
    return module.partition(".")[0]


@functools.cache
def ours(module: str) -> set[str]:
    """Name the modules of ours that a module imports, for types as well: a type from above is a noun in the wrong place."""
    found = {name.removeprefix("phrasing.") for name in imports(ast.walk(MODULES[module])) if name.startswith("phrasing.")}
    return {name if name in MODULES else name.rpartition(".")[0] for name in found} - {"", module}


def of(part: str) -> list[str]:
    """Name the modules of a package, or the one at the top."""
    return [module for module in MODULES if package(module) == part]


PARTS = sorted({package(module) for module in MODULES})


def test_a_newcomer_can_take_in_the_top() -> None:
    packages = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").is_file()}
    assert packages == PACKAGES.keys() | {"cli"}
    assert len(packages) <= 17
    assert len([path for path in SOURCE.iterdir() if path.is_file()]) <= 14
    assert {module for module in MODULES if package(module) == module} - packages == NOUNS | TOP - {"cli"}


@pytest.mark.parametrize("part", PARTS)
def test_imports_run_one_way(part: str) -> None:
    for module in of(part):
        used = {package(name) for name in ours(module)} - {part}
        if part in PACKAGES:
            assert used <= PACKAGES[part] | NOUNS, module
        elif part in NOUNS:
            assert used <= NOUNS, module


def test_packages_name_no_more_than_they_import() -> None:
    used = {
        name: {package(other) for module in MODULES if package(module) == name for other in ours(module)} for name in PACKAGES
    }
    assert {name: used[name] & PACKAGES.keys() - {name} for name in PACKAGES} == PACKAGES


def test_no_module_imports_itself_by_way_of_another() -> None:
    graph = {module: ours(module) - {package(module)} for module in MODULES}  # a package's face imports nothing
    tuple(TopologicalSorter(graph).static_order())  # raises CycleError, with the circle


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_a_package_says_what_it_is_for(name: str) -> None:
    tree = MODULES[name]
    said = ast.get_docstring(tree) or ""
    assert "Begin with" in said
    (named,) = re.findall(r"^May import: (.*?)\.$", said, re.MULTILINE | re.DOTALL)
    named = set(re.split(r",\s+", named)) - {"nothing of ours"}
    assert named == PACKAGES[name]
    # The face imports nothing, so that one of its modules costs no more than itself.
    assert [type(node).__name__ for node in tree.body] == ["Expr", "Assign"]


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_a_package_is_entered_by_its_face(name: str) -> None:
    (face,) = (ast.literal_eval(node.value) for node in MODULES[name].body if isinstance(node, ast.Assign))
    assert face == sorted(face)
    assert all(f"{name}.{module}" in MODULES for module in face)
    entered = {other for module in MODULES if package(module) != name for other in ours(module) if package(other) == name}
    assert {other.split(".")[1] for other in entered if "." in other} <= set(face)


def test_the_map_of_packages_is_theirs() -> None:
    command = [sys.executable, "tools/packages.py", "--check"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0), "run: python tools/packages.py"


def test_a_heavy_package_has_one_owner() -> None:
    used = {name: {package.split(".")[0] for package in imports(running(tree))} for name, tree in MODULES.items()}
    assert {package: {name for name in used if package in used[name]} for package in OWNERS} == OWNERS


@pytest.mark.parametrize("part", PARTS)
def test_nothing_heavy_is_imported_with_a_module(part: str) -> None:
    for module in set(of(part)) - {"analysis.tables", "models.wire"}:
        at_once = {name.split(".")[0] for name in imports(ast.iter_child_nodes(MODULES[module]))}
        assert at_once.isdisjoint(HEAVY), module


@pytest.mark.parametrize("part", [part for part in PARTS if part != "models"])
def test_only_providers_know_whose_ids_are_whose(part: str) -> None:
    built_in = ("phrasing.models.local", "phrasing.models.litellm")
    listing = {"phrasing.models.local.catalogue", "phrasing.models.local.weights"}  # the verb `models` lists what is here
    for module in of(part):
        texts = [node.value for node in ast.walk(MODULES[module]) if isinstance(node, ast.Constant)]
        assert "local/" not in texts, module
        inside = {name for name in imports(ast.walk(MODULES[module])) if name.startswith(built_in)}
        assert inside <= (listing if part == "cli" else set()), module


# ---------------------------------------------------------------------------------------------- cheap commands

WATCH = """
import json, sys
from phrasing.cli import main
imported = {{}}
for arguments in {commands!r}:
    try:
        main(arguments)
    except SystemExit as left:
        assert (left.code or 0) == {code}, left.code
    imported[" ".join(arguments)] = [name for name in {heavy!r} if name in sys.modules]
with open({out!r}, "w") as file:
    json.dump(imported, file)
"""


def loaded(tmp_path: Path, *commands: list[str], code: int = 0) -> dict[str, set[str]]:
    """Run commands one after the other, in a process of their own, and say after each which heavy packages are there by now."""
    out = tmp_path / "loaded.json"
    script = WATCH.format(heavy=(*HEAVY, *LIGHTER), out=str(out), commands=commands, code=code)
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    imported = {command: set(names) for command, names in json.loads(out.read_text()).items()}
    assert len(imported) == len(commands)
    return imported


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    of_verbs = (
        [*words, "--help"]
        for words in (*([verb] for verb in VERBS), ["models", "add"], ["environments", "add"], ["export", "tests"])
    )
    assert set().union(*loaded(tmp_path, ["--help"], ["--version"], *of_verbs).values()) == set()


def test_a_mistyped_word_imports_nothing_heavy(tmp_path: Path) -> None:
    mistyped = ["chekc"], ["run"], ["run", "evals/mail.yaml", "--dry-rnu"], ["tools", "X", "--shape", "openia"], ["models", "ad"]
    assert set().union(*loaded(tmp_path, *mistyped, code=2).values()) == set()


def test_a_verb_is_loaded_when_it_is_used(tmp_path: Path) -> None:
    script = "import sys; import phrasing.cli; print(*sorted(name for name in sys.modules if name.startswith('phrasing')))"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["phrasing", "phrasing.cli", "phrasing.cli.common", "phrasing.cli.verbs", "phrasing.errors"]


def test_what_asks_nothing_imports_neither_client_nor_statistics(tmp_path: Path) -> None:
    project(tmp_path)
    resolving = {"baml_py", "numpy", "jinja2", *FILES}
    commands = ["check"], ["render", "c1", "-f", "json"], ["run", "evals/mail.yaml", "--dry-run"], ["tokens", "evals/mail.yaml"]
    check, render, dry, tokens = loaded(tmp_path, *commands).values()
    assert check <= resolving
    assert render <= resolving
    assert dry <= {*resolving, "tiktoken", "rich"}
    assert tokens <= {*resolving, "tiktoken", "rich"}


@pytest.mark.slow
def test_what_there_is_not_is_said_before_anything_is_computed(tmp_path: Path) -> None:
    project(tmp_path)
    missing = ["show", "runs/none"], ["report", "runs/none"], ["compare", "runs/none"], ["view", "runs/none", "--no-open"]
    for command, packages in loaded(tmp_path, *missing, code=2).items():
        assert packages <= FILES, command
    suites = ["check", "evals/none.yaml"], ["run", "evals/none.yaml"], ["tokens", "evals/none.yaml"]
    for command, packages in loaded(tmp_path, *suites, code=2).items():
        assert packages <= {*FILES, "numpy"}, command


@pytest.mark.slow
def test_looking_back_imports_neither_client_nor_baml(tmp_path: Path) -> None:
    async def complete(request: Request) -> Completion:
        return Completion(text='{"intent": "finish"}')

    run = str(phrasing.run(project(tmp_path), complete=complete).folder)
    found = loaded(tmp_path, ["show", run], ["compare", run], ["report", run], ["view", run, "--no-open"])
    show, compare, report, view = found.values()
    assert show <= FILES
    assert compare | report <= {"pandas", *LIGHTER}
    assert view <= {"pandas", "vl_convert", *LIGHTER}  # it holds Vega


@pytest.mark.slow
def test_bringing_logs_and_tools_imports_no_client(tmp_path: Path) -> None:
    project(tmp_path)
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    (tmp_path / "log.jsonl").write_text(f"{json.dumps({'messages': said})}\n")
    commands = ["import", "log.jsonl", "-o", "datasets/x.jsonl"], ["init", "new"], ["tools", "Mail"], ["models"], ["environments"]
    found = loaded(tmp_path, *commands)
    assert found["import log.jsonl -o datasets/x.jsonl"] <= set(LIGHTER)
    for command, packages in found.items():
        assert packages <= {"baml_py", *LIGHTER}, command


# ---------------------------------------------------------------------------------------------- printing


@pytest.mark.parametrize("part", PARTS)
def test_only_the_command_line_prints(part: str) -> None:
    for module in set(of(part)) - OWNERS["click"] - {"cli.terminal", "models.local.serve"}:
        calls = [node.func for node in ast.walk(MODULES[module]) if isinstance(node, ast.Call)]
        assert not [call for call in calls if isinstance(call, ast.Name) and call.id == "print"], module
        written = [ast.unparse(call) for call in calls if isinstance(call, ast.Attribute)]
        assert not [call for call in written if call.startswith(("sys.stdout", "sys.stderr", "click.echo"))], module
