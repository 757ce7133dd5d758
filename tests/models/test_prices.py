"""Prices: those of the suite, else of litellm's own map, as litellm itself finds them there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from phrasing.errors import ModelError
from phrasing.models import prices
from phrasing.models.prices import Price, dollars
from phrasing.models.provider import provider_of
from phrasing.suite.schema import ModelSpec


@pytest.mark.parametrize(
    ("given", "price"),
    [
        ({"id": "openai/gpt-4.1-mini"}, Price(0.4, 1.6, 0.1)),
        ({"id": "gpt-4.1-mini"}, Price(0.4, 1.6, 0.1)),
        ({"id": "anthropic/claude-haiku-4-5"}, Price(1, 5, 0.1, 1.25, 4096)),
        ({"id": "bedrock/converse/mistral.mistral-large-2402-v1:0"}, Price(4, 12)),
        ({"id": "bedrock/us-east-1/mistral.mistral-large-2402-v1:0"}, Price(4, 12)),
        ({"id": "bedrock/eu-west-3/mistral.mistral-large-2402-v1:0"}, Price(5.2, 15.6)),
        ({"id": "anthropic/gpt-4.1-mini"}, None),
        ({"id": "open/gpt-4.1-mini"}, None),
        ({"id": "openai/nobody-knows"}, None),
        ({"id": "openai/nobody-knows", "price": {"prompt": 3, "completion": 4}}, Price(3, 4)),
        ({"id": "openai/gpt-4.1-mini", "price": {"prompt": 3, "completion": 4, "cached": 1}}, Price(3, 4, 1)),
        ({"id": "openai/gpt-4.1-mini", "api_base": "http://h/v1"}, None),
        ({"id": "local/tiny"}, Price(0, 0, 0)),
    ],
    ids=[
        *(
            "openai",
            "plain",
            "anthropic",
            "route",
            "region",
            "dear region",
            "another's",
            "part of a provider",
            "unknown",
            "given",
        ),
        *("given cached", "another's server", "embedded"),
    ],
)
def test_a_price_is_known_or_none(given: dict[str, Any], price: Price | None) -> None:
    spec = ModelSpec.model_validate(given)
    found = provider_of(spec.id).price(spec)
    assert (found and vars(found)) == (price and pytest.approx(vars(price)))


def test_tokens_cost_by_where_they_were() -> None:
    known, bare = Price(1.0, 4.0, 0.1, 1.25), Price(1.0, 4.0)
    assert dollars(known, prompt=1000, completion=10) == pytest.approx((1000 + 40) / 1e6)
    assert dollars(known, prompt=1000, cached=600, written=300) == pytest.approx((100 + 60 + 375) / 1e6)
    assert dollars(bare, prompt=1000, cached=600, written=300) == pytest.approx(1000 / 1e6)


def test_the_map_is_named() -> None:
    name, digest = prices.source().split(" (price map ")
    assert name.startswith("litellm 1.")
    assert len(digest.rstrip(")")) == 12


def test_finding_a_price_doesn_t_import_litellm() -> None:
    program = """
import sys
from phrasing.models.provider import provider_of
from phrasing.suite.schema import ModelSpec
assert provider_of("openai/gpt-4.1-mini").price(ModelSpec(id="openai/gpt-4.1-mini", label="x"))
assert "litellm" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(("text", "state"), [(None, "missing"), ("{", "damaged"), ("[]", "damaged"), ("\udcff", "damaged")])
def test_a_map_that_can_t_be_read(tmp_path: Path, text: str | None, state: str) -> None:
    file = tmp_path / prices.MAP
    if text is not None:
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelError, match=f"the price map litellm/{prices.MAP} is {state}; pip install"):
        prices.load(file)


@pytest.mark.slow
def test_prices_are_those_that_litellm_finds() -> None:
    # import litellm costs seconds, and must not look for a newer map
    program = """
import os
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm
from phrasing.models import prices
from phrasing.suite.schema import ModelSpec
litellm.suppress_debug_info = True
both = 0
for name, row in prices.load()[0].items():
    provider = str(row.get("litellm_provider"))
    if row.get("mode") != "chat" or "copilot" in provider or provider == "chatgpt":  # these ask the network
        continue
    if "off_peak_pricing" in row:  # litellm looks at the clock
        continue
    prefix = provider.replace("bedrock_converse", "bedrock").partition("-")[0]
    between = ("converse", "eu-west-3") if prefix == "bedrock" and "/" not in name else ()
    for named in (name, f"{prefix}/{name}", *(f"bedrock/{where}/{name}" for where in between)):
        ours = prices.listed(ModelSpec(id=named, label="x"))
        for cached in (0, 600):
            try:
                theirs = sum(litellm.cost_per_token(named, 1000, 100, cache_read_input_tokens=cached))
            except Exception:  # a provider that litellm can't ask
                continue
            if ours is None:  # tiers alone, or a price by the second
                assert not theirs or not row.get("input_cost_per_token"), named
                continue
            # for these two litellm charges something of its own for cached tokens, whatever the map says
            if not cached or prefix not in ("perplexity", "fireworks_ai"):
                both += 1
                own = prices.dollars(ours, prompt=1000, cached=cached, completion=100)
                assert abs(own - theirs) < 1e-6 * theirs + 1e-12, named
print(both)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) > 9000
