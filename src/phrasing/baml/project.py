"""BAML: a project's functions, their steps, and what BAML makes of a prompt or an answer.

The only module that talks to ``baml_py``. No generated client stands in the user's repository: BAML's generator runs once per set
of sources, into the cache, for the pydantic types of the steps.
"""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import JsonValue

from phrasing.baml import arguments, codegen, generated, sources, step_schemas, steps
from phrasing.baml.arguments import Filling, Parameter
from phrasing.baml.generated import Collector, Fields, Names
from phrasing.baml.sources import mark_schema
from phrasing.baml.steps import StepType
from phrasing.errors import BamlError, shorten, unknown
from phrasing.types import Message, Step, canonical_json, digest

__all__ = ["Function", "Project", "StepType", "load_project"]

ChatText = list[tuple[str, str]]
"""Messages as (role, text)."""

_ASKS = re.compile(r"Answer [^\n]*:\n")
"""What BAML writes before a schema, where a prompt doesn't say otherwise."""

_CLIENT = """
client<llm> PhrasingNobody {
  provider openai
  options {
    model "none"
    api_key "none"
  }
}
"""
_PROBE = """
function PhrasingProbe() -> {types} {{
  client PhrasingNobody
  prompt #"{{{{ ctx.output_format(quote_class_fields=true) }}}}"#
}}
"""
"""A function that shows these types as every prompt does: so BAML itself says by which names."""

_ALONE = """
function PhrasingAlone{name}() -> {name} {{
  client PhrasingNobody
  prompt #""#
}}
"""
"""A function that returns one class: so BAML reads an answer as that step, or not at all."""


@dataclass(frozen=True, eq=False)
class _Alone:
    """BAML's parser for one class at a time. It is compiled when it is first used: few answers need it."""

    texts: Mapping[str, str]
    path: Path
    classes: tuple[str, ...]

    @cached_property
    def _runtime(self) -> Any:
        functions = "".join(_ALONE.format(name=name) for name in self.classes)
        return _compile({**self.texts, "phrasing_alone.baml": _CLIENT + functions}, self.path)

    def parse(self, name: str, text: str, collector: ModuleType) -> Any:
        """Parse a text as the class ``name``. Raises ``ValueError``."""
        return _parse(self._runtime, f"PhrasingAlone{name}", text, collector)


@dataclass(frozen=True)
class Function:
    """A BAML function that picks the next step. It can be rendered with a ``filling`` for its parameters.

    ``many``: it returns a list of steps.
    ``asserts``: something in the project has ``@assert``, so that BAML alone can say whether an answer passes.
    ``checks``: something has ``@check``, so that BAML's own tests see a value wrapped in what was checked of it.
    ``digest`` is that of all sources of its project, and of BAML's version. ``types`` are the classes and enums that it returns,
    and those in them, ``members`` those of its union, as the sources may write them. ``prefixes`` are texts that prompts of its
    project have before the schema, in place of BAML's own; ``None``: one is computed.
    """

    name: str
    parameters: Mapping[str, Parameter]
    steps: Mapping[str, StepType]
    members: tuple[str, ...]
    many: bool
    asserts: bool
    checks: bool
    digest: str
    types: frozenset[str]
    prefixes: tuple[str | None, ...]
    _plain: Any = field(repr=False)
    _marked: Any = field(repr=False)
    _alone: _Alone = field(repr=False)
    _collector: ModuleType = field(repr=False)
    filling: Filling | None = None

    @property
    def thread(self) -> str:
        """The name of the parameter that a thread fills."""
        return self.filling.thread if self.filling else arguments.THREAD

    @property
    def takes_examples(self) -> bool:
        """Whether it has a parameter ``examples`` that cases fill."""
        return self.filling is not None and self.filling.takes_examples

    @property
    def takes_messages(self) -> bool:
        """Whether its thread is a list of messages, which its prompt writes."""
        return self.filling is not None and self.filling.messages is not None

    @property
    def wholes(self) -> list[str]:
        """The parameters with a value that holds a class or a map."""
        given = self.filling.given if self.filling else {}
        return [name for name, each in self.parameters.items() if each.whole and (each.messages or given.get(name) is not None)]

    @cached_property
    def discriminator(self) -> str | None:
        """The field that tells its steps apart, by BAML's name; ``None``: what BAML takes an answer for does."""
        return next((step.discriminator for step in self.steps.values() if step.discriminator is not None), None)

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """What a model may write for the discriminator's name: one, unless classes alias it differently, or there is none."""
        return tuple(dict.fromkeys(step.tag for step in self.steps.values() if step.tag is not None))

    @cached_property
    def tools(self) -> tuple[dict[str, Any], ...]:
        """The steps as OpenAI tools."""
        return tuple(step_schemas.tool(step.intent, step.wire, step.tag) for step in self.steps.values())

    @cached_property
    def described(self) -> str:
        """The steps in the order of its schema, as JSON: what each is called and means, and which arguments it takes.

        ``parameters`` is the JSON Schema of its arguments. In an answer in JSON ``tag`` is the field that holds the ``intent``,
        and ``value`` the answer itself where that is no object. ``several``: an answer is a list of steps.
        """
        steps = []
        for step in self.steps.values():
            description, parameters = step_schemas.described(step.wire, step.tag)
            told = {"intent": step.intent, "description": description, "parameters": parameters, "tag": step.tag}
            steps.append({**told, "value": step.value, "several": self.many})
        return json.dumps(steps)

    @cached_property
    def response_format(self) -> dict[str, Any]:
        """The steps as an OpenAI response format."""
        return step_schemas.response_format(list(dict.fromkeys(step.shape for step in self.steps.values())), many=self.many)

    def filled(self, thread: str | None, given: Mapping[str, JsonValue]) -> Function:
        """Fill the parameters, as ``arguments.fill`` says. Raises ``BamlError`` where that can't be."""
        try:
            return replace(self, filling=arguments.fill(self.parameters, thread, given))
        except BamlError as error:
            raise BamlError(f"function {self.name!r} {error}") from None

    @cached_property
    def renames(self) -> bool:
        """Whether a model reads and writes other names than BAML's, of whatever type of the project."""
        names = next(iter(self.steps.values())).names
        return any(name != shown for parts in names.values() for name, shown in parts.items())

    def meant(self, value: Mapping[str, Any]) -> StepType | None:
        """Give the step that an object names by its discriminator."""
        for tag in self.tags:
            intent = value.get(tag)
            if isinstance(intent, str) and intent in self.steps and self.steps[intent].tag == tag:
                return self.steps[intent]
        return None

    def read(self, text: str) -> list[Step]:
        """Let BAML read an answer: one step, or those of a list. Raises ``ValueError``."""
        parsed = self.parse(text)
        return [self.step(one) for one in parsed] if isinstance(parsed, list) else [self.step(parsed)]

    def step(self, parsed: Any) -> Step:
        """Make a step of what ``parse`` gives. Raises ``ValueError`` for a list that doesn't hold one."""
        if isinstance(parsed, list):
            if len(parsed) != 1:
                raise ValueError(f"BAML reads {len(parsed)} steps")
            parsed = parsed[0]
        if isinstance(parsed, Fields) and self.discriminator is not None:
            return self.steps[parsed[self.discriminator]].step(parsed)
        if isinstance(parsed, Fields):
            return next(step for step in self.steps.values() if step.model.__name__ == parsed.kind).step(parsed)
        return Step(intent=parsed if isinstance(parsed, str) else json.dumps(parsed))

    def split_schema(self, text: str) -> tuple[str, str]:
        """Take apart what ``ctx.output_format`` shows: how to answer, and the schema. Raises ``BamlError`` if it can't be."""
        asks = _ASKS.match(text)
        own = max((prefix for prefix in self.prefixes if prefix and text.startswith(prefix)), key=len, default="")
        end = len(own) or (asks.end() if asks else 0)
        if not end and None in self.prefixes:
            raise BamlError(f"function {self.name!r} may give ctx.output_format a prefix that is computed; write it as a text")
        return text[:end], text[end:]

    def value(self, text: str) -> StepType | None:
        """Give the step that is a value, if this is how a model writes one: as it stands, or as JSON."""
        for step in self.steps.values():
            if step.value is not None and text in (
                step.value,
                json.dumps(step.value),
                json.dumps(step.value, ensure_ascii=False),
            ):
                return step
        return None

    def render(self, thread: str | Sequence[Message], examples: str = "", *, marked: bool = False) -> ChatText:
        """Let BAML render the prompt. ``marked``: with marks around each use of ``ctx.output_format`` in Jinja.

        Only a function that takes messages can be given some.
        """
        baml = _baml()
        runtime = self._marked if marked else self._plain
        context = runtime.create_context_manager()
        assert self.filling is not None, "only a filled function can be rendered"
        try:
            given = self.filling.values(thread, examples)
        except BamlError as error:
            raise BamlError(f"function {self.name!r} takes messages: {error}") from None
        try:
            request = runtime.build_request_sync(self.name, given, context, None, _registry(), {}, False)
        except baml.errors.BamlError as error:
            raise BamlError(f"function {self.name!r} can't be rendered: {shorten(str(error))}") from None
        messages = request.body.json()["messages"]
        if not all(isinstance(message["content"], str) for message in messages):
            raise BamlError(f"function {self.name!r} has a prompt with images, audio or other parts than text")
        return [(message["role"], message["content"]) for message in messages]

    def parse(self, text: str, step: StepType | None = None) -> Any:
        """Parse an answer with BAML's schema-aligned parser: the step's fields, by BAML's names, or the value that it is.

        Of the classes of a union BAML takes the one that it has to repair least, which need not be the one that the answer
        names. ``step``: read it as this one. Raises ``ValueError`` with BAML's reason, shortened.
        """
        if step is None:
            return _parse(self._plain, self.name, text, self._collector)
        return self._alone.parse(step.model.__name__, text, self._collector)


def _parse(runtime: Any, function: str, text: str, module: ModuleType) -> Any:
    context = runtime.create_context_manager()
    try:
        return runtime.parse_llm_response(function, text, module, module, module, False, context, None, None, {})
    except BaseException as error:
        # A panic in BAML's Rust is a BaseException; BAML's own errors repeat the whole answer, up to megabytes.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ValueError(_why(str(error))) from None


def _why(message: str) -> str:
    """Say why BAML can't parse an answer: which ``@assert`` doesn't hold, else in its own words."""
    failed = dict.fromkeys(re.findall(r'reason: "Failed: ((?:[^"\\]|\\.)*)"', message))
    if failed:
        return shorten("; ".join(f"@assert {each}: doesn't hold" for each in failed))
    return shorten(message)


@dataclass(frozen=True)
class Project:
    """A ``baml_src`` folder. ``unsupported`` says, by function, why it can't be run, and what to change.

    ``texts`` are its sources, and ``digests`` theirs.
    """

    path: Path
    digests: Mapping[str, str]
    functions: Mapping[str, Function]
    unsupported: Mapping[str, str]
    texts: Mapping[str, str] = field(repr=False)

    @cached_property
    def intents(self) -> frozenset[str]:
        """The intents of all steps, of whatever function."""
        return frozenset(intent for function in self.functions.values() for intent in function.steps)

    def find(self, name: str) -> Function:
        """Give a function by name, its parameters unfilled. Raises ``BamlError``: what there is, or why it isn't supported."""
        if name in self.unsupported:
            raise BamlError(f"function {name!r} {self.unsupported[name]}", where=str(self.path))
        if name not in self.functions:
            raise BamlError(unknown("function", name, self.functions), where=str(self.path))
        return self.functions[name]

    def rewritten(self, texts: Mapping[str, str], *, types: bool) -> Project:
        """Give the project with other texts of its sources; no file changes. Raises ``BamlError`` as ``load_project`` does.

        ``types``: classes or enums change, and not only prompts, so that BAML has to generate them anew.
        """
        read = tuple(texts.items())
        return _load(self.path, read, read if types else tuple(self.texts.items()))

    def function(self, name: str) -> Function:
        """Give a function by name that can be rendered as it is. Raises ``BamlError`` where that can't be."""
        return self.find(name).filled(None, {})


def load_project(path: Path) -> Project:
    """Load a ``baml_src`` folder: compile it, find its functions and their steps.

    Raises ``BamlError`` with BAML's own message, shortened, when the sources don't compile.
    """
    texts = {file.relative_to(path).as_posix(): _read(file) for file in sorted(path.rglob("*.baml"))}
    if not texts:
        raise BamlError("no .baml file here", where=str(path))
    read = tuple(texts.items())
    return _load(path, read, read)


@lru_cache(maxsize=64)
def _load(path: Path, read: tuple[tuple[str, str], ...], typed: tuple[tuple[str, str], ...]) -> Project:
    """Load sources as they are now: the suites of a project share them. ``typed`` have the same types."""
    # Generators of the user's own would write into their agent's folders, and may be of another version.
    texts = {name: sources.without_blocks(text, "generator") for name, text in read}
    runtime = _compile(texts, path, max(sources.generator_version(text) for _, text in read))
    marked = _compile({name: mark_schema(text) for name, text in texts.items()}, path)
    made = codegen.generate({name: sources.without_blocks(text, "generator") for name, text in typed}, path)
    reached = {name: generated.reached(each.returns, made.declared) for name, each in made.functions.items()}
    names = _names(texts, path, {name: node for found in reached.values() for name, node in found.items()}, made.declared)
    own, wire = codegen.modules(made, names, path)
    asserts, checks = (any(sources.uses(text, each) for text in texts.values()) for each in ("@assert", "@check"))
    collector = Collector(names)
    classes = tuple(
        name for name, node in made.declared.items() if isinstance(node, ast.ClassDef) and not generated.is_enum(node)
    )
    alone = _Alone(texts, path, classes)
    aliases = {name: alias for text in texts.values() for name, alias in sources.class_aliases(text).items()}
    whole = digest(canonical_json([version("baml-py"), texts]))
    prefixes = tuple(prefix for text in texts.values() for prefix in sources.prefixes(text))
    functions: dict[str, Function] = {}
    unsupported: dict[str, str] = {}
    for name, signature in made.functions.items():
        try:
            parameters = arguments.parameters(signature.parameters, own, made.declared)
            returns = generated.list_item(signature.returns)
            found = steps.make_steps(returns or signature.returns, own, wire, names, aliases)
            _check(reached[name], names, made.dynamic)
            functions[name] = Function(
                name,
                parameters,
                found,
                tuple(map(generated.spelled, generated.union_members(returns or signature.returns))),
                returns is not None,
                asserts,
                checks,
                whole,
                frozenset(reached[name]),
                prefixes,
                runtime,
                marked,
                alone,
                collector,
                _usual(parameters),
            )
        except BamlError as reason:
            unsupported[name] = str(reason)
    return Project(path, {name: digest(text) for name, text in read}, functions, unsupported, dict(read))


def _usual(parameters: Mapping[str, Parameter]) -> Filling | None:
    """Fill parameters where a suite needn't say anything."""
    try:
        return arguments.fill(parameters, None, {})
    except BamlError:
        return None


def _check(reached: Mapping[str, ast.AST], names: Names, dynamic: frozenset[str]) -> None:
    """Refuse types that aren't what the sources say when the agent runs, or whose names are the same twice."""
    for name in reached:
        if name in dynamic:
            raise BamlError(
                f"returns {name}, which is @@dynamic: the agent's own code adds to it, so the prompt would be another one here; "
                "write what it adds into the sources, without @@dynamic"
            )
        shown = list(names.get(name, {}).values())
        twice = next((alias for alias in shown if shown.count(alias) > 1), None)
        if twice is not None:
            raise BamlError(f"returns {name}, which shows two fields or values as {twice!r}; give each an @alias of its own")


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise BamlError("isn't UTF-8", where=str(file)) from None


def _baml() -> Any:
    """Import BAML, silenced: by default it prints every prompt, and backtraces make a parse failure ten times slower."""
    os.environ.setdefault("BAML_LOG", "off")
    os.environ["RUST_BACKTRACE"] = "0"
    import baml_py
    import baml_py.errors

    return baml_py


def _compile(texts: Mapping[str, str], path: Path, generator: tuple[int, ...] = ()) -> Any:
    baml = _baml()
    try:
        return baml.BamlRuntime.from_files(str(path), dict(texts), {})
    except baml.errors.BamlError as error:
        raise codegen.compile_error(str(error), texts, path, generator) from None


def _names(texts: Mapping[str, str], path: Path, shown: Mapping[str, ast.AST], types_: Mapping[str, ast.AST]) -> Names:
    """Find what a model reads and writes for every field and value: BAML itself says so, where some attribute changes it."""
    names = {
        name: {part: part for part in generated.declared_fields(node)}
        for name, node in types_.items()
        if isinstance(node, ast.ClassDef)
    }
    asked = {name: names[name] for name in shown if name in names}
    if not asked or not any(sources.uses(text, f"@{attribute}") for text in texts.values() for attribute in ("alias", "skip")):
        return names
    text = _described({**texts, "phrasing_probe.baml": _CLIENT + _PROBE.format(types=" | ".join(asked))}, path, asked, types_)
    for name, parts in asked.items():
        found = {part: _shown(text, _mark(name, part)) for part in parts}
        names[name] = {part: alias for part, alias in found.items() if alias is not None}
    return names


def _described(texts: Mapping[str, str], path: Path, asked: Mapping[str, Iterable[str]], types_: Mapping[str, ast.AST]) -> str:
    """Give BAML's text of these types. Each of their fields has a description of its own, which stands before its name."""
    runtime = _compile(texts, path)
    builder = _baml().baml_py.TypeBuilder()
    for name, parts in asked.items():
        enum = generated.is_enum(types_[name])
        for part in parts:
            described = builder.enum(name).value(part) if enum else builder.class_(name).property(part)
            described.description(_mark(name, part))
    request = runtime.build_request_sync("PhrasingProbe", {}, runtime.create_context_manager(), builder, _registry(), {}, False)
    text: str = request.body.json()["messages"][0]["content"]
    return text


def _mark(name: str, part: str) -> str:
    return f"\u2402{name}.{part}\u2403"


def _shown(text: str, description: str) -> str | None:
    """Find the name that a description stands behind, in BAML's text of types; ``None`` where it isn't shown."""
    if description not in text:
        return None
    found = re.search(rf'// {description}\n *"(.*?)": |^- (.*): {description}$', text, re.MULTILINE)
    if not found:
        raise BamlError(f"{description[1:-1]} has an @alias that BAML's text of its schema doesn't show in one line")
    return found[1] if found[1] is not None else found[2]


@lru_cache(maxsize=1)
def _registry() -> Any:
    """A client of the one shape that leaves messages as they are; nothing is ever sent through it."""
    registry = _baml().ClientRegistry()
    options = {"model": "none", "base_url": "http://127.0.0.1", "api_key": "none", "default_role": "user"}
    registry.add_llm_client("render", "openai-generic", options)
    registry.set_primary("render")
    return registry
