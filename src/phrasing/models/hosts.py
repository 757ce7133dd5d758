"""Who speaks OpenAI's plain chat-completions protocol: these are asked directly, the rest through litellm.

A host is here if the installed litellm sends it the request as it is, at the same address and with the same key. A test holds
both, and what each host lacks, against litellm.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from phrasing.models import prices
from phrasing.models.known_providers import provider_named
from phrasing.suite.schema import ModelSpec


@dataclass(frozen=True, slots=True)
class Host:
    """Where a provider is asked: at ``base``, or where one of the variables ``addresses`` says (the first that is set).

    ``lacks`` are parameters that it doesn't have, and that are left out.
    """

    base: str | None
    addresses: tuple[str, ...]
    lacks: frozenset[str] = frozenset()


HOSTS: Mapping[str, Host] = {
    "cerebras": Host("https://api.cerebras.ai/v1", ("CEREBRAS_API_BASE",), frozenset({"parallel_tool_calls"})),
    "deepseek": Host("https://api.deepseek.com/beta", ("DEEPSEEK_API_BASE",)),
    "github": Host("https://models.inference.ai.azure.com", ("GITHUB_API_BASE",)),
    "hosted_vllm": Host(None, ("HOSTED_VLLM_API_BASE",)),
    "llamafile": Host("http://127.0.0.1:8080/v1", ("LLAMAFILE_API_BASE",)),
    "lm_studio": Host(None, ("LM_STUDIO_API_BASE",)),
    "nebius": Host("https://api.studio.nebius.ai/v1", ("NEBIUS_API_BASE",)),
    "novita": Host("https://api.novita.ai/v3/openai", ("NOVITA_API_BASE",)),
    "nvidia_nim": Host("https://integrate.api.nvidia.com/v1", ("NVIDIA_NIM_API_BASE",)),
    "openai": Host("https://api.openai.com/v1", ("OPENAI_BASE_URL", "OPENAI_API_BASE")),
    "openrouter": Host("https://openrouter.ai/api/v1", ("OPENROUTER_API_BASE",)),
    "together_ai": Host("https://api.together.ai/v1", ("TOGETHER_AI_API_BASE",)),
}

_SERIES = re.compile(r"gpt-(\d+)(?:\.(\d+))?(?=[.-]|$)")
_REASONING = re.compile(r"gpt-[56]|(^|/)o\d")


def host_of(spec: ModelSpec) -> Host | None:
    """Give the host at which a model is asked directly; ``None``: litellm asks it."""
    provider = provider_named(spec.id)
    if provider == "openai" and not spec.api_base and not _plain_at_openai(name_there(spec)):
        return None
    return HOSTS.get(provider or "")


def name_there(spec: ModelSpec) -> str:
    """Give what the host calls a model: its id without the provider."""
    provider = provider_named(spec.id)
    return spec.id.removeprefix(f"{provider}/")


def _plain_at_openai(name: str) -> bool:
    """Tell whether OpenAI's own model is asked by chat completions alone, as they are.

    litellm asks some by another protocol (from GPT-5.4 on those with tools by "responses", which alone has both tools and
    reasoning), and rewrites the requests of those for audio and search.
    """
    row = prices.row_of(f"openai/{name}")
    series = _SERIES.match(name)
    if series and (int(series[1]), int(series[2] or 0)) >= (5, 4):
        return False
    if "search" in name or "audio" in name or "/" in name:
        return False
    return row is None or (row.get("mode") == "chat" and row.get("supports_system_messages") is not False)


def fit(spec: ModelSpec, host: Host, params: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the parameters without a value and those that a host lacks; call the others what the model calls them.

    OpenAI's reasoning models take ``max_tokens`` as ``max_completion_tokens``, and some have no ``parallel_tool_calls``.
    """
    left = {name: value for name, value in params.items() if value is not None and name not in host.lacks}
    name = name_there(spec)
    if provider_named(spec.id) == "openai" and _REASONING.search(name):
        if "max_tokens" in left:
            left["max_completion_tokens"] = left.pop("max_tokens")
        row = prices.row_of(f"openai/{name}") or {}
        if not row.get("supports_parallel_function_calling", True):
            left.pop("parallel_tool_calls", None)
    return left
