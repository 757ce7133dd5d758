"""Small projects, written to a folder: BAML sources, formats, datasets and a suite, each of which a test may replace."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from phrasing.baml.project import Project, load_project
from phrasing.plan.resolve import Plan, resolve
from phrasing.suite.file import SuiteFile, load_suite
from support.paths import REPOSITORY

SHIPPED = REPOSITORY / "formats"

CLIENT = """
client<llm> Nobody {
  provider openai
  options {
    model "none"
    api_key "none"
  }
}
"""

STEPS = """
class Search {
  intent "search" @description("look something up")
  query string @description("what to look for")
  limit int?
}
class Send {
  intent "send"
  to string
  urgent bool
  @@description("send the mail")
}
class Finish {
  intent "finish" @description("nothing is left to do")
}
"""

PROMPT = """
    {{ _.role("system") }}
    You send mail.
    {{ ctx.output_format(quote_class_fields=true) }}
    {{ _.role("user") }}
    {{ thread }}

    What is the next step?
"""


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what BAML generates under pytest's own folder, shared by the modules that import this fixture."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHRASING_CACHE_DIR", str(shared_cache(tmp_path_factory)))
        yield


def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what BAML generates in this run of the tests: one for all of xdist's workers."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"


def function(
    name: str, prompt: str = PROMPT, *, parameters: str = "thread: string", returns: str = "Search | Send | Finish"
) -> str:
    return f'\nfunction {name}({parameters}) -> {returns} {{\n  client Nobody\n  prompt #"{prompt}"#\n}}\n'


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")


def load(root: Path, sources: str | Mapping[str, str]) -> Project:
    """Load BAML sources; a single text is ``main.baml`` and comes with the client and the steps."""
    files = {"main.baml": CLIENT + STEPS + sources} if isinstance(sources, str) else sources
    write(root / "baml_src", files)
    return load_project(root / "baml_src")


# ---------------------------------------------------------------------------------------------- suites

MAIL = CLIENT + STEPS + function("Mail") + function("MailTerse", "{{ ctx.output_format }}\n{{ thread }}")

SUITE: dict[str, Any] = {
    "description": "Does the format change the step?",
    "agents": [{"dataset": "mail", "functions": ["Mail"]}],
    "formats": ["json", "xml_json"],
    "models": ["openai/gpt"],
}


def event(kind: str, data: Any = None) -> dict[str, Any]:
    return {"type": kind, "data": data}


def case(name: str, *events: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "thread": {"events": list(events) or [event("note", {"text": f"about {name}"})]},
        "expect": [{"intent": "search"}],
        **more,
    }


def cases(number: int, **more: Any) -> list[dict[str, Any]]:
    return [case(f"c{i}", **more) for i in range(number)]


def lines(*written: Mapping[str, Any]) -> str:
    return "".join(json.dumps(line) + "\n" for line in written)


def shipped(*names: str) -> dict[str, str]:
    found = [path for path in SHIPPED.iterdir() if path.stem in names]
    return {f"formats/{path.name}": path.read_text("utf-8") for path in found}


def project(root: Path, *, datasets: Mapping[str, list[dict[str, Any]]] | None = None, **changed: Any) -> SuiteFile:
    """Write a project of mail agents under ``root`` and load its suite, ``SUITE`` with some keys ``changed``."""
    write(root, shipped("json", "xml_json", "messages", "messages_text"))
    write(root, {"baml_src/mail.baml": MAIL, "evals/mail.yaml": yaml.safe_dump({**SUITE, **changed}, sort_keys=False)})
    write(root, {f"datasets/{name}.jsonl": lines(*found) for name, found in (datasets or {"mail": cases(3)}).items()})
    return load_suite(root / "evals" / "mail.yaml")


def plan_of(root: Path, *, datasets: Mapping[str, list[dict[str, Any]]] | None = None, **changed: Any) -> Plan:
    return resolve(project(root, datasets=datasets, **changed))
