"""Run a Python file of a project: a format, an edit, a notation or a scorer. One file, nothing of ours in it.

``load`` is the only way by which a project's code runs, so it is where the user's trust is looked for.
"""

from __future__ import annotations

import ast
import hashlib
import sys
import traceback
from pathlib import Path
from types import ModuleType

from phrasing import trust

_PURE = frozenset(
    {"__future__", "abc", "base64", "bisect", "collections", "copy", "dataclasses", "decimal", "enum", "fractions", "functools"}
    | {"hashlib", "heapq", "html", "itertools", "json", "math", "numbers", "operator", "re", "statistics", "string", "textwrap"}
    | {"toon_format", "typing", "unicodedata"}
)
"""Modules whose functions give the same for the same arguments, in one version of them."""

_REACHES = frozenset(
    {"open", "exec", "eval", "compile", "input", "globals", "locals", "vars", "dir", "getattr", "id", "hash", "breakpoint"}
)
"""Functions by which a file could depend on something else than its text."""


class CodeError(ValueError):
    """What is wrong with a user's file; ``line`` is where in it, as far as that is known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        self.line = line
        super().__init__(message)

    def where(self, path: Path) -> str:
        """Name the file and the line."""
        return f"{path}:{self.line}" if self.line else str(path)


def load(path: Path, source: bytes, *, project: Path) -> ModuleType:
    """Run the file's source as a module of its own.

    Raises ``UserError`` where code of this project may not run, ``CodeError`` where it doesn't compile or raises.
    """
    if not trust.ships(source):
        trust.check_code([path], project)
    # Compiled from the bytes that are digested: Python's own loader might run a cached, older file, and would leave one behind.
    module = ModuleType(f"phrasing_user_{path.stem}_{hashlib.sha256(source).hexdigest()[:12]}")
    module.__file__ = str(path)
    try:
        code = compile(source, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        line = error.lineno if isinstance(error, SyntaxError) else None
        raise CodeError(f"{type(error).__name__}: {what}", line) from error
    # Dataclasses look their module up by name.
    sys.modules[module.__name__] = module
    try:
        exec(code, module.__dict__)
    except Exception as error:
        raise raised(path, error) from error
    return module


def self_contained(source: bytes) -> bool:
    """Whether what a file's functions return depends on their arguments and this text alone, as far as the text shows.

    It is asked of files that are compiled already. Where it can't be told, it is denied.
    """
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                modules = [alias.name for alias in names]
            case ast.ImportFrom(module=module, level=level):
                modules = [module if module and not level else ""]
            case ast.Name(id=name) | ast.Attribute(attr=name):
                if name in _REACHES or (name.startswith("__") and name != "__name__"):
                    return False
                continue
            case ast.Global() | ast.Nonlocal():
                return False
            case _:
                continue
        if any(module.partition(".")[0] not in _PURE for module in modules):
            return False
    return True


def raised(path: Path, error: Exception) -> CodeError:
    """Say what the user's code raised, and at which of its lines."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    text = str(error)
    return CodeError(f"raised {type(error).__name__}: {text[:300]}{'…' * (len(text) > 300)}", lines[-1] if lines else None)
