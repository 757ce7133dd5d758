"""Whose keys go where: what of ``.env`` is read, what a suite can't redirect, and what a user confirms."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import re
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.cli.common import MISTAKE
from phrasing.errors import CompletionError, ModelError
from phrasing.models import keys
from phrasing.models.client import Client, Retry
from phrasing.models.keys import check_keys, read_env
from phrasing.models.litellm import load
from phrasing.models.provider import provider_of
from phrasing.suite.schema import ModelSpec, Suite
from phrasing.types import Completion, Request
from support.fault_server import answer
from support.tiny_commands import call
from support.tiny_runs import cache, serving, world

__all__ = ["cache"]

pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")

ASK = ({"role": "user", "content": "what next?"},)
SAID = answer(json.dumps({"intent": "finish"}))
FOREIGN = "https://llm.example.com"


def spec(**given: Any) -> ModelSpec:
    return ModelSpec.model_validate({"id": "openai/gpt-4.1-mini", **given})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny project, and the working folder in it; of keys and addresses, the environment holds what a test sets."""
    world(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PHRASING_CONFIG_DIR", str(tmp_path / "config"))
    for name in os.environ:
        if re.search(r"_API_KEY$|_API_BASE$|_BASE_URL$|^AWS_|^PHRASING_TRUSTED|(?i:_proxy)$", name):
            monkeypatch.delenv(name)
    return tmp_path


def refused(*specs: ModelSpec, environ: dict[str, str], found: dict[str, str] | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        check_keys(specs, environ, found)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---------------------------------------------------------------------------------------------- which are missing


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_keys")
@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"id": "openai/gpt-4.1"}, "model 'gpt-4.1': no key for openai: set OPENAI_API_KEY in the environment or in .env"),
        ({"id": "anthropic/claude-haiku-4-5", "label": "haiku"}, "model 'haiku': no key for anthropic: set ANTHROPIC_API_KEY"),
        ({"id": "gemini/gemini-2.5-flash"}, "set GOOGLE_API_KEY or GEMINI_API_KEY"),
        (
            {"id": "openai/x", "api_base": "http://[::1]/v1", "api_key_env": "MINE"},
            "model 'x': no key: set MINE in the environment",
        ),
        ({"id": "bogus/x"}, "model 'x': 'bogus/x' names no known provider; write provider/model"),
    ],
    ids=["openai", "anthropic", "either of two", "own variable", "no provider"],
)
def test_a_missing_key_is_named_before_anything_is_sent(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ModelError) as caught:
        check_keys([ModelSpec.model_validate(given)], {})
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("no_keys")
@pytest.mark.parametrize(
    ("given", "environ"),
    [
        ({"id": "openai/gpt-4.1"}, {"OPENAI_API_KEY": "x"}),
        ({"id": "gemini/gemini-2.5-flash"}, {"GEMINI_API_KEY": "x"}),
        ({"id": "openai/x", "api_base": "http://h/v1"}, {}),
        ({"id": "local/tiny"}, {}),
        ({"id": "ollama/llama3"}, {}),
    ],
    ids=["key", "one of two", "own server", "embedded", "daemon"],
)
def test_keys_that_are_there_or_aren_t_needed(given: dict[str, Any], environ: dict[str, str]) -> None:
    check_keys([ModelSpec.model_validate(given)], environ)


# ---------------------------------------------------------------------------------------------- what of .env is read


@pytest.mark.parametrize("name", ["OPENAI_BASE_URL", "OPENAI_API_BASE"])
def test_an_address_in_dotenv_gets_nothing(project: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "the user's own")
    world(project, models=["openai/gpt-4.1-mini"])
    with serving(SAID) as served:
        (project / ".env").write_text(f"{name}={served.url}/v1\n")
        done = call("run", "evals/small.yaml", code=MISTAKE)
    assert served.requests == []
    assert done.stderr.splitlines()[-1] == (
        f"error: .env: model 'gpt-4.1-mini': {name} can't come from .env, from which only keys of models are read; "
        "set it in the environment, or take it out"
    )
    assert name not in os.environ


def test_a_proxy_in_dotenv_sees_nothing(project: Path) -> None:
    with serving(SAID) as asked, serving(SAID) as foreign:
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy")
        (project / ".env").write_text("".join(f"{name}={foreign.url}\n" for name in names) + "NO_PROXY=example.com\n")
        there = asked.url.replace("127.0.0.1", "0.0.0.0")  # loopback itself never goes through a proxy
        world(project, models=[{"id": "openai/mine", "api_base": f"{there}/v1"}])
        call("run", "evals/small.yaml", "-n", "1", "-f", "lines")
    assert (len(asked.requests), foreign.requests) == (1, [])


def test_the_users_own_address_gets_the_key_from_dotenv(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".env").write_text("OPENAI_API_KEY=of-the-project\n")
    world(project, models=["openai/gpt-4.1-mini"])
    with serving(SAID) as served:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{served.url}/v1")
        call("run", "evals/small.yaml", "-n", "1", "-f", "lines")
    assert served.keys == ["Bearer of-the-project"]
    assert "OPENAI_API_KEY" not in os.environ  # a later run of another project mustn't find it


def test_the_environment_wins_over_dotenv(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".env").write_text("OPENAI_API_KEY=of-the-project\nMINE=of-the-project\n")
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-user")
    monkeypatch.setenv("MINE", "mine-of-the-user")
    with serving(SAID) as served:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{served.url}/v1")
        own = {"id": "openai/other", "api_base": f"{served.url}/v1", "api_key_env": "MINE"}
        world(project, models=["openai/gpt-4.1-mini", own])
        call("run", "evals/small.yaml", "-n", "1", "-f", "lines")
    assert sorted(served.keys) == ["Bearer mine-of-the-user", "Bearer of-the-user"]


KEYS = {
    "openai/gpt-4.1-mini": {"OPENAI_API_KEY"},
    "anthropic/claude-haiku-4-5": {"ANTHROPIC_API_KEY"},
    "gemini/gemini-2.5-flash": {"GEMINI_API_KEY", "GOOGLE_API_KEY"},
    "bedrock/anthropic.claude-3-haiku-20240307-v1:0": set(),
    "local/tiny": set(),
}
OTHERS = (
    "GITHUB_TOKEN HTTPS_PROXY OPENAI_PROXY SSL_CERT_FILE PATH LITELLM_MODE PHRASING_TRUSTED_HOSTS MINE AWS_REGION "
    "AWS_SESSION_TOKEN AZURE_API_KEY OPENAI_ORGANIZATION VERTEXAI_LOCATION OPENAI_API_KEY_2"
)
NAMES = st.sampled_from([*sorted(set().union(*KEYS.values())), *OTHERS.split()]) | st.from_regex(
    r"[A-Z]{1,8}(_API)?_(KEY|TOKEN|BASE|URL|HOST)", fullmatch=True
)


@given(
    ids=st.sets(st.sampled_from(sorted(KEYS)), min_size=1),
    env=st.dictionaries(NAMES, st.text("abc/:.$&{}", min_size=1), max_size=12),
    held=st.sets(NAMES, max_size=4),
    own=st.booleans(),
)
def test_only_keys_that_the_models_need_are_read(
    tmp_path_factory: pytest.TempPathFactory, ids: set[str], env: dict[str, str], held: set[str], own: bool
) -> None:
    root = tmp_path_factory.mktemp("project")
    (root / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in env.items()))
    specs = [spec(id=name) for name in sorted(ids)]
    specs += [spec(id="openai/mine", label="mine", api_base=FOREIGN, api_key_env="MINE")] if own else []
    load()  # litellm's own settings are none of a project's
    before = dict(os.environ)
    try:
        found = read_env(root, specs, dict.fromkeys(held, "x"))
    except ModelError:  # an address of one of them was made up
        assert any(re.fullmatch(r"(OPENAI|ANTHROPIC|GEMINI|BEDROCK)_(API_BASE|BASE_URL)", name) for name in env)
    else:
        wanted = [names for name, names in KEYS.items() if name in ids] + ([{"MINE"}] if own else [])
        needed = set().union(*[names for names in wanted if not names & held])
        assert found == {name: value for name, value in env.items() if name in needed}
    assert dict(os.environ) == before


def test_dotenv_copies_no_other_variable(project: Path) -> None:
    (project / ".env").write_text("OPENAI_API_KEY=${GITHUB_TOKEN}\n")
    environ = {"GITHUB_TOKEN": "ghp"}
    assert read_env(project, [spec()], environ) == {"OPENAI_API_KEY": "${GITHUB_TOKEN}"}


@pytest.mark.parametrize(
    ("model", "name"),
    [("azure/mine", "AZURE_API_BASE"), ("bedrock/amazon.nova-micro-v1:0", "AWS_ACCESS_KEY_ID"), ("ollama/x", "OLLAMA_API_BASE")],
)
def test_what_a_cloud_needs_beside_a_key_is_to_be_set_in_the_environment(project: Path, model: str, name: str) -> None:
    (project / ".env").write_text(f"{name}=http://127.0.0.1:9\n")
    with pytest.raises(ModelError, match=rf"{name} can't come from .env.*; set it in the environment, or take it out$"):
        read_env(project, [spec(id=model)], {})
    assert read_env(project, [spec(id=model)], {name: "x"}) == {}


def test_dotenv_that_is_no_text_is_one_line(project: Path) -> None:
    (project / ".env").write_bytes(b"OPENAI_API_KEY=\xff\n")
    with pytest.raises(ModelError, match=r"\.env: can't be read: not UTF-8$"):
        read_env(project, [spec()], {})


@pytest.mark.slow
def test_litellm_reads_no_dotenv_itself(tmp_path: Path) -> None:
    """It looks in every folder above its own, and where Python is interactive, above the working folder."""
    (tmp_path / ".env").write_text("OPENAI_BASE_URL=http://127.0.0.1:9\n")
    asked = "from phrasing.models.keys import check_keys; from phrasing.suite.schema import ModelSpec; "
    asked += "import os, sys; sys.ps1 = '>'; "
    asked += "check_keys([ModelSpec(label='x', id='ollama/x')], {}); print(os.environ.get('OPENAI_BASE_URL'))"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "LITELLM_"))}
    kept["PYTHONPATH"] = str(Path(keys.__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", asked], cwd=tmp_path, env=kept, capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"


# ---------------------------------------------------------------------------------------------- where a key may go


def test_any_variable_to_any_host_is_refused_before_anything_is_sent(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "ghp-of-the-user")
    with serving(SAID) as served:
        there = served.url.replace("127.0.0.1", "0.0.0.0")  # leads to the server, and is no host that gets keys unasked
        world(project, models=[{"id": "openai/mine", "api_base": f"{there}/v1", "api_key_env": "GITHUB_TOKEN"}])
        # a project can't confirm anything, even where it has its own file read
        (project / ".env").write_text(f"PHRASING_TRUSTED_HOSTS=GITHUB_TOKEN={there}\n")
        done = call("run", "evals/small.yaml", code=MISTAKE)
        assert served.requests == []
        monkeypatch.setenv("PHRASING_TRUSTED_HOSTS", f"GITHUB_TOKEN={there}")
        call("run", "evals/small.yaml", "-n", "1", "-f", "lines")
        assert served.keys == ["Bearer ghp-of-the-user"]
    assert done.stderr.splitlines()[-1] == (
        f"error: model 'mine': the value of GITHUB_TOKEN would go to {there}, which nobody has confirmed; "
        f"if it may: phrasing trust add GITHUB_TOKEN={there}"
    )


def test_what_the_message_says_confirms(project: Path) -> None:
    mine = [spec(label="a", api_base=f"{FOREIGN}/v1", api_key_env="MINE"), spec(label="b", api_key_env="GITHUB_TOKEN")]
    environ = {"MINE": "x", "GITHUB_TOKEN": "x"}
    for target in (f"MINE={FOREIGN}", "GITHUB_TOKEN=openai"):
        said = refused(*mine, environ=environ)
        assert f"if it may: phrasing trust add {target}" in said
        call("trust", "add", target)
    check_keys(mine, environ)
    call("trust", "remove", f"MINE={FOREIGN}")
    refused(*mine, environ=environ)
    check_keys([mine[0]], {**environ, "PHRASING_TRUSTED_HOSTS": "MINE=HTTPS://LLM.example.com:443/v1"})


@pytest.mark.parametrize(
    ("given", "confirmed"),
    [
        ({"api_base": FOREIGN, "api_key_env": "OPENAI_API_KEY"}, "MINE=https://llm.example.com"),  # its own key, elsewhere
        ({"api_base": FOREIGN, "api_key_env": "MINE"}, "OPENAI_API_KEY=https://llm.example.com"),
        ({"api_base": FOREIGN, "api_key_env": "MINE"}, "MINE=http://llm.example.com"),
        ({"api_base": FOREIGN, "api_key_env": "MINE"}, f"MINE={FOREIGN}:8443 MINE=llm.example.com MINE=openai MINE="),
        ({"api_base": f"{FOREIGN}.evil.example", "api_key_env": "MINE"}, f"MINE={FOREIGN}"),
        ({"api_base": "https://127.0.0.1.evil.example", "api_key_env": "MINE"}, ""),
        ({"api_base": "https://localhost@evil.example/", "api_key_env": "MINE"}, ""),
        ({"api_base": "https://localhost\\@evil.example/", "api_key_env": "MINE"}, ""),
        ({"api_base": f"{FOREIGN}\\.evil.example", "api_key_env": "MINE"}, f"MINE={FOREIGN}"),
        ({"api_key_env": "ANTHROPIC_API_KEY"}, ""),
    ],
)
def test_a_pair_that_is_not_confirmed_as_it_is_is_refused(given: dict[str, str], confirmed: str) -> None:
    environ = {"MINE": "x", "OPENAI_API_KEY": "x", "ANTHROPIC_API_KEY": "x", "PHRASING_TRUSTED_HOSTS": confirmed}
    said = refused(spec(**given), environ=environ)
    assert given["api_key_env"] in said
    assert "which nobody has confirmed" in said or "goes only to an address such as" in said
    refused(spec(**given), environ={"PHRASING_TRUSTED_HOSTS": confirmed}, found=environ)  # nor does a .env help


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"api_key_env": "OPENAI_API_KEY"},
        {"id": "gemini/gemini-2.5-flash", "api_key_env": "GOOGLE_API_KEY"},
        *({"api_base": f"http://{host}/v1", "api_key_env": "MINE"} for host in ("127.0.0.1:8000", "LOCALHOST", "[::1]:1")),
    ],
)
def test_a_providers_own_key_and_this_machine_need_no_word(given: dict[str, str]) -> None:
    check_keys([spec(**given)], {"OPENAI_API_KEY": "x", "GOOGLE_API_KEY": "x", "MINE": "x"})


@pytest.mark.parametrize("provider", ["vertex_ai", "bedrock", "gigachat", "github", "custom"])
def test_who_sends_credentials_that_nobody_named_has_no_other_address(provider: str) -> None:
    said = refused(spec(id=f"{provider}/x", api_base="http://127.0.0.1:9"), environ={})
    assert f"'{provider}/x' can't be asked at an api_base; write openai/<its name there>" in said


ACCOUNT = (
    *("OPENAI_ORGANIZATION", "OPENAI_ORG_ID", "OPENAI_PROJECT", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY", "OPENAI_WEBHOOK_SECRET"),
    *(
        "AZURE_OPENAI_API_KEY",
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_ID",
        "LITELLM_API_KEY",
        "LITELLM_MASTER_KEY",
        "HF_TOKEN",
        "GITHUB_TOKEN",
    ),
)
"""Variables by which a client library may say whose account it is."""


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # this machine, and one that isn't known for it
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("provider", keys.ADDRESSED)
def test_who_may_have_another_address_sends_no_key_there(
    provider: str, own: bool, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = ("API_KEY", "AUTH_TOKEN", "AD_TOKEN", "ACCESS_TOKEN", "TOKEN", "CLIENT_SECRET")
    for name in [*keys.own(provider), *(f"{provider.upper()}_{ending}" for ending in held), *ACCOUNT]:
        monkeypatch.setenv(name, "a-key-of-the-user")
    names = ("X-Mine", "Authorization", "authorization", "api-key", "x-api-key", "OpenAI-Organization")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "\n".join(f"{name}: a-key-of-the-user" for name in names))
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Mine: a-key-of-the-user")
    monkeypatch.setenv("MINE", "a-key-for-this-place")
    monkeypatch.setenv("PHRASING_TRUSTED_HOSTS", "")

    async def ask(asked: ModelSpec) -> None:
        async with Client([asked], retry=Retry(attempts=1)) as client:
            with contextlib.suppress(CompletionError):  # not all of them understand the answer
                await client.complete(Request(model=asked.id, api_base=asked.api_base, messages=ASK))

    with serving(SAID) as served:  # in a thread: litellm asks ollama something else too, and waits
        url = served.url.replace("127.0.0.1", host)
        asked = spec(id=f"{provider}/x", api_base=url, **({"api_key_env": "MINE"} if own else {}))
        check_keys([asked], {"MINE": "a-key-for-this-place", "PHRASING_TRUSTED_HOSTS": f"MINE={url}"})
        asyncio.run(ask(asked))
    assert served.requests
    assert "a-key-of-the-user" not in str([served.requests, served.headers, served.paths])
    assert ("a-key-for-this-place" in str([served.headers, served.paths])) is own


# ---------------------------------------------------------------------------------------------- what a suite may not steer


def test_an_id_holds_no_address() -> None:
    with pytest.raises(ValueError, match=r"'oobabooga/http://127\.0\.0\.1:9' holds an address; that is for api_base"):
        spec(id="oobabooga/http://127.0.0.1:9")
    assert spec(id="local/C://weights.gguf").id == "local/C://weights.gguf"


def test_no_parameter_of_litellm_names_an_address_or_a_key() -> None:
    import litellm
    from litellm.types.utils import all_litellm_params

    names = {*all_litellm_params, *inspect.signature(litellm.completion).parameters}
    names |= {"vertex_credentials", "vertex_location", "azure_ad_token", "aws_bedrock_runtime_endpoint", "gemini_api_key"}
    steering = r"(ur[li]|base|host|endpoint|headers?|key|token|secret|password|credentials?|provider|region|project)(_name|_id)?$"
    harmless = {"bos_token", "eos_token", "prompt_cache_key", "allowed_model_region"}
    for name in sorted(name for name in names if re.search(steering, name) and "_cost" not in name):
        if name in harmless:
            continue
        for params in ({name: "x"}, {"extra_body": {name: "x"}}):
            with pytest.raises(ValueError, match=f"'{name}' can't be set here"):
                spec(params=params)
            with pytest.raises(ValueError, match=f"'{name}' can't be set here"):
                Suite.model_validate({"params": params})


def test_parameters_of_models_may_be_set() -> None:
    names = "temperature top_k top_p min_p max_tokens min_tokens stop stop_token_ids repetition_penalty reasoning_effort thinking"
    names += " prompt_cache_key safety_identifier user metadata logit_bias chat_template_kwargs guided_json provider num_ctx"
    params = dict.fromkeys(names.split(), 1)
    assert spec(params={**params, "extra_body": params}).params["top_k"] == 1


# ---------------------------------------------------------------------------------------------- what is confirmed


@pytest.mark.parametrize("value", ["two words", "a-key\n", " a-key", "clé-clé-clé", "a\x00key", "ключ", "a\u200bkey"])
def test_a_key_that_no_header_can_hold_is_told_before_it_is_sent(value: str) -> None:
    said = refused(spec(), environ={"OPENAI_API_KEY": value})
    assert "the value of OPENAI_API_KEY holds what no header can" in said
    assert value not in said
    mine = spec(api_base="http://127.0.0.1:9", api_key_env="MINE")
    assert "the value of MINE holds" in refused(mine, environ={}, found={"MINE": value})


def test_no_file_of_a_project_confirms_anything(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "ghp-of-the-user")
    there = "https://llm.example.com"
    (project / "trust.json").write_text(json.dumps({"keys": [f"GITHUB_TOKEN={there}"], "folders": [str(project)]}))
    lines = (f"PHRASING_CONFIG_DIR={project}", "PHRASING_TRUST=1", f"PHRASING_TRUSTED_HOSTS=GITHUB_TOKEN={there}", "HOME=.")
    (project / ".env").write_text("\n".join([*lines, f"XDG_CONFIG_HOME={project}"]))
    world(project, models=[{"id": "openai/mine", "api_base": f"{there}/v1", "api_key_env": "GITHUB_TOKEN"}])
    assert "which nobody has confirmed" in call("run", "evals/small.yaml", code=MISTAKE).stderr
    world(project, models=[{"id": "openai/mine", "api_base": f"{there}/v1", "api_key_env": "PHRASING_CONFIG_DIR"}])
    assert "which nobody has confirmed" in call("run", "evals/small.yaml", code=MISTAKE).stderr


@pytest.mark.parametrize(
    "text", ["MINE=", "=https://h", "MINE=https://user@h", "MINE=ftp://h", "MI NE=openai", "MINE=https://h\\@x", "MINE=a b"]
)
def test_a_pair_that_could_confirm_nothing_isnt_kept(project: Path, text: str) -> None:
    assert "is no pair of a variable and a place" in call("trust", "add", text, code=MISTAKE).stderr
    assert call("trust").stdout == "keys\n  none\nprojects\n  none\n"


def test_the_verb_keeps_lists_and_removes(project: Path) -> None:
    call("trust", "add", "MINE=HTTPS://LLM.example.com:443/v1", "TEAM=openai", ".")
    listed = f"keys\n  MINE={FOREIGN}\n  TEAM=openai\nprojects\n  {project}\n"
    assert call("trust").stdout == listed
    assert call("trust", "add", f"MINE={FOREIGN}").stdout == listed
    assert call("trust", "remove", f"MINE={FOREIGN}", ".").stdout == "keys\n  TEAM=openai\nprojects\n  none\n"
    assert "nothing of that was confirmed: MINE=openai" in call("trust", "remove", "MINE=openai", code=MISTAKE).stderr
    assert "no such folder" in call("trust", "add", "nowhere", code=MISTAKE).stderr


# ---------------------------------------------------------------------------------------------- what comes back


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ({"api_key_env": "MINE"}, {"MINE"}),
        ({"api_base": FOREIGN}, set()),
        ({"api_base": FOREIGN, "api_key_env": "MINE"}, {"MINE"}),
        ({}, {"OPENAI_API_KEY", "OPENAI_ADMIN_KEY"}),
        ({"id": "azure/x"}, {"AZURE_API_KEY", "AZURE_CLIENT_SECRET"}),
        ({"id": "bedrock/amazon.nova-micro-v1:0"}, {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}),
        ({"id": "local/tiny"}, set()),
    ],
)
def test_only_keys_that_go_with_a_request_are_looked_for(given: dict[str, Any], used: set[str]) -> None:
    """A variable that is only called like a key may hold a word, which would be blanked on one machine and not on another."""
    names = "MINE OPENAI_API_KEY OPENAI_ADMIN_KEY OPENAI_BASE_URL AZURE_API_KEY AZURE_CLIENT_SECRET AZURE_TENANT_ID AWS_REGION"
    environ = dict.fromkeys(
        [*names.split(), "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "KEY_NAME", "_KEY", "GITHUB_TOKEN"], "x"
    )
    model = spec(**given)
    assert keys.in_use(provider_of(model.id), model, environ).keys() == used


KEY = "acme-7Qx9Lr2Vt5Bn8Wd3"


class Failing(Exception):
    def __str__(self) -> str:
        return f"a mistake of {KEY}"


@pytest.mark.parametrize("error", [ValueError(KEY), KeyError(KEY), Failing(), ModelError(KEY), CompletionError("fatal", KEY)])
def test_no_traceback_has_a_key(error: Exception) -> None:
    async def complete(request: Request) -> Completion:
        try:
            raise RuntimeError(KEY)
        except RuntimeError as cause:
            raise error from cause

    model = spec(api_key_env="MINE")
    ask = keys.guarded(complete, provider_of(model.id), model, {"MINE": KEY})
    with pytest.raises(Exception, match=re.escape("***")) as caught:
        asyncio.run(ask(Request(model=model.id, messages=ASK)))
    assert KEY not in str(caught.value)
    if isinstance(error, ModelError | CompletionError):  # these are told in one line
        assert caught.value is error
    else:
        assert KEY not in "".join(traceback.format_exception(caught.value))


def test_another_mistake_keeps_its_traceback() -> None:
    async def complete(request: Request) -> Completion:
        raise ZeroDivisionError("of its own")

    model = spec(api_key_env="MINE")
    with pytest.raises(ZeroDivisionError, match="of its own"):
        asyncio.run(keys.guarded(complete, provider_of(model.id), model, {"MINE": KEY})(Request(model=model.id, messages=ASK)))
