"""The keys of models: which are read from a project's ``.env``, which is sent where, and that no message shows one.

A project may come from anybody, the keys are the user's. So a project's files choose among addresses that keys go to anyway, and
every other pair of key and address is confirmed outside of the project.
"""

from __future__ import annotations

import os
import re
import shlex
import traceback
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from phrasing import trust
from phrasing.errors import CompletionError, ModelError, UserError
from phrasing.models.blanking import BLANK, Blanks, blanks
from phrasing.models.provider import Complete, Provider, provider_of
from phrasing.suite.schema import ModelSpec
from phrasing.types import Completion, Request

NO_KEY = "none"
"""Sent as the key to a server that needs none. The provider's own key never goes to another address."""

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

_CLOUDS = {"bedrock": "AWS_", "bedrock_mantle": "AWS_", "sagemaker": "AWS_", "sagemaker_chat": "AWS_", "vertex_ai": "GOOGLE_"}
"""How the variables of credentials begin that a cloud's own tools read, by provider."""

# Only what every library reads alike: no user, no escapes, no other alphabets.
_ORIGIN = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(?=[/?#]|$)", re.IGNORECASE)
_KEYLIKE = re.compile(r"\b(?:sk|pk|gsk|xai|AIza)[-_]?[\w*-]{6,}|(?<=Bearer )\S+|(?<=[Kk]ey provided: )\S+")
_SENDABLE = re.compile(r"[!-~]+")
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)


def own(provider: str) -> tuple[str, ...]:
    """Name the variables that hold a provider's own key."""
    return _OTHERS.get(provider, (f"{provider.upper().replace('-', '_')}_API_KEY",))


def own_of(spec: ModelSpec) -> tuple[str, ...]:
    """Name the variables of the key that goes with a model which isn't asked at an address of its own; else none."""
    return () if spec.api_base or spec.api_key_env else provider_of(spec.id).keys(spec)


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


def refusal(variable: str, provider: str, address: str | None, environ: Mapping[str, str], *, own: Collection[str]) -> str | None:
    """Say why a variable may not go to an address (``None``: the provider's), or return ``None`` if it may.

    ``own`` are the variables that hold the provider's own key, which goes to the provider. Any key goes to this machine. All
    else the user confirms: in ``environ``, which must be the user's, without anything that a project's file says; or once, in
    the configuration. If there is somebody to ask, that is done here.
    """
    if address is None:
        target = provider
        if variable in own:
            return None
    else:
        place = origin(address)
        if place is None:
            return f"{variable} goes only to an address such as https://host:8000/v1, not to {address!r}"
        target = place
        if re.sub(r"^https?://|:\d+$", "", place).strip("[]") in HERE:
            return None
    wanted, what = f"{variable}={target}", f"the value of {variable} would go to {target}"
    if wanted in map(_pair, environ.get(TRUSTED, "").split()):
        return None
    if trust.key_may_go(wanted, f"{what[0].upper()}{what[1:]}. Allow that, from now on?"):
        return None
    return f"{what}, which nobody has confirmed; if it may: phrasing trust add {shlex.quote(wanted)}"


def pair(text: str) -> str:
    """Read a pair ``VARIABLE=place`` as it is kept. Raises ``ModelError`` for one that could confirm nothing."""
    variable, _, target = text.partition("=")
    place = origin(target) or (re.fullmatch(r"[a-z0-9_.-]+", target) and target)
    if not place or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
        raise ModelError(f"{text!r} is no pair of a variable and a place, such as MY_KEY=https://host:8000 or MY_KEY=openai")
    return f"{variable}={place}"


def _pair(text: str) -> str:
    variable, _, target = text.partition("=")
    return f"{variable}={origin(target) or target}"


# ---------------------------------------------------------------------------------------------- what is read


def read_env(root: Path, specs: Iterable[ModelSpec], environ: Mapping[str, str]) -> dict[str, str]:
    """Read from ``root/.env`` the keys of these models that ``environ`` lacks: nothing else, least of all an address.

    Raises ``ModelError`` where it names an address, or another setting that a model needs: to ignore it would ask elsewhere than
    is meant.
    """
    found: dict[str, str] = {}
    file = _dotenv(root / ".env")
    for spec in specs if file else ():
        if spec.api_key_env:
            found |= wanted(file, [spec.api_key_env], environ)
        if spec.api_base:
            continue
        provider = provider_of(spec.id)
        if not spec.api_key_env:
            found |= wanted(file, provider.keys(spec), environ)
        if unread := [name for name in provider.settings(spec) if name in file and name not in environ]:
            raise ModelError(
                f"model {spec.label!r}: {' and '.join(dict.fromkeys(unread))} can't come from .env, from which only keys of "
                "models are read; set it in the environment, or take it out",
                where=str(root / ".env"),
            )
    return found


def _dotenv(path: Path) -> dict[str, str]:
    """Read a ``.env`` file as it stands: filling in ``${NAME}`` would let it copy any variable into a key."""
    from dotenv import dotenv_values

    try:
        return {name: value for name, value in dotenv_values(path, interpolate=False).items() if value}
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"can't be read: {getattr(error, 'strerror', None) or 'not UTF-8'}", where=str(path)) from None


# ---------------------------------------------------------------------------------------------- what is checked and sent


def ready(specs: Sequence[ModelSpec], *, project: Path) -> dict[str, str]:
    """Check the keys of models against the process's own environment; give those that only the project's ``.env`` has."""
    found = read_env(project, specs, os.environ)
    check_keys(specs, os.environ, found)
    return found


def check_keys(specs: Iterable[ModelSpec], environ: Mapping[str, str], found: Mapping[str, str] | None = None) -> None:
    """Raise ``ModelError`` for each model that lacks its key, or would send one where it mustn't go, before anything is sent.

    ``environ`` is the user's; ``found`` are the keys that ``read_env`` found, which confirm nothing.
    """
    problems = [problem for spec in specs if (problem := _key_problem(spec, environ, found or {}))]
    if problems:
        raise ModelError("; ".join(f"model {problem}" for problem in problems))


def notes(specs: Iterable[ModelSpec], project: Path, environ: Mapping[str, str]) -> list[str]:
    """Say what is yet to be set before these models can be asked. What is wrong with ``.env`` is a note too."""
    try:
        found = read_env(project, specs := list(specs), environ)
    except ModelError as error:
        return [str(error)]
    return [f"model {problem}" for spec in specs if (problem := _key_problem(spec, environ, found))]


def _key_problem(spec: ModelSpec, environ: Mapping[str, str], found: Mapping[str, str]) -> str | None:
    provider, name = provider_of(spec.id), spec.api_key_env
    problem = provider.problem(spec)
    if problem is None and name and (receiver := provider.receiver(spec)):
        problem = refusal(name, receiver, spec.api_base, environ, own=provider.keys(spec))
    if problem is None:
        usable = (name,) if name else () if spec.api_base else provider.keys(spec)
        held = {one: value for one in usable if (value := environ.get(one) or found.get(one))}
        problem = next((_unsendable(one) for one, value in held.items() if not _SENDABLE.fullmatch(value)), None)
        problem = problem or (None if held else _no_key(provider, spec))
    return f"{spec.label!r}: {problem}" if problem else None


def _unsendable(name: str) -> str:
    return f"the value of {name} holds what no header can, such as a blank or a line's end; set it anew"


def _no_key(provider: Provider, spec: ModelSpec) -> str | None:
    """Say which variable to set; ``None`` where no key is needed."""
    if spec.api_key_env:
        return f"no key: set {spec.api_key_env} in the environment or in .env"
    names = () if spec.api_base else provider.missing(spec)
    return f"no key for {provider.receiver(spec)}: set {' or '.join(names)} in the environment or in .env" if names else None


def key_to_send(spec: ModelSpec, environ: Mapping[str, str]) -> str | None:
    """Give the key that goes with a request; ``None``: the provider's own, which the client library finds."""
    if spec.api_key_env:
        return environ.get(spec.api_key_env) or NO_KEY  # empty, the library would look elsewhere
    if spec.api_base:
        return NO_KEY
    # one that only the project's .env has is set nowhere, so no library finds it
    own = provider_of(spec.id).keys(spec)
    return next((environ[name] for name in own if environ.get(name) and name not in os.environ), None)


def about_key(spec: ModelSpec, environ: Mapping[str, str]) -> str:
    """Say which key was refused, or which to set."""
    names = (spec.api_key_env,) if spec.api_key_env else own_of(spec)
    if not names:
        return "no key was sent; name its variable as api_key_env"
    used = next((name for name in names if environ.get(name)), None)
    return f"the key in {used} was refused" if used else f"no key; set {names[0]}"


# ---------------------------------------------------------------------------------------------- what comes back


def in_use(provider: Provider, spec: ModelSpec, environ: Mapping[str, str]) -> dict[str, str]:
    """Give the variables whose values go with a model's requests: its key, or all that its provider may take for one."""
    if spec.api_key_env:
        names = {spec.api_key_env}
    elif spec.api_base:
        names = set()
    else:
        receiver = provider.receiver(spec)
        prefix = _CLOUDS.get(receiver, f"{receiver.upper()}_") if receiver else None
        likely = [name for name in environ if prefix and name.startswith(prefix) and _SECRET_NAME.search(name)]
        names = {*provider.keys(spec), *likely}
    return {name: environ[name] for name in sorted(names) if environ.get(name)}


def guarded(complete: Complete, provider: Provider, spec: ModelSpec, environ: Mapping[str, str]) -> Complete:
    """Blank the keys of a model in all that comes back of it, answers and errors alike, before anybody reads or keeps it.

    A request that holds one isn't sent: what is sent is kept as it is, and a key is nothing that a prompt should have. That
    raises ``ModelError``.
    """
    used = in_use(provider, spec, environ)
    keys = blanks(tuple(used.values()))

    async def ask(request: Request) -> Completion:
        sent = [request.messages, request.tools, request.response_format, request.params]
        if keys.within(sent):
            held = next(name for name, value in used.items() if blanks((value,)).within(sent))
            raise ModelError(f"model {spec.label!r}: a request holds the value of {held}, so it wasn't sent; take it out")
        try:
            answer: Completion = keys.value(await complete(request))
        except (CompletionError, UserError) as error:
            error.args = (scrub(str(error), environ, spec, keys),)
            raise
        except Exception as error:  # a mistake in somebody's code, whose traceback is printed
            if not keys.within("".join(traceback.format_exception(error))):
                raise
            raise RuntimeError(f"{type(error).__name__}: {scrub(str(error), environ, spec, keys)}") from None
        return answer

    return ask


def scrub(text: str, environ: Mapping[str, str], spec: ModelSpec, keys: Blanks | None = None) -> str:
    """Blank out every key of a message: the model's, the values of variables that are named like one, what looks like one."""
    if keys is None:
        keys = blanks((environ.get(spec.api_key_env or "", ""),))
    text = keys.said(text)
    for name, value in environ.items():
        if len(value) >= 6 and (_SECRET_NAME.search(name) or name == spec.api_key_env):
            text = text.replace(value, BLANK)
    return _KEYLIKE.sub(BLANK, text)
