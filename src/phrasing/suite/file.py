"""A suite's file: read with line numbers, keys in it refused, and every mistake said in one line with the choices."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeVar, get_args

import yaml
from pydantic import ValidationError

from phrasing import scores
from phrasing.errors import SuiteError, shorten, unknown
from phrasing.suite import words
from phrasing.suite.schema import Requirement, Suite
from phrasing.types import Record

_Kind = TypeVar("_Kind", bound=Record)

_KEY_NAME = re.compile(r"(?i)(api[-_]?key|secret|password|authorization|access[-_]?token|bearer)$")
_KEY_VALUE = re.compile(r"\b((sk|pk|rk|gsk|xai|hf|ghp)[-_]|AIza)[A-Za-z0-9_-]{16,}")


EVALS = "evals"
"""The folder of a project's suites."""


@dataclass(frozen=True)
class SuiteFile:
    """A suite with the file it came from. ``root`` is the project: the folder that holds ``formats/`` and ``datasets/``.

    Where the files are those of a git revision, ``commit`` is its hash, and ``home`` the project that runs and keys belong to.
    ``hints`` say, with file and line, which of its words are called something else now.
    """

    path: Path
    root: Path
    suite: Suite
    commit: str | None = None
    home: Path | None = None
    hints: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The file's path below ``evals/``, without its suffix: ``quickstart``, ``study/load``. Elsewhere its stem."""
        path, evals = self.path.absolute(), (self.root / EVALS).absolute()
        return path.relative_to(evals).with_suffix("").as_posix() if path.is_relative_to(evals) else path.stem

    @property
    def runs(self) -> Path:
        """Where runs of the suite are kept."""
        return (self.home or self.root) / "runs"

    def requiring(self, gates: Iterable[str]) -> Self:
        """Give the same suite with the gates of the command line too."""
        more = requirements(gates, self.suite.scorer_names)
        return replace(self, suite=self.suite.model_copy(update={"require": (*self.suite.require, *more)})) if more else self

    def where(self, *keys: str | int) -> str:
        """Name the file and the line at which a key stands, for an error."""
        return where_in(self.path, self.path.read_text("utf-8"), keys)

    def at(self, *keys: str | int) -> Place:
        """Give the place of a key, at which errors stand."""
        return Place(self, keys)


@dataclass(frozen=True)
class Place:
    """A key of a suite, such as ``agents.0.dataset``."""

    file: SuiteFile
    keys: tuple[str | int, ...]

    def at(self, *keys: str | int) -> Place:
        """Give the place of a key below it."""
        return Place(self.file, (*self.keys, *keys))

    def error(self, message: object, *below: str | int) -> SuiteError:
        """Make the error that names the key, and the line of it, or of a key ``below`` it."""
        return SuiteError(f"{'.'.join(map(str, self.keys))}: {message}", where=self.file.where(*self.keys, *below))


def load_suite(path: Path) -> SuiteFile:
    """Read a suite. Raises ``SuiteError`` with file, line, value and choices."""
    suite, text = load_yaml(path, Suite, "is empty; a suite needs description, agents, formats and models")
    hints = tuple(f"{path}:{line}: {hint}" for line, hint in _old_words(text))
    return SuiteFile(path, find_root(path), suite, hints=hints)


def load_yaml(path: Path, kind: type[_Kind], empty: str) -> tuple[_Kind, str]:
    """Read a file of YAML as a record, and give its text too. Raises ``SuiteError`` with file, line, value and choices.

    ``empty`` is said of a file that holds nothing. A file that holds a key is refused.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe or a device may never end
            raise SuiteError("isn't a file", where=str(path))
        text = path.read_text("utf-8-sig")
    except OSError as error:
        near = sorted(file.stem for file in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        listed = f"; there are: {', '.join(near)}" if near else ""
        raise SuiteError(f"can't be read: {error.strerror}{listed}", where=str(path)) from None
    except UnicodeDecodeError:
        raise SuiteError("isn't UTF-8", where=str(path)) from None
    try:
        raw = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SuiteError(f"isn't YAML: {error.problem}", where=f"{path}:{line}") from None
    except yaml.YAMLError as error:
        raise SuiteError(f"isn't YAML: {shorten(str(error))}", where=str(path)) from None
    if not raw:
        raise SuiteError(empty, where=str(path))
    for keys in _secrets(raw, named=kind is Suite):
        raise SuiteError(
            f"{'.'.join(map(str, keys))} looks like a key; keys come from the environment or .env, "
            "and api_key_env names the variable",
            where=where_in(path, text, keys),
        )
    try:
        return kind.model_validate(raw), text
    except ValidationError as error:
        keys, message = _explain(error, raw, kind)
        raise SuiteError(message, where=where_in(path, text, keys)) from None


def requirements(texts: Iterable[str], own: Collection[str] = ()) -> tuple[Requirement, ...]:
    """Read gates as the command line gives them: what stands between the braces in a suite. Raises ``SuiteError``.

    ``own`` are the names of the suite's own scores.
    """
    read = []
    for text in texts:
        try:
            raw = yaml.load("{" + text + "}", Loader=_Loader)
            read.append(Requirement.model_validate(words.stored_score(raw, own)))
        except yaml.YAMLError:
            raise SuiteError(f"--require {text!r} isn't a gate such as 'score: correct, min: 0.9'") from None
        except ValidationError as error:
            raise SuiteError(f"--require {text!r}: {_explain(error, raw, Requirement)[1]}") from None
    return tuple(read)


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key written twice: plain YAML silently keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    shown = "a key" if _KEY_VALUE.search(key.value) else f"key {key.value!r}"
                    raise yaml.MarkedYAMLError(problem=f"{shown} is written twice", problem_mark=key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def find_root(path: Path) -> Path:
    """Find the project of a suite, whether that is there or not: the nearest folder above it with formats/ or datasets/."""
    for folder in path.absolute().parents:
        if (folder / "formats").is_dir() or (folder / "datasets").is_dir():
            here = Path.cwd()
            return folder.relative_to(here) if folder.is_relative_to(here) else folder
    return path.parent


def _secrets(value: Any, keys: tuple[str | int, ...] = (), *, named: bool) -> Iterator[tuple[str | int, ...]]:
    """Find what looks like a key; ``named``: by its name, too."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(key, str) and _KEY_VALUE.search(key):
                yield (*keys, "<hidden>")
            elif named and isinstance(key, str) and _KEY_NAME.search(key):
                yield (*keys, key)
            yield from _secrets(item, (*keys, key), named=named)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _secrets(item, (*keys, i), named=named)
    elif isinstance(value, str) and _KEY_VALUE.search(value):
        yield keys


_WANTED = {"tuple_type": "wanted a list", "too_short": "wanted at least one", "model_type": "wanted keys with values"}


def _explain(error: ValidationError, raw: Any, root: type[Record] = Suite) -> tuple[tuple[str | int, ...], str]:
    """Say in one line what pydantic found first, with the key's path; a misspelt key before the one that is missing for it."""
    errors = error.errors(include_url=False)
    first = next((found for found in errors if found["type"] == "extra_forbidden"), errors[0])
    keys = tuple(key for key in first["loc"] if key != "[key]")
    named = keys[:-1] if first["type"] == "extra_forbidden" or "[key]" in first["loc"] else keys
    prefix = f"{'.'.join(map(str, named))}: " if named else ""
    context = first.get("ctx", {})
    match first["type"]:
        case "extra_forbidden":
            return keys, prefix + unknown("key", str(keys[-1]), _known(keys[:-1], root))
        case "missing":
            return keys[:-1], f"{prefix}missing"
        case "literal_error":
            choices = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
            return keys, prefix + unknown("value" if "[key]" not in first["loc"] else "key", str(first["input"]), choices)
        case "value_error":
            return keys, f"{prefix}{context['error']}"
        case "string_pattern_mismatch" if keys == ("description",):
            return keys, f"description: {shorten(repr(first['input']), 80)} is no question; a suite asks one, ending in '?'"
        case _:
            return keys, f"{prefix}{_WANTED.get(first['type'], first['msg'])}, got {shorten(repr(first['input']), 80)}"


def _known(keys: tuple[str | int, ...], root: type[Record]) -> list[str]:
    """List the keys that may stand at a place in a file."""
    for key in keys:
        if isinstance(key, str):
            root = next(_records(root.model_fields[key].annotation), root)
    return list(root.model_fields)


def _records(annotation: Any) -> Iterator[type[Record]]:
    """Give the records in the type of a key."""
    if isinstance(annotation, type) and issubclass(annotation, Record):
        yield annotation
    for inside in get_args(annotation):
        yield from _records(inside)


def where_in(path: Path, text: str, keys: tuple[str | int, ...]) -> str:
    """Find the line of a key in the YAML, or of the nearest key above it."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    line = 0
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == key), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            found = (node.value[key], node.value[key])
        else:
            found = None
        if found is None:
            break
        line, node = found[0].start_mark.line, found[1]
    return f"{path}:{line + 1}"


def _old_words(text: str) -> Iterator[tuple[int, str]]:
    """Find the old words in a suite's YAML: the line of each, and what it is called now."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    keys = _entries(root)
    for key, node in keys.items():
        if key in words.KEYS:
            yield _line(node), words.renamed(key, words.KEYS[key])
    require = keys["require"].value if isinstance(keys.get("require"), yaml.SequenceNode) else []
    for entry in [keys.get("compare"), *require]:
        score = _entries(entry).get("score")
        if isinstance(score, yaml.ScalarNode) and scores.public(score.value) != score.value:
            yield _line(score), words.renamed(score.value, scores.public(score.value))


def _entries(node: yaml.Node | None) -> dict[str, yaml.Node]:
    return {key.value: value for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
