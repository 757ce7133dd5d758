"""Chat templates as models on Hugging Face have them: files beside ``tokenizer.json`` that write messages as one text.

They are applied as transformers' ``apply_chat_template(…, add_generation_prompt=True)`` does, with the arguments of tool calls
given as objects, as servers such as vLLM do. The environment and its functions: https://huggingface.co/docs/transformers, "Chat
templates". Jinja runs sandboxed: a template is a file that somebody else wrote.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from phrasing import user_code
from phrasing.errors import ModelError, shorten
from phrasing.types import Message

if TYPE_CHECKING:
    import jinja2

CONFIG, TEMPLATE = "tokenizer_config.json", "chat_template.jinja"
_WITH_TOOLS, _DEFAULT = "tool_use", "default"


class ChatTemplate:
    """The templates of a model, compiled, by name: ``default``, and maybe one for when tools are offered. Call it with messages.

    ``tokens`` are the special tokens that templates may write. Templates that show the time get that of loading.
    """

    def __init__(self, tokenizer: str, sources: Mapping[str, tuple[Path, str]], tokens: Mapping[str, str]) -> None:
        self._tokenizer = tokenizer
        self._tokens = tokens
        self._paths = {name: path for name, (path, _) in sources.items()}
        environment = _environment()
        self._templates = {name: self._compile(environment, path, text) for name, (path, text) in sources.items()}

    def __call__(self, messages: Sequence[Message], tools: Sequence[dict[str, Any]] | None = None) -> str:
        """Write messages as one text that ends where the answer begins. Raises ``ModelError`` where the template fails."""
        name = _WITH_TOOLS if tools and _WITH_TOOLS in self._templates else _DEFAULT
        try:
            return self._templates[name].render(
                messages=[_with_objects(message) for message in messages],
                tools=list(tools) if tools else None,
                documents=None,
                add_generation_prompt=True,
                **self._tokens,
            )
        except Exception as error:
            path = self._paths[name]
            where = _where(path, user_code.raised(path, error).line)
            raise self._failed(where, f"fails on this prompt: {shorten(str(error))}") from None

    def _compile(self, environment: jinja2.Environment, path: Path, text: str) -> jinja2.Template:
        import jinja2

        try:
            code = environment.compile(text, filename=str(path))
        except jinja2.TemplateSyntaxError as error:
            raise self._failed(_where(path, error.lineno), f"isn't Jinja: {error.message}") from None
        return jinja2.Template.from_code(environment, code, environment.globals)

    def _failed(self, where: str, what: str) -> ModelError:
        return ModelError(f"tokenizer {self._tokenizer!r}: its chat template {what}", where=where)


def _where(path: Path, line: int | None) -> str:
    """Name a template's file, and the line where it has lines of its own: in the configuration it is a single text."""
    return f"{path}:{line}" if line and path.name == TEMPLATE else str(path)


def load(tokenizer: str, folder: Path) -> ChatTemplate | None:
    """Load the chat template in a folder; ``None`` where there is none. Raises ``ModelError`` where it can't be read."""
    config, path = folder / CONFIG, folder / TEMPLATE
    found = _config(tokenizer, config)
    sources = {name: (config, text) for name, text in _named(tokenizer, config, found.get("chat_template")).items()}
    if path.is_file():  # the newer place, and the one that counts where both are there
        sources[_DEFAULT] = (path, path.read_text("utf-8"))
    if not sources:
        return None
    if _DEFAULT not in sources:
        raise ModelError(f"tokenizer {tokenizer!r}: there is no chat template named {_DEFAULT!r}", where=str(config))
    # a special token is a text, or an object that holds one
    tokens = {key: value.get("content") if isinstance(value, dict) else value for key, value in found.items()}
    return ChatTemplate(
        tokenizer, sources, {key: text for key, text in tokens.items() if key.endswith("_token") and isinstance(text, str)}
    )


def _config(tokenizer: str, path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise ModelError(f"tokenizer {tokenizer!r}: not JSON: {error}", where=str(path)) from None
    if not isinstance(found, dict):
        raise ModelError(f"tokenizer {tokenizer!r}: not an object", where=str(path))
    return found


def _named(tokenizer: str, path: Path, written: Any) -> dict[str, str]:
    """Read ``chat_template``: a text, or a list of named ones."""
    listed = [{"name": _DEFAULT, "template": written}] if isinstance(written, str) else written or []
    try:
        named = {str(item["name"]): item["template"] for item in listed}
    except (TypeError, KeyError):
        named = {"": None}
    if not all(isinstance(text, str) for text in named.values()):
        raise ModelError(f"tokenizer {tokenizer!r}: chat_template is neither a text nor a list of named ones", where=str(path))
    return named


def _with_objects(message: Message) -> Message:
    """Copy a message with the arguments of its tool calls as objects."""
    if not message.get("tool_calls"):
        return dict(message)
    calls = [
        {**call, "function": {**call["function"], "arguments": json.loads(call["function"]["arguments"])}}
        for call in message["tool_calls"]
    ]
    return {**message, "tool_calls": calls}


# ---------------------------------------------------------------------------------------------- the environment


def _environment() -> jinja2.Environment:
    import jinja2
    from jinja2 import ext, nodes, parser, sandbox

    class Generation(ext.Extension):
        """``{% generation %}`` marks what the assistant wrote, for training: it changes nothing in the text."""

        tags = {"generation"}

        def parse(self, parser: parser.Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def raise_exception(message: str) -> NoReturn:
        raise jinja2.TemplateError(message)

    def tojson(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, **options)  # Jinja's own escapes < > & '

    now = datetime.now()
    environment = sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[ext.loopcontrols, Generation]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = now.strftime
    return environment
