"""The protocol by which models are asked, and which provider asks whom.

A provider asks every model whose id begins with its prefix: ``local/…`` are the embedded models, ``hosted`` asks the rest. To
add one, subclass ``Provider``, write ``open``, and either call ``register_provider`` or name the class in a package's entry
points, under the part of its ids before the slash::

    [project.entry-points."phrasing.providers"]
    echo = "my_package:Echo"

What a provider says of its models is asked by verbs that ask no model: only ``open`` may take long, or import a client.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from typing import get_args

from phrasing.errors import ModelError
from phrasing.models.prices import Price, stated
from phrasing.suite.schema import ModelSpec
from phrasing.tokenizers import tokenizer
from phrasing.tokenizers.tokenizer import Tokenizer
from phrasing.tokenizers.tool_rules import UNPUBLISHED, ToolRule
from phrasing.types import Completion, Mode, Request

Complete = Callable[[Request], Awaitable[Completion]]
"""Makes one attempt at a request. Raises ``CompletionError``, which says what the failure means and whether to try again."""

GROUP = "phrasing.providers"
"""The group of entry points."""


class Provider(ABC):
    """A way to ask models, and what is known of them without asking.

    ``note`` is what reports add to figures of these models, without a full stop; ``varies`` says so why they may answer the same
    request otherwise. ``outputs`` are the output modes in which they can be asked. ``at_once`` is how many requests may be in
    flight over all of them, ``attempts`` how often one is worth trying; ``None`` leaves both to the suite and the client.
    """

    note: str = ""
    varies: str = "a model that is asked the same again may answer otherwise"
    outputs: frozenset[Mode] = frozenset(get_args(Mode))
    at_once: int | None = None
    attempts: int | None = None

    @abstractmethod
    def open(self, spec: ModelSpec, environ: Mapping[str, str]) -> AbstractAsyncContextManager[Complete]:
        """Make a model ready to be asked, and end what that took: usually an ``@asynccontextmanager``.

        Raises ``ModelError`` where it can't be asked at all. ``Client`` holds it to its limits, tries again, and fills in what an
        answer leaves out: latency, attempts, and the cost by ``price``.
        """

    def problem(self, spec: ModelSpec) -> str | None:
        """Say in a line why a model can't be asked, whatever keys there are: an id that nobody knows."""
        return None

    def keys(self, spec: ModelSpec) -> tuple[str, ...]:
        """Name the variables of which any holds the provider's own key: these are read from a project's ``.env``."""
        return ()

    def missing(self, spec: ModelSpec) -> tuple[str, ...]:
        """Name those to set where none of ``keys`` is; none where a model can be asked without."""
        return self.keys(spec)

    def settings(self, spec: ModelSpec) -> tuple[str, ...]:
        """Name the variables that say where and as whom a model is asked: a project's ``.env`` may not have them."""
        return ()

    def receiver(self, spec: ModelSpec) -> str | None:
        """Name who is sent a key that the suite names, as users confirm it; ``None``: it stays on this machine."""
        return spec.id.partition("/")[0]

    def price(self, spec: ModelSpec) -> Price | None:
        """Give the price of a model; ``None`` where it isn't known. By default it is the suite's."""
        return stated(spec)

    def tool_rule(self, spec: ModelSpec) -> ToolRule:
        """Say how tools and an enforced schema are shown to a model. By default that isn't known: they count as a range."""
        return UNPUBLISHED

    def digest(self, id: str) -> str | None:
        """Give the SHA-256 of the file that answers, where it is known."""
        return None

    def open_tokenizer(self, id: str, stack: ExitStack) -> Tokenizer:
        """Open the tokenizer of a model until ``stack`` ends. Raises ``ModelError`` where it can't be had."""
        raise ModelError(f"tokenizer {id!r}: this model doesn't show how it counts; name a vocabulary or a tokenizer.json")


# ---------------------------------------------------------------------------------------------- who asks whom

BUILT_IN = {"local": "phrasing.models.local.provider:Embedded", "": "phrasing.models.hosted:Hosted"}
"""Our own providers by what their ids begin with; the last one asks whom no other does."""

_registered: dict[str, Provider] = {}


def register_provider(prefix: str, provider: Provider) -> None:
    """Let a provider ask the models whose ids begin with ``prefix``, such as ``echo/``. It goes before any other."""
    if prefix.count("/") != 1 or not prefix.endswith("/") or prefix == "/":
        raise ValueError(f"{prefix!r} can't begin the ids of a provider's models; wanted a name and a slash, such as 'echo/'")
    _registered[prefix.removesuffix("/")] = provider


def provider_of(id: str) -> Provider:
    """Give the provider that asks a model."""
    prefix, slash, _ = id.partition("/")
    if slash and prefix in _registered:
        return _registered[prefix]
    return _found(prefix if slash else "")


@cache
def _found(prefix: str) -> Provider:
    """Find a provider among our own and those of installed packages. They are made once."""
    if prefix in BUILT_IN:
        module, _, name = BUILT_IN[prefix].partition(":")
        made: Provider = getattr(import_module(module), name)()
        return made
    for entry in metadata.entry_points(group=GROUP, name=prefix):
        try:
            loaded: Provider = entry.load()()
        except Exception as error:  # another package's code
            raise ModelError(f"the provider of {prefix + '/'!r} can't be loaded: {error!r}", where=entry.value) from error
        return loaded
    return _found("")


def tool_rule(spec: ModelSpec) -> ToolRule:
    """Say how a model's provider shows tools and an enforced schema."""
    return provider_of(spec.id).tool_rule(spec)


def open_tokenizers(names: Iterable[str], stack: ExitStack, root: Path = Path()) -> list[Tokenizer]:
    """Open each tokenizer once, until ``stack`` ends: a vocabulary, a file below ``root``, or a model's own (``local/…``).

    Raises ``ModelError`` where one is unknown, missing or damaged.
    """
    return [
        provider_of(name).open_tokenizer(name, stack) if tokenizer.is_of_model(name) else tokenizer.open_tokenizer(name, root)
        for name in dict.fromkeys(names)
    ]
