"""What ``phrasing init`` writes: the folders that a user owns, as they ship, or a first suite over BAML that is there already.

Nothing here writes: ``compare_with_project`` says of each file what would become of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from phrasing.baml.project import Project
from phrasing.errors import BamlError, UserError
from phrasing.files import shipped_dir
from phrasing.prompts.template import Template, compose, take_apart
from phrasing.prompts.yaml import dump

SCAFFOLD_FOLDERS = (*("baml_src", "controls", "datasets", "environments", "evals", "formats", "notations", "prompts", "tasks"),)

OURS = ("controls", "datasets", "environments", "evals", "formats", "notations", "tasks")
"""Those of which one is there only where a project is; BAML and prompts are there before."""

WORDS = ("controls/", "formats/", "notations/")
"""Folders of files that fit any agent."""

QUICKSTART = (
    "baml_src/calculator.baml",
    "baml_src/clients.baml",
    "baml_src/human.baml",
    "datasets/calculator.jsonl",
    "evals/quickstart.yaml",
)
"""The smallest suite, with what it needs."""

IGNORED = ("runs/", ".env")
"""What git shall not keep: what models answered, and keys."""

FileContents = Mapping[str, bytes]
"""Contents by name, relative to the project."""


@dataclass(frozen=True, slots=True)
class ScaffoldFile:
    """A file of the scaffold, and what is there. ``left`` says how it is left: as it is, or out. ``None``: it is written."""

    name: str
    content: bytes
    left: str | None


def shipped_files(folders: Sequence[str] = SCAFFOLD_FOLDERS) -> dict[str, bytes]:
    """Read the files of these folders as they ship."""
    root = shipped_dir()
    found = (path for folder in folders for path in sorted((root / folder).rglob("*")))
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in found
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }


def quickstart() -> dict[str, bytes]:
    """Give all formats, edits and notations, and the smallest suite with what it needs."""
    return {name: text for name, text in shipped_files().items() if name in QUICKSTART or name.startswith(WORDS)}


def compare_with_project(folder: Path, files: FileContents) -> list[ScaffoldFile]:
    """Hold files against those of a project: what is there stays as it is.

    Raises ``UserError`` where BAML would be written beside sources that aren't ours, with which it could clash.
    """
    compared = [ScaffoldFile(name, content, _left(folder, name, content)) for name, content in files.items()]
    written = [one.name for one in compared if one.left is None and one.name.endswith(".baml")]
    theirs = [
        path
        for path in sorted((folder / "baml_src").rglob("*.baml"))
        if files.get(path.relative_to(folder).as_posix()) != path.read_bytes()
    ]
    if written and theirs:
        raise UserError(
            f"holds BAML of your own ({theirs[0].name}), with which {Path(written[0]).name} could clash; "
            f"use what is there: phrasing init --baml {folder / 'baml_src'} {folder}",
            where=str(folder / "baml_src"),
        )
    return compared


def _left(folder: Path, name: str, content: bytes) -> str | None:
    path = folder / name
    if path.is_file():
        return "as it is" if path.read_bytes() == content else "as it is; it differs from the one that phrasing writes"
    if path.exists():
        return "out: a folder has that name"
    # a format is known by its name without the ending
    if name.startswith("formats/"):
        for other in (path.with_suffix(ending) for ending in (".j2", ".py")):
            if other.exists():
                return f"out: {other.name} has that name"
    return None


def ignoring(text: str) -> str:
    """Give a ``.gitignore`` with the lines that it lacks."""
    there = {line.strip().strip("/") for line in text.splitlines()}
    missing = [line for line in IGNORED if line.strip("/") not in there]
    return text + ("\n" if missing and text and not text.endswith("\n") else "") + "".join(f"{line}\n" for line in missing)


# ---------------------------------------------------------------------------------------------- a first suite


def first_suite(project: Project, *, baml_src: str, dataset: str, others: Sequence[str] = ()) -> str:
    """Write a suite that asks the first function of a project that can be asked; the others stand in comments.

    ``baml_src`` is the project's folder as the suite names it, ``others`` further datasets that are there. Raises ``BamlError``
    where no function can be asked.
    """
    templates: dict[str, Template] = {}
    refused = [f"{name} {why}" for name, why in project.unsupported.items()]
    for name in project.functions:
        try:
            templates[name] = take_apart(project.function(name))
        except BamlError as why:
            refused.append(str(why))
    if not templates:
        listed = "; ".join(refused) or "there is none"
        raise BamlError(f"no function here can be asked: {listed}", where=str(project.path))
    first, *more = templates
    formats = ["messages_text", "xml_yaml", "json"]
    why_not = _without_messages(templates[first])
    lines = [
        "# Written by `phrasing init --baml`, once: it is yours to edit.",
        "description: Does the format of the thread change the step that our agent picks, and how many tokens does it cost?",
        f"baml_src: {dump(baml_src)}",
        "agents:",
        f"  - dataset: {dump(dataset)}    # datasets/{dataset}.jsonl",
        *(f"    # there is also: {name}" for name in others),
        "    functions:",
        f"      - {first}",
        *(f"      # - {name}" for name in more),
        *(f"    # can't be asked: {' '.join(why.split())}" for why in refused),
        *([f"# no messages_text: {' '.join(why_not.split())}"] if why_not else []),
        f"formats: [{', '.join(formats[bool(why_not) :])}]",
        "outputs: [prompted]",
        "models:",
        "  - local/qwen2.5-coder-0.5b    # inside this environment, without a key; weak: a smoke test",
        "  # - openai/gpt-4.1-mini       # wants OPENAI_API_KEY, in the environment or in .env",
        f"baseline: {{format: {formats[bool(why_not)]}}}",
        "params: {max_tokens: 256}",
    ]
    return "\n".join(lines) + "\n"


def _without_messages(template: Template) -> str | None:
    """Say why no format that makes messages can be used with a prompt, if so."""
    try:
        compose(template, [{"role": "user", "content": "x"}], "prompted")
    except BamlError as why:
        return str(why)
    return None
