"""Importers: one module a published shape of logs. Each says in its docstring which, and makes conversations of a record.

A module has ``TITLE``, ``fits(record)`` and ``read(record)``. One whose argument isn't a file has ``records(name)`` instead of
``fits``, which gives records with their places, and ``WANTED``, which says what it takes. To add one, write it and name it below.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Protocol

from pydantic import JsonValue

from phrasing.errors import LogError, unknown
from phrasing.importers.conversation import Conversation

MODULES = {
    "events": "log_formats.events",
    "openinference": "log_formats.openinference",
    "otel": "log_formats.otel_genai",
    "litellm": "log_formats.litellm_log",
    "langfuse": "log_formats.langfuse",
    "langsmith": "log_formats.langsmith",
    "inspect": "log_formats.inspect_log",
    "anthropic": "messages.anthropic_messages",
    "responses": "messages.openai_responses",
    "openai": "messages.openai_chat",
    "baml": "baml.tests",
    "bfcl": "bfcl.read",
}
"""The modules by the names of the command line, in the order in which a record's shape is looked for: the particular first."""


class Importer(Protocol):
    """What an importer's module offers."""

    TITLE: str

    def fits(self, record: JsonValue) -> bool:
        """Tell whether a record looks like this."""

    def read(self, record: JsonValue) -> Iterator[Conversation]:
        """Read a record. Raises ``ValueError``, in words for the user, where it is another shape."""


def load(name: str) -> Importer:
    """Give an importer by its name."""
    if name not in MODULES:
        raise LogError(unknown("importer", name, MODULES))
    module: Importer = import_module(f"phrasing.importers.{MODULES[name]}")
    return module


def detect(record: JsonValue) -> str | None:
    """Name the importer that a record looks like, if any."""
    return next((name for name in MODULES if hasattr(load(name), "fits") and load(name).fits(record)), None)
