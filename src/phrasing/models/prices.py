"""What tokens cost: the price that a suite states, and the map that litellm ships, read without importing litellm (seconds).

The map names most models without their provider (``gpt-4.1-mini`` for ``openai/gpt-4.1-mini``), some with it. Prices are the base
ones: surcharges for very long prompts, and rebates for batches and off-peak hours, are left out.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from phrasing.errors import ModelError
from phrasing.suite.schema import ModelSpec
from phrasing.types import Usage

MAP = "model_prices_and_context_window_backup.json"

MINIMUM = 1024
"""The least that most providers cache, in tokens: of models for which the map says nothing else."""


@dataclass(frozen=True)
class Price:
    """US dollars for a million tokens: of a prompt, those read from the provider's cache, those written to it; and of an answer.

    ``cached`` is ``None`` where it isn't known, ``written`` where writing costs nothing more. The cache keeps nothing of
    fewer than ``minimum`` tokens.
    """

    prompt: float
    completion: float
    cached: float | None = None
    written: float | None = None
    minimum: int = MINIMUM

    @property
    def free(self) -> bool:
        """Whether asking costs nothing."""
        return not (self.prompt or self.completion)


FREE = Price(0, 0, 0)


def stated(spec: ModelSpec) -> Price | None:
    """Give the price that the suite states."""
    return Price(spec.price.prompt, spec.price.completion, spec.price.cached) if spec.price else None


def listed(spec: ModelSpec) -> Price | None:
    """Find the price of a model in the map; ``None`` where it isn't known."""
    row = None if spec.api_base else row_of(spec.id)  # whoever serves a model there sets their own price
    if row is None:
        return None
    prompt, completion, cached, written = (
        None if row.get(key) is None else 1_000_000 * float(row[key])
        for key in (
            "input_cost_per_token",
            "output_cost_per_token",
            "cache_read_input_token_cost",
            "cache_creation_input_token_cost",
        )
    )
    if prompt is None or completion is None:
        return None
    return Price(prompt, completion, cached, written, int(row.get("prompt_cache_min_tokens") or MINIMUM))


def dollars(price: Price, *, prompt: float, cached: float = 0, written: float = 0, completion: float = 0) -> float:
    """Price so many tokens, in US dollars. ``prompt`` are all tokens of prompts; ``cached`` and ``written`` are parts of them.

    Where those have no price of their own they cost what a prompt's tokens do.
    """
    read, wrote = (price.prompt if known is None else known for known in (price.cached, price.written))
    fresh = prompt - cached - written
    return (fresh * price.prompt + cached * read + written * wrote + completion * price.completion) / 1_000_000


def cost(price: Price | None, usage: Usage) -> float | None:
    """Price what a provider counted; ``None`` where the price or a count isn't known."""
    if price is None or usage.prompt is None or usage.completion is None:
        return None
    return dollars(price, prompt=usage.prompt, cached=usage.cached or 0, completion=usage.completion)


def source() -> str:
    """Name the map: the version of litellm, and the digest of the file, which says no date."""
    return f"litellm {version('litellm')} (price map {load()[1][:12]})"


def row_of(name: str) -> dict[str, Any] | None:
    """Find what the map says of a model; ``None`` where it doesn't know it."""
    rows = load()[0]
    if name in rows:
        return rows[name]
    provider, _, rest = name.partition("/")
    # bedrock/converse/… and bedrock/us-east-1/… say a route and a region; a region with prices of its own was found above
    row = rows.get(rest) or (rows.get(rest.rpartition("/")[2]) if provider == "bedrock" else None)
    # a map's provider may be finer: bedrock_converse, vertex_ai-language-models
    found = re.split("[_-]", str(row.get("litellm_provider"))) if row else []
    parts = re.split("[_-]", provider)
    return row if found[: len(parts)] == parts else None


@lru_cache(maxsize=2)
def load(file: Path | None = None) -> tuple[dict[str, dict[str, Any]], str]:
    """Read the price map (default: litellm's) and its SHA-256. Raises ``ModelError`` where it is missing or damaged."""
    if file is None:
        found = importlib.util.find_spec("litellm")
        file = Path((found and found.origin) or "litellm").parent / MAP
    state = "damaged"
    try:
        raw = file.read_bytes()
        rows = json.loads(raw)
        if isinstance(rows, dict):
            return {name: row for name, row in rows.items() if isinstance(row, dict)}, hashlib.sha256(raw).hexdigest()
    except OSError:
        state = "missing"
    except ValueError:
        pass
    raise ModelError(f"the price map litellm/{file.name} is {state}; pip install --force-reinstall litellm brings it back")
