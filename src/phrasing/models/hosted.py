"""The provider of all models that no other claims: those at hosts, by one of two lanes.

Whoever speaks OpenAI's plain protocol is asked directly (``direct``), all else through litellm. What is known of either without
asking stands here, and needs no client.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from phrasing.models import keys, prices
from phrasing.models.direct import Direct
from phrasing.models.hosts import HOSTS, host_of
from phrasing.models.known_providers import missing, provider_named, unknown_provider
from phrasing.models.litellm import LiteLLM
from phrasing.models.prices import Price
from phrasing.models.provider import Complete, Provider
from phrasing.suite.schema import ModelSpec
from phrasing.tokenizers import tool_rules
from phrasing.tokenizers.tool_rules import UNPUBLISHED, ToolRule


class Hosted(Provider):
    """Asks any model that litellm knows, and any OpenAI-compatible endpoint."""

    def problem(self, spec: ModelSpec) -> str | None:
        """Say that there is no such provider, or none that may be asked at another address, or not in parts."""
        provider = self.receiver(spec)
        if provider is None:
            return unknown_provider(spec.id)
        prefix = spec.id.partition("/")[0]
        if spec.api_base and prefix not in keys.ADDRESSED:
            known = ", ".join(keys.ADDRESSED)
            return f"{spec.id!r} can't be asked at an api_base; write openai/<its name there>, or one of {known}"
        if spec.stream and host_of(spec) is None:
            return f"{spec.id!r} can't be asked with stream: only {', '.join(HOSTS)} are, and not every model of openai"
        return None

    def keys(self, spec: ModelSpec) -> tuple[str, ...]:
        """Name the variables of the provider's own key."""
        provider = self.receiver(spec)
        return keys.own(provider) if provider else ()

    def missing(self, spec: ModelSpec) -> tuple[str, ...]:
        """Name the key that is missing: clouds and local daemons have other ways than these variables."""
        own = self.keys(spec)
        return tuple(name for name in missing(self.receiver(spec) or "", os.environ) if name in own)

    def settings(self, spec: ModelSpec) -> tuple[str, ...]:
        """Name the variables of addresses, and what is missing beside a key."""
        provider = self.receiver(spec)
        if provider is None:
            return ()
        needed = [name for name in missing(provider, os.environ) if name not in keys.own(provider)]
        return (*needed, *keys.addresses(provider))

    def receiver(self, spec: ModelSpec) -> str | None:
        """Name a model's provider as litellm does; ``None`` where there is none."""
        return provider_named(spec.id)

    def price(self, spec: ModelSpec) -> Price | None:
        """Give the suite's price, else that of the map."""
        return prices.stated(spec) or prices.listed(spec)

    def tool_rule(self, spec: ModelSpec) -> ToolRule:
        """Give what OpenAI and Anthropic publish of their own models; another server at an address may show tools otherwise."""
        provider, _, name = spec.id.partition("/")
        published = {"openai": tool_rules.openai, "anthropic": tool_rules.anthropic}.get(provider)
        return published(name) if published and not spec.api_base else UNPUBLISHED

    @asynccontextmanager
    async def open(self, spec: ModelSpec, environ: Mapping[str, str]) -> AsyncIterator[Complete]:
        """Make a model ready to be asked, by its lane."""
        lane: Provider = LiteLLM() if host_of(spec) is None else Direct()
        async with lane.open(spec, environ) as ask:
            yield ask
