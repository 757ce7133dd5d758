"""The importers by name: ours, and those that other packages bring.

An importer is a module with ``TITLE``, ``fits(record)`` and ``read(record)``. One whose argument isn't a file has
``records(name)`` instead of ``fits``, which gives records with their places, and ``WANTED``, which says what it takes. To add one
of ours, write the module and name it in ``OURS``. Another package names its own as entry points of the group
``phrasing.importers``::

    [project.entry-points."phrasing.importers"]
    mylog = "mypackage.mylog"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

from pydantic import JsonValue

from phrasing.errors import LogError, unknown
from phrasing.importers.conversation import Conversation, Skipped

GROUP = "phrasing.importers"
"""The group of entry points by which another package names its importers."""

OURS: Mapping[str, str] = {
    "events": "log_formats.events",
    "openinference": "log_formats.openinference",
    "mlflow": "log_formats.mlflow_trace",
    "otel": "log_formats.otel_genai",
    "litellm": "log_formats.litellm_log",
    "langfuse": "log_formats.langfuse",
    "langsmith": "log_formats.langsmith",
    "inspect": "log_formats.inspect_log",
    "promptfoo": "log_formats.promptfoo",
    "sweagent": "log_formats.swe_agent",
    "calls": "log_formats.calls",
    "anthropic": "log_formats.anthropic_messages",
    "responses": "log_formats.openai_responses",
    "openai": "log_formats.openai_chat",
    "baml": "baml.tests",
    "bfcl": "bfcl.read",
}
"""Our modules by the names of the command line, in the order in which a record's shape is looked for: the particular first."""


class Importer(Protocol):
    """What an importer's module offers."""

    TITLE: str

    def fits(self, record: JsonValue) -> bool:
        """Tell whether a record looks like this."""

    def read(self, record: JsonValue) -> Iterator[Conversation | Skipped]:
        """Read a record. Raises ``ValueError``, in words for the user, where it is another shape."""


def importer_names() -> list[str]:
    """Name all importers, in the order in which a record's shape is looked for: those of others come first, as they know more."""
    return [*_others(), *OURS]


def load_importer(name: str) -> Importer:
    """Give an importer by its name. Raises ``LogError`` for one that isn't there, or that can't be imported."""
    if name in OURS:
        ours: Importer = import_module(f"phrasing.importers.{OURS[name]}")
        return ours
    if name not in _others():
        raise LogError(unknown("importer", name, importer_names()))
    return _load_other(name)


def detect(record: JsonValue) -> str | None:
    """Name the importer that a record looks like, if any."""
    for name in importer_names():
        importer = load_importer(name)
        if hasattr(importer, "fits") and importer.fits(record):
            return name
    return None


@cache
def _others() -> dict[str, EntryPoint]:
    """Find the importers of other packages; one with the name of ours is left out."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name not in OURS}


@cache
def _load_other(name: str) -> Importer:
    point = _others()[name]
    package = point.dist.name if point.dist else point.value
    try:
        other: Importer = point.load()
    except Exception as error:  # whatever the other package's own code raises
        raise LogError(f"importer {name!r} of {package} can't be imported: {type(error).__name__}: {error}") from error
    lacking = [part for part in ("TITLE", "read") if not hasattr(other, part)]
    lacking += [] if hasattr(other, "fits") or hasattr(other, "records") else ["fits or records"]
    if lacking:
        raise LogError(f"importer {name!r} of {package} is none: {point.value} has no {', '.join(lacking)}")
    return other
