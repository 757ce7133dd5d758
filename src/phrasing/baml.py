"""BAML: a project's functions, their steps, and what BAML makes of a prompt or an answer.

The only module that talks to ``baml_py``. No generated client stands in the user's repository: BAML's generator runs once per set
of sources, into the cache, for the pydantic types of the steps.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import types as python_types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from phrasing import schemas
from phrasing.errors import BamlError, shorten, unknown
from phrasing.marks import mark
from phrasing.paths import cache_dir
from phrasing.types import digest

SUPPORTED = (
    "supported are functions (thread: string) or (thread: string, examples: string) -> A | B | ... whose members are classes "
    'with a field `intent` of one literal, such as intent "list_git_tags"'
)

ChatText = list[tuple[str, str]]
"""Messages as (role, text)."""


@dataclass(frozen=True)
class StepType:
    """One member of a function's union: what a model may pick."""

    intent: str
    model: type[BaseModel]

    @property
    def description(self) -> str | None:
        """The class's description, or its intent's."""
        return self.model.__doc__ or self.model.model_fields["intent"].description

    @property
    def fields(self) -> dict[str, str | None]:
        """Field names with their descriptions, without ``intent``."""
        return {name: info.description for name, info in self.model.model_fields.items() if name != "intent"}

    def read(self, args: Mapping[str, Any]) -> BaseModel:
        """Read arguments as a call of this step, with no leniency at all. Raises pydantic's ``ValidationError``."""
        # As text, because only there does strict mode take a name for an enum's value and an object for a nested class.
        return self.model.model_validate_json(json.dumps({**args, "intent": self.intent}), strict=True)

    @property
    def text_field(self) -> str | None:
        """The field that takes a text which stands for the whole step: its only required one, if that is a string."""
        required = [name for name, info in self.model.model_fields.items() if name != "intent" and info.is_required()]
        return required[0] if len(required) == 1 and self.model.model_fields[required[0]].annotation is str else None

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the step, ``intent`` and all."""
        return _schema(self.model)


@dataclass(frozen=True)
class Function:
    """A BAML function that picks the next step. ``takes_examples``: it has a second parameter, ``examples``."""

    name: str
    takes_examples: bool
    steps: Mapping[str, StepType]
    _plain: Any = field(repr=False)
    _marked: Any = field(repr=False)
    _types: python_types.ModuleType = field(repr=False)

    @cached_property
    def tools(self) -> tuple[dict[str, Any], ...]:
        """The steps as OpenAI tools."""
        return tuple(schemas.tool(step.intent, step.model) for step in self.steps.values())

    @cached_property
    def response_format(self) -> dict[str, Any]:
        """The steps as an OpenAI response format."""
        return schemas.response_format([step.model for step in self.steps.values()])

    def render(self, thread: str, examples: str = "", *, marked: bool = False) -> ChatText:
        """Let BAML render the prompt. ``marked``: with marks around each use of ``ctx.output_format`` in Jinja."""
        baml = _baml()
        runtime = self._marked if marked else self._plain
        context = runtime.create_context_manager()
        given = {"thread": thread} | ({"examples": examples} if self.takes_examples else {})
        try:
            request = runtime.build_request_sync(self.name, given, context, None, _registry(), {}, False)
        except baml.errors.BamlError as error:
            raise BamlError(f"function {self.name!r} can't be rendered: {shorten(str(error))}") from None
        messages = request.body.json()["messages"]
        if not all(isinstance(message["content"], str) for message in messages):
            raise BamlError(f"function {self.name!r} has a prompt with images, audio or other parts than text")
        return [(message["role"], message["content"]) for message in messages]

    def parse(self, text: str) -> BaseModel:
        """Parse an answer with BAML's schema-aligned parser. Raises ``ValueError`` with its reason, shortened."""
        context = self._plain.create_context_manager()
        module = self._types
        try:
            answer: BaseModel = self._plain.parse_llm_response(
                self.name, text, module, module, module, False, context, None, None, {}
            )
        except BaseException as error:
            # A panic in BAML's Rust is a BaseException; BAML's own errors repeat the whole answer, up to megabytes.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise ValueError(shorten(str(error))) from None
        return answer


@dataclass(frozen=True)
class Project:
    """A ``baml_src`` folder. ``unsupported`` says, by function, why it can't be run."""

    path: Path
    digests: Mapping[str, str]
    functions: Mapping[str, Function]
    unsupported: Mapping[str, str]

    @cached_property
    def intents(self) -> frozenset[str]:
        """The intents of all steps, of whatever function."""
        return frozenset(intent for function in self.functions.values() for intent in function.steps)

    def function(self, name: str) -> Function:
        """Give a function by name. Raises ``BamlError`` that says what there is, or why it isn't supported."""
        if name in self.unsupported:
            raise BamlError(f"function {name!r} {self.unsupported[name]}; {SUPPORTED}", where=str(self.path))
        if name not in self.functions:
            raise BamlError(unknown("function", name, self.functions), where=str(self.path))
        return self.functions[name]


def load(path: Path) -> Project:
    """Load a ``baml_src`` folder: compile it, find its functions and their steps.

    Raises ``BamlError`` with BAML's own message, shortened, when the sources don't compile.
    """
    sources = {file.relative_to(path).as_posix(): _read(file) for file in sorted(path.rglob("*.baml"))}
    if not sources:
        raise BamlError("no .baml file here", where=str(path))
    return _load(path, tuple(sources.items()))


@lru_cache(maxsize=4)
def _load(path: Path, texts: tuple[tuple[str, str], ...]) -> Project:
    """Load sources as they are now: the suites of a project share them."""
    sources = dict(texts)
    runtime = _compile(sources, path)
    module, signatures = _generate(sources, path)
    marked = _compile({name: mark(text) for name, text in sources.items()}, path)
    changed = _changed(sources)
    functions: dict[str, Function] = {}
    unsupported: dict[str, str] = {}
    for name, (parameters, returns) in signatures.items():
        try:
            takes_examples = "examples" in parameters
            if parameters != {"thread": "str"} | ({"examples": "str"} if takes_examples else {}):
                listed = ", ".join(f"{key}: {kind}" for key, kind in parameters.items())
                raise BamlError(f"takes ({listed}), not (thread: string)")
            functions[name] = Function(name, takes_examples, _steps(returns, module, changed), runtime, marked, module)
        except BamlError as reason:
            unsupported[name] = str(reason)
    return Project(path, {name: digest(text) for name, text in sources.items()}, functions, unsupported)


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError:
        raise BamlError("isn't UTF-8", where=str(file)) from None


def _baml() -> Any:
    """Import BAML, silenced: by default it prints every prompt, and backtraces make a parse failure ten times slower."""
    os.environ.setdefault("BAML_LOG", "off")
    os.environ["RUST_BACKTRACE"] = "0"
    import baml_py
    import baml_py.errors

    return baml_py


def _compile(sources: Mapping[str, str], path: Path) -> Any:
    baml = _baml()
    try:
        return baml.BamlRuntime.from_files(str(path), dict(sources), {})
    except baml.errors.BamlError as error:
        raise _compile_error(str(error), path) from None


def _compile_error(message: str, path: Path) -> BamlError:
    """Keep the first error, with its file and line."""
    message = re.sub(r"\x1b\[[0-9;]*m", "", message)
    first = re.search(r"error: (?P<text>.+?)\n\s*-->\s*(?P<file>\S+?):(?P<line>\d+)", message, re.DOTALL)
    if not first:
        return BamlError(f"doesn't compile: {shorten(message)}", where=str(path))
    count = len(re.findall(r"(?m)^error: ", message))
    more = f" (and {count - 1} more)" if count > 1 else ""
    file = Path(first["file"])
    name = file.relative_to(path) if file.is_relative_to(path) else file
    return BamlError(f"{shorten(' '.join(first['text'].split()))}{more}", where=f"{path / name}:{first['line']}")


def _generate(sources: Mapping[str, str], path: Path) -> tuple[python_types.ModuleType, dict[str, tuple[dict[str, str], Any]]]:
    """Let BAML generate its pydantic types, once per set of sources, and import them from the cache.

    Returns the module of types, and per function its parameters (name to Python type, as text) and its return type.
    """
    baml_version = version("baml-py")
    # Generators of the user's own would write into their agent's folders.
    plain = {name: re.sub(r"(?ms)^\s*generator\s+\w+\s*\{.*?^\s*\}", "", text) for name, text in sources.items()}
    key = hashlib.sha256(repr((baml_version, sorted(plain.items()))).encode("utf-8", "surrogatepass")).hexdigest()[:24]
    folder = cache_dir() / "baml" / key
    if not (folder / "sync_client.py").exists():
        _run_generator(plain, folder, baml_version, path)
    name = f"phrasing_baml_{key}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, folder / "types.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    module = sys.modules[name]
    return module, dict(_signatures((folder / "sync_client.py").read_text("utf-8"), module))


def _run_generator(sources: Mapping[str, str], folder: Path, baml_version: str, path: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        source = Path(scratch, "baml_src")
        block = f'generator g {{\n  output_type "python/pydantic"\n  output_dir "../"\n  version "{baml_version}"\n}}\n'
        for name, text in {**sources, "phrasing_generator.baml": block}.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_text(text, "utf-8")
        run = "import sys, baml_py; sys.argv[0] = 'baml-cli'; sys.exit(baml_py.invoke_runtime_cli())"
        done = subprocess.run(
            [sys.executable, "-c", run, "generate", "--no-tests", "--from", str(source)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "BAML_LOG": "error"},
        )
        made = Path(scratch, "baml_client")
        if not (made / "sync_client.py").exists():
            raise _compile_error(done.stdout + done.stderr, path)
        # Another process may have been quicker: its files are the same.
        kept = Path(tempfile.mkdtemp(dir=folder.parent))
        types = (made / "types.py").read_text("utf-8")
        # An alias that refers to itself, such as any JSON, becomes a named type: pydantic would unfold it without end.
        recursive = r'(?m)^(\w+): typing_extensions\.TypeAlias = (.*"\1".*)$'
        types = re.sub(recursive, r'\1 = typing_extensions.TypeAliasType("\1", \2)', types)
        (kept / "types.py").write_text(types, "utf-8")
        shutil.copy(made / "sync_client.py", kept / "sync_client.py")
        try:
            kept.rename(folder)
        except OSError:
            shutil.rmtree(kept)


def _signatures(client: str, module: python_types.ModuleType) -> Iterator[tuple[str, tuple[dict[str, str], Any]]]:
    """Read the functions off the generated client, without importing it: it would start a runtime of its own."""
    tree = ast.parse(client)
    (body,) = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "BamlSyncClient"]
    for node in body:
        if not isinstance(node, ast.FunctionDef) or not any(a.arg == "baml_options" for a in node.args.args):
            continue
        parameters = {
            argument.arg: ast.unparse(argument.annotation) if argument.annotation else "?"
            for argument in node.args.args
            if argument.arg not in ("self", "baml_options")
        }
        assert node.returns is not None
        annotation = ast.unparse(node.returns)
        # The return type is BAML's own text over its own types: typing.Union["types.A", "types.B"].
        returns = eval(annotation.replace("'", ""), {"typing": typing, "types": module})
        yield node.name, (parameters, returns)


def _changed(sources: Mapping[str, str]) -> dict[str, str]:
    """Find the classes and enums whose values aren't what the generated types say, with the attribute that does it.

    ``@alias`` and ``@skip`` change what the model may write, ``@assert`` what BAML takes, ``@check`` what it returns.
    """
    found = {}
    for text in sources.values():
        for block in re.finditer(r"(?ms)^\s*(?:class|enum)\s+(\w+)\s*\{(.*?)^\s*\}", re.sub(r"(?m)^\s*//.*", "", text)):
            if attribute := re.search(r"(?<!@)@(alias|skip|assert|check)\b", block[2]):
                found[block[1]] = attribute[0]
    return found


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    """Make a class's JSON Schema once: functions share steps, and pydantic takes most of the time that loading a project does."""
    return model.model_json_schema()


def _steps(returns: Any, module: python_types.ModuleType, changed: Mapping[str, str]) -> dict[str, StepType]:
    members = get_args(returns) if get_origin(returns) is typing.Union else (returns,)
    steps: dict[str, StepType] = {}
    for member in members:
        shown = getattr(member, "__name__", str(member))
        if not (isinstance(member, type) and issubclass(member, BaseModel)):
            raise BamlError(f"returns {shown}, which isn't a class")
        info = member.model_fields.get("intent")
        literal = get_args(info.annotation) if info and get_origin(info.annotation) is Literal else ()
        if len(literal) != 1 or not isinstance(literal[0], str):
            raise BamlError(f"returns class {shown}, which has no field `intent` of one literal")
        if literal[0] in steps:
            raise BamlError(f"returns two classes with intent {literal[0]!r}: {steps[literal[0]].model.__name__} and {shown}")
        for name in (shown, *_schema(member).get("$defs", {})):
            if name in changed:
                raise BamlError(f"returns class {shown}, and {name} uses {changed[name]}, which isn't supported")
        steps[literal[0]] = StepType(literal[0], member)
    return steps


@lru_cache(maxsize=1)
def _registry() -> Any:
    """A client of the one shape that leaves messages as they are; nothing is ever sent through it."""
    registry = _baml().ClientRegistry()
    options = {"model": "none", "base_url": "http://127.0.0.1", "api_key": "none", "default_role": "user"}
    registry.add_llm_client("render", "openai-generic", options)
    registry.set_primary("render")
    return registry
