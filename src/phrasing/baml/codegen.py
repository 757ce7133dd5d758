"""Let BAML's generator make Python types of sources, once per set of them, and keep what it made in the cache."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from phrasing.baml import generated, newer, sources
from phrasing.baml.generated import KEYWORD, Names, Signature
from phrasing.errors import BamlError, shorten
from phrasing.files import cache_dir

_LAYOUT = 2
"""Of what is kept of BAML's generated code: other contents, other number."""
_HIDDEN = "holds the words generator and output_type where a generator can't be told from text; a generator may run commands"
_KEPT = ("types.py", "sync_client.py", "type_builder.py")


@dataclass(frozen=True)
class Generated:
    """What BAML's generator makes of sources: its types as text, functions, and the names of what is ``@@dynamic``."""

    key: str
    types: str
    declared: Mapping[str, ast.ClassDef | ast.AnnAssign]
    functions: Mapping[str, Signature]
    dynamic: frozenset[str]


def generate(texts: Mapping[str, str], path: Path) -> Generated:
    """Let BAML generate its types for Python, once per set of sources, and read them from the cache.

    Raises ``BamlError`` where the sources don't compile, might hold a generator of their own, which BAML would run with its
    ``on_generate``, or Python can't have a class of theirs.
    """
    for name, text in texts.items():
        if sources.may_generate(text):
            raise BamlError(f"{_HIDDEN} (move the generator to a file of its own, which is left out)", where=str(path / name))
    baml_version = version("baml-py")
    renamed = {name: sources.for_python(text, KEYWORD) for name, text in texts.items()}
    kind = repr((baml_version, _LAYOUT, sorted(renamed.items())))
    key = hashlib.sha256(kind.encode("utf-8", "surrogatepass")).hexdigest()[:24]
    folder = cache_dir() / "baml" / key
    if not (folder / _KEPT[-1]).exists():
        _run_generator(renamed, folder, baml_version, path)
    made, client, builder = ((folder / name).read_text("utf-8") for name in _KEPT)
    dynamic = frozenset(re.findall(r'def (\w+)\(self\) -> "\1Builder":', builder))
    try:
        return Generated(key, made, generated.declared(ast.parse(made)), dict(generated.signatures(client)), dynamic)
    except (SyntaxError, ValueError) as error:
        raise _not_of_python(error, path) from None


def modules(made: Generated, names: Names, path: Path) -> tuple[ModuleType, ModuleType]:
    """Make modules of the generated types: by BAML's names, and as a model reads and writes them."""
    own = {name: {field: field for field in shown} for name, shown in names.items()}
    try:
        ours = generated.make_module(f"phrasing_baml_{made.key}", made.types, own)
        # where nothing has another name, the two are one
        return ours, ours if own == names else generated.make_module(f"phrasing_baml_{made.key}_wire", made.types, names)
    except ValueError as error:
        raise _not_of_python(error, path) from None


def _not_of_python(error: Exception, path: Path) -> BamlError:
    return BamlError(f"has types that Python can't have: {shorten(str(error))}", where=str(path))


def compile_error(message: str, texts: Mapping[str, str], path: Path, generator: tuple[int, ...] = ()) -> BamlError:
    """Keep the first error, with its file and line; or say that the sources are of a newer language, and by which sign.

    ``generator`` is the version of BAML that a generator of the sources asks for.
    """
    if sign := newer.find(texts):
        asked = newer.version(path)
        wanted = f" (baml.toml asks for {asked})" if asked else ""
        older = f"; here that is: {sign.older}" if sign.older else ""
        return BamlError(
            f"{sign.what}, {sign.shown!r}, is of BAML's newer language{wanted}, which BAML {version('baml-py')}, the one here, "
            f"can't read{older}",
            where=f"{path / sign.file}:{sign.line}",
        )
    message = re.sub(r"\x1b\[[0-9;]*m", "", message)
    first = re.search(r"error: (?P<text>.+?)\n\s*-->\s*(?P<file>\S+?):(?P<line>\d+)", message, re.DOTALL)
    if not first:
        return BamlError(f"doesn't compile: {shorten(message)}", where=str(path))
    count = len(re.findall(r"(?m)^error: ", message))
    more = f" (and {count - 1} more)" if count > 1 else ""
    ours = tuple(int(part) for part in version("baml-py").split(".")[:3])
    if generator > ours:
        more += f"; a generator asks for BAML {'.'.join(map(str, generator))}, and the one here is {version('baml-py')}"
    file = Path(first["file"])
    name = file.relative_to(path) if file.is_relative_to(path) else file
    return BamlError(f"{shorten(' '.join(first['text'].split()))}{more}", where=f"{path / name}:{first['line']}")


def _run_generator(texts: Mapping[str, str], folder: Path, baml_version: str, path: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        source = Path(scratch, "baml_src")
        block = f'generator g {{\n  output_type "python/pydantic"\n  output_dir "../"\n  version "{baml_version}"\n}}\n'
        for name, text in {**texts, "phrasing_generator.baml": block}.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(text, "utf-8")
        run = "import sys, baml_py; sys.argv[0] = 'baml-cli'; sys.exit(baml_py.invoke_runtime_cli())"
        done = subprocess.run(
            # not among the project's files, which might hold a baml_py.py or a .env
            [sys.executable, "-P", "-c", run, "generate", "--no-tests", "--from", str(source)],
            cwd=scratch,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "BAML_LOG": "error"},
        )
        made = Path(scratch, "baml_client")
        if not (made / _KEPT[-1]).exists():
            raise compile_error((done.stdout + done.stderr).replace(str(source), str(path)), texts, path)
        # Another process may have been quicker: its files are the same.
        kept = Path(tempfile.mkdtemp(dir=folder.parent))
        for name in _KEPT:
            shutil.copy(made / name, kept / name)
        try:
            kept.rename(folder)
        except OSError:
            shutil.rmtree(kept)
