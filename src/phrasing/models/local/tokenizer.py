"""Tokenizers by name, also those that need a server: the embedded models' own."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from phrasing.models.local import weights
from phrasing.models.local.server import Endpoint, Server
from phrasing.suite.schema import LOCAL
from phrasing.tokenizers import tokenizer as tokens
from phrasing.tokenizers.tokenizer import Exact, Tokenizer

CONTEXT = 512
"""The server makes tokens of any text; it reads none, so it needs no room to."""


def open_tokenizers(names: Iterable[str], stack: ExitStack, root: Path = Path()) -> list[Tokenizer]:
    """Open each tokenizer once: as ``tokens.open_tokenizer`` does, or ``local/…`` through a server that ``stack`` ends.

    Raises ``ModelError`` where one is unknown, missing or damaged.
    """
    return [
        _embedded(name, stack) if name.startswith(LOCAL) else tokens.open_tokenizer(name, root) for name in dict.fromkeys(names)
    ]


def _embedded(name: str, stack: ExitStack) -> Tokenizer:
    server = stack.enter_context(Server(weights.resolve(name), context=CONTEXT))
    endpoint = stack.enter_context(Endpoint(server.url))
    return Exact(name, endpoint.apply_template, endpoint.encode)
