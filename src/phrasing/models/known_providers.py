"""What litellm knows of providers, without importing it (seconds): their names, the variables they need, whose model a name is.

A test holds all of it against the installed litellm, so an upgrade that knows more fails there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

from phrasing.models import prices

_NEEDING_THEIR_KEY = """
ai21 anthropic baseten cerebras codestral cohere dashscope deepinfra deepseek edenai featherless_ai fireworks_ai groq huggingface
inception infinity mistral modelscope moonshot nadir nebius nlp_cloud novita nvidia_nim openai openrouter qwen_ai_platform
qwencloud replicate tencent vercel_ai_gateway volcengine voyage wandb xai
"""

NEEDS: Mapping[str, tuple[str, ...]] = {
    **{provider: (f"{provider.upper()}_API_KEY",) for provider in _NEEDING_THEIR_KEY.split()},
    "ai21_chat": ("AI21_API_KEY",),
    "azure": ("AZURE_API_BASE", "AZURE_API_VERSION", "AZURE_API_KEY"),
    "bedrock": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "cloudflare": ("CLOUDFLARE_API_KEY", "CLOUDFLARE_API_BASE"),
    "datarobot": ("DATAROBOT_API_TOKEN",),
    "gemini": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "ollama": ("OLLAMA_API_BASE",),
    "ollama_chat": ("OLLAMA_API_BASE",),
    "perplexity": ("PERPLEXITYAI_API_KEY",),
    "sagemaker": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    "text-completion-codestral": ("CODESTRAL_API_KEY",),
    "text-completion-inception": ("INCEPTION_API_KEY",),
    "together_ai": ("TOGETHERAI_API_KEY",),
    "vertex_ai": ("VERTEXAI_PROJECT", "VERTEXAI_LOCATION"),
}
"""The variables that litellm asks for where they, and what may stand for them, aren't all there."""

_AWS = (
    ("AWS_ROLE_ARN",),
    ("AWS_PROFILE",),
    ("AWS_WEB_IDENTITY_TOKEN_FILE",),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI",),
)
ENOUGH: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "anthropic": (("ANTHROPIC_AUTH_TOKEN",),),
    "bedrock": _AWS,
    "cloudflare": (("CLOUDFLARE_API_KEY", "CLOUDFLARE_ACCOUNT_ID"),),
    "fireworks_ai": (("FIREWORKS_API_KEY",), ("FIREWORKSAI_API_KEY",), ("FIREWORKS_AI_TOKEN",)),
    "gemini": (("GOOGLE_API_KEY",), ("GEMINI_API_KEY",)),
    "qwen_ai_platform": (("DASHSCOPE_API_KEY",),),
    "qwencloud": (("DASHSCOPE_API_KEY",),),
    "sagemaker": _AWS,
}
"""Variables that stand for those: any of these groups is enough."""

_NEEDING_NOTHING = """
a2a a2a_agent abliteration aihubmix aiml aiohttp_openai amazon_nova anthropic_text apertis assemblyai auto_router aws_polly
aws_textract azure_ai azure_speech azure_text bedrock_mantle black_forest_labs bytez charity_engine chatgpt chutes clarifai
cognition cohere_chat cometapi compactifai cortecs crusoe cursor custom custom_openai darkbloom databricks deepgram
docker_model_runner dotprompt elevenlabs empiriolabs empower fal_ai friendliai galadriel gdc gigachat github github_copilot gmi
gradient_ai helicone heroku hosted_vllm humanloop hyperbolic jina_ai lambda_ai langflow langfuse langgraph lemonade libertai
litellm_agent litellm_proxy llamafile llamagate lm_studio manus maritalk meta meta_llama milvus minimax mongodb morph nano-gpt
neosantara nscale nvidia_riva oci oobabooga openai_like ovhcloud parasail petals pg_vector pinstripes poe predibase prism publicai
ragflow recraft reducto reka runwayml s3_vectors sagemaker_chat sagemaker_nova sail sambanova sap sarvam scaleway scx-ai snowflake
soniox stability strands_decider synthetic tensormesh text-completion-openai topaz transcribe triton typesafe v0 valkey veniceai
vertex_ai_beta vllm watsonx watsonx_text xiaomi_mimo xinference zai
"""

NAMES = frozenset({*NEEDS, *_NEEDING_NOTHING.split()})
"""The providers, by what ids of their models begin with."""

_WITHOUT_PREFIX = {
    **{name: name for name in ("anthropic", "bedrock", "cohere", "cohere_chat", "nlp_cloud", "openai", "text-completion-openai")},
    "ai21": "ai21_chat",
    "bedrock_converse": "bedrock",
    "vertex_ai": "vertex_ai",
}
"""Providers whose models are known by their names alone, as the price map calls them, and as litellm does."""

_SHAPED = (
    (re.compile(r"ft:gpt-(3\.5-turbo|4)|^gpt-image"), "openai"),
    (re.compile(r"^(?:[a-z-]+\.)?anthropic\.claude-"), "bedrock"),
    (re.compile(r"^claude-[a-z]+-\d+(?:[-.]\d+)?(?:-\d{8})?$"), "anthropic"),
)
"""Names that the map need not have: what they look like says whose they are."""


def provider_named(id: str) -> str | None:
    """Name the provider of a model: by what its id begins with, or where that is no provider's, by the price map."""
    prefix, slash, name = id.partition("/")
    if slash and prefix in NAMES:
        return _finer(prefix, name)
    listed = str((prices.load()[0].get(id) or {}).get("litellm_provider"))
    found = _WITHOUT_PREFIX.get("vertex_ai" if listed.startswith("vertex_ai-") else listed)
    return _finer(found, id) if found else next((provider for shape, provider in _SHAPED if shape.search(id)), None)


def _finer(provider: str, name: str) -> str:
    """Tell apart two ways to ask one provider: old models of Anthropic's complete text, Cohere's newer ones chat."""
    if provider == "anthropic" and name in ("claude-2", "claude-instant-1"):
        return "anthropic_text"
    if provider == "cohere" and (prices.load()[0].get(name) or {}).get("litellm_provider") == "cohere_chat":
        return "cohere_chat"
    return provider


def missing(provider: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Name the variables that a provider needs and ``environ`` lacks, a key among them: all, where what is there isn't enough."""
    needs = NEEDS.get(provider, ())
    enough = (needs, *ENOUGH.get(provider, ()))
    return () if any(all(name in environ for name in group) for group in enough) else needs


def unknown_provider(id: str) -> str:
    """Say that a model's provider isn't known, and which may be meant."""
    prefix, slash, name = id.partition("/")
    near = get_close_matches(prefix.lower(), sorted(NAMES), n=1) if slash else []
    hint = f" (did you mean '{near[0]}/{name}'?)" if near else ""
    return f"{id!r} names no known provider{hint}; write provider/model, such as openai/gpt-4.1-mini"
