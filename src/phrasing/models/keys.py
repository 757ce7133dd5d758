"""Which keys are read from a project's ``.env``, and where a key may go. Values in, values out; ``models`` does the asking.

A project may come from anybody, the keys are the user's. So a project's files choose among addresses that keys go to anyway, and
every other pair of key and address is confirmed outside of the project.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping

TRUSTED = "PHRASING_TRUSTED_HOSTS"
"""The variable that confirms: pairs ``VARIABLE=https://host`` or ``VARIABLE=provider``, between blanks."""

ADDRESSED = ("anthropic", "azure", "gemini", "hosted_vllm", "lm_studio", "mistral", "ollama", "ollama_chat", "openai")
"""Providers that may have an ``api_base``: litellm sends there the key it is given, and no credential that it finds."""

HERE = ("127.0.0.1", "localhost", "::1")
"""Hosts that get any key: what listens there was started by the user, and the key stays on the machine."""

_OTHERS = {
    "ai21_chat": ("AI21_API_KEY",),
    "anthropic_text": ("ANTHROPIC_API_KEY",),
    "azure_text": ("AZURE_API_KEY",),
    "cohere_chat": ("COHERE_API_KEY",),
    "datarobot": ("DATAROBOT_API_TOKEN",),
    "fireworks_ai": ("FIREWORKS_AI_API_KEY", "FIREWORKS_API_KEY"),
    "gemini": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "huggingface": ("HUGGINGFACE_API_KEY", "HF_TOKEN"),
    "ollama_chat": ("OLLAMA_API_KEY",),
    "perplexity": ("PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"),
    "text-completion-codestral": ("CODESTRAL_API_KEY",),
    "text-completion-inception": ("INCEPTION_API_KEY",),
    "text-completion-openai": ("OPENAI_API_KEY",),
    "together_ai": ("TOGETHERAI_API_KEY", "TOGETHER_AI_API_KEY"),
}
"""Key variables of providers that litellm doesn't call ``<PROVIDER>_API_KEY``."""

# Only what every library reads alike: no user, no escapes, no other alphabets.
_ORIGIN = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(?=[/?#]|$)", re.IGNORECASE)


def own(provider: str) -> tuple[str, ...]:
    """Name the variables that hold a provider's own key."""
    return _OTHERS.get(provider, (f"{provider.upper().replace('-', '_')}_API_KEY",))


def addresses(provider: str) -> tuple[str, ...]:
    """Name the variables by which litellm asks a provider at another address."""
    name = provider.upper().replace("-", "_")
    return f"{name}_API_BASE", f"{name}_BASE_URL"


def wanted(file: Mapping[str, str], names: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Take from a file the variables of one key; none if the environment has one of them."""
    names = tuple(names)
    return {} if any(name in environ for name in names) else {name: file[name] for name in names if name in file}


def origin(url: str) -> str | None:
    """Name scheme, host and port of an address alike, however it is written; ``None`` if there could be doubt about the host."""
    found = _ORIGIN.match(url)
    if found is None:
        return None
    scheme, host, port = found[1].lower(), found[2].lower(), found[3]
    usual = {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{host}" if port is None or int(port) == usual else f"{scheme}://{host}:{int(port)}"


def refusal(variable: str, provider: str, address: str | None, environ: Mapping[str, str]) -> str | None:
    """Say why a variable may not go to an address (``None``: the provider's), or return ``None`` if it may.

    A provider's own key goes to the provider, any key to this machine. All else is confirmed in ``environ``, which must be the
    user's, without anything that a project's file says.
    """
    if address is None:
        target = provider
        if variable in own(provider):
            return None
    else:
        place = origin(address)
        if place is None:
            return f"{variable} goes only to an address such as https://host:8000/v1, not to {address!r}"
        target = place
        if re.sub(r"^https?://|:\d+$", "", place).strip("[]") in HERE:
            return None
    pairs = environ.get(TRUSTED, "").split()
    if f"{variable}={target}" in [_pair(pair) for pair in pairs]:
        return None
    line = f"export {TRUSTED}={shlex.quote(' '.join([*pairs, f'{variable}={target}']))}"
    return f"the value of {variable} would go to {target}, which nobody has confirmed; if it may: {line}"


def _pair(text: str) -> str:
    variable, _, target = text.partition("=")
    return f"{variable}={origin(target) or target}"
