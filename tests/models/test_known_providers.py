"""The tables of providers and hosts against the installed litellm: names, needed variables, whose a name is, and addresses."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys

import pytest

from phrasing.models import prices
from phrasing.models.hosts import HOSTS, host_of
from phrasing.models.keys import own
from phrasing.models.known_providers import ENOUGH, NAMES, NEEDS, missing, provider_named, unknown_provider
from phrasing.models.litellm import load
from phrasing.suite.schema import ModelSpec

pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")

ASKS_THE_NETWORK = {"github_copilot", "chatgpt"}
"""Providers for which litellm logs in when it is asked who they are."""


@pytest.fixture
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave of the environment nothing that a provider could be asked with."""
    load()
    for name in os.environ:
        if re.search(r"_(KEY|TOKEN|BASE|URL|PROJECT|LOCATION|PROFILE|ARN)$|^AWS_", name):
            monkeypatch.delenv(name)


def litellms(id: str) -> str | None:
    litellm = load()
    try:
        return str(litellm.get_llm_provider(id)[1])
    except litellm.exceptions.BadRequestError:
        return None


def test_the_names_are_litellms() -> None:
    from litellm.llms.openai_like.json_loader import JSONProviderRegistry

    listed = {str(getattr(name, "value", name)) for name in load().provider_list}
    assert {*listed, *JSONProviderRegistry.list_providers()} == NAMES


@pytest.mark.usefixtures("no_variables")
@pytest.mark.parametrize("provider", sorted(NAMES - ASKS_THE_NETWORK))
def test_what_a_provider_needs_is_what_litellm_misses(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    id, needs = f"{provider}/x", NEEDS.get(provider, ())
    validate = load().validate_environment
    assert provider_named(id) == provider
    assert litellms(id) == (provider if provider != "ragflow" else None)  # its ids have a form of their own
    groups = [needs, *ENOUGH.get(provider, ())]
    names = sorted({*itertools.chain(*groups), *own(provider)})
    tried = [(), *groups, *((name,) for name in names), *itertools.combinations(names, 2)]
    for held in dict.fromkeys(tried):
        with monkeypatch.context() as environ:
            for name in held:
                environ.setenv(name, "x")
            assert missing(provider, os.environ) == tuple(validate(id)["missing_keys"]), held


@pytest.mark.usefixtures("no_variables")
def test_whose_a_name_is_is_what_litellm_says() -> None:
    rows = prices.load()[0]
    names = [name for name, row in rows.items() if not ASKS_THE_NETWORK & {name.partition("/")[0], row.get("litellm_provider")}]
    more = "claude-2 anthropic/claude-2 anthropic/claude-instant-1 cohere/command-r7b-12-2024 cohere/other x x/y gpt-99 / "
    more += "ft:gpt-4o-mini:me ft:gpt-4.1-mini:me::1 claude-newfamily-9 eu.anthropic.claude-newfamily-9"
    found = {name: (provider_named(name), litellms(name)) for name in [*names, *more.split(), ""]}
    assert {name: pair for name, pair in found.items() if pair[0] != pair[1]} == {
        "azure/mistral-large-latest": ("azure", "openai"),  # as if it had an api_base
        "ft:o4-mini-2025-04-16": ("openai", None),  # the map says so
    }
    assert len(names) > 2000


@pytest.mark.usefixtures("no_variables")
@pytest.mark.parametrize("name", HOSTS)
def test_a_host_is_where_litellm_asks_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    litellm, host = load(), HOSTS[name]
    if name in ("openai", "openrouter"):  # for these two it says nothing; what it does is tested in test_direct.py
        return
    assert litellm.get_llm_provider(f"{name}/x")[3] == host.base
    (variable,) = host.addresses
    monkeypatch.setenv(variable, "http://there/v1")
    assert litellm.get_llm_provider(f"{name}/x")[3] == "http://there/v1"


@pytest.mark.parametrize("name", HOSTS)
def test_a_host_lacks_what_litellm_says(name: str) -> None:
    supported = load().get_supported_openai_params(f"{name}/some-model")
    assert HOSTS[name].lacks == {"seed", "parallel_tool_calls"} - set(supported)


@pytest.mark.slow
def test_openais_models_that_litellm_asks_otherwise_are_left_to_it() -> None:
    from litellm.main import responses_api_bridge_check

    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    direct = set()
    for name, row in prices.load()[0].items():
        if row.get("litellm_provider") != "openai" or "/" in name:
            continue
        bridged = responses_api_bridge_check(name, "openai", tools=tools)[0].get("mode") != "chat"
        if host_of(ModelSpec(label="x", id=f"openai/{name}")):
            direct.add(name)
            assert not bridged, name
    assert {"gpt-4.1", "gpt-4o-mini", "gpt-5-mini", "o3"} <= direct
    assert len(direct) > 40


@pytest.mark.parametrize(
    ("id", "hint"),
    [
        ("opanai/x", " (did you mean 'openai/x'?)"),
        ("Anthropic/x", " (did you mean 'anthropic/x'?)"),
        ("qqqq/x", ""),
        ("opanai", ""),
    ],
)
def test_an_unknown_provider_may_be_a_slip(id: str, hint: str) -> None:
    assert unknown_provider(id) == f"{id!r} names no known provider{hint}; write provider/model, such as openai/gpt-4.1-mini"


def test_whose_a_model_is_and_what_it_needs_is_known_without_a_client() -> None:
    program = """
import sys
from pathlib import Path
from phrasing.models import keys
from phrasing.suite.schema import ModelSpec
specs = [ModelSpec(label=id, id=id) for id in ("opanai/x", "openai/gpt-4.1", "gpt-4.1", "anthropic/c", "bedrock/c", "groq/x")]
assert len(keys.notes(specs, Path("nowhere"), {})) == 5
heavy = {"litellm", "openai", "httpx", "aiohttp"} & sys.modules.keys()
assert not heavy, heavy
"""
    held = {name: value for name, value in os.environ.items() if not re.search(r"_KEY$|^AWS_", name)}
    subprocess.run([sys.executable, "-c", program], check=True, env=held)
