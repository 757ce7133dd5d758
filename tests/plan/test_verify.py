"""Whether logged requests are held against what is composed here: own ones are equal, and one changed character isn't."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from phrasing.errors import UserError
from phrasing.importers.cases import Said
from phrasing.importers.conversation import Sent
from phrasing.importers.messages.sent import read_sent
from phrasing.plan.resolve import Plan, resolve
from phrasing.plan.verify import Composer, Difference, Outcome, compositions, grouped, parts
from phrasing.suite.file import load_suite
from support.small_projects import MAIL, SHIPPED, cache, case, event, lines, project, write
from support.tiers import examples

__all__ = ["cache"]

FORMATS = ("json", "json_pretty", "yaml", "toon", "trace", "xml_json", "xml_yaml", "xml_yaml_again", "messages", "messages_text")
"""Those that ship and whose threads can be read back; of markdown only the suite's own cases are known."""

TRACES = ("tag=attribute", "tag=bracket", "indent=2", "separator=line", "intent=yes", "call=yes", "body=lines", "body=json_pretty")
OUTPUTS = ("prompted", "native", "native_bare", "tool")

TALK = (
    event("user_message", "send it: to ann, now"),
    event("search", {"query": "a: b, é", "limit": 3}),
    event("search_result", {"hits": [{"name": "v1", "at": "2024-03-15"}, {"name": "no"}], "more": False}),
    event("send", {"to": "ann", "urgent": True}),
    event("error", "no connection"),
    event("mail", {"subject": "two\n\nlines", "size": 1.5}),
    event("count", 42),
    event("note", "  spaces\n   here"),
    event("search", {"query": "again"}),
)
CASES = (
    case("talk", *TALK),
    case("asked", event("user_message", "hello")),
    case("called", event("user_message", "hi"), event("finish"), event("finish_result", {"ok": True})),
)
OTHERS = (case("other", event("user_message", "another")),)


def files() -> dict[str, str]:
    return {f"formats/{path.name}": path.read_text("utf-8") for path in SHIPPED.iterdir() if path.is_file()}


def planned(root: Path, cases: Any = CASES, **changed: Any) -> Plan:
    project(root, datasets={"mail": list(cases)})
    write(root, files())
    wanted: dict[str, Any] = {"formats": list(FORMATS), "outputs": list(OUTPUTS), **changed}
    return resolve(project(root, datasets={"mail": list(cases)}, **wanted))


def requests(plan: Plan) -> Iterator[tuple[tuple[str, str], Sent]]:
    """Give what each trial sends, as a log would hold it, by format and output."""
    for trial in plan.trials:
        request = plan.request(trial, plan.prompt(trial))
        body = {"messages": request.messages, "tools": request.tools, "response_format": request.response_format}
        sent = read_sent(json.loads(json.dumps(body)), whole=True)
        assert isinstance(sent, Sent)
        yield (trial.variant.format, trial.variant.output), sent


def outcomes(plan: Plan, sent: Sent) -> dict[tuple[str, str], Outcome]:
    return {(one.format, one.output): Composer(plan, one, Said()).outcome(sent) for one in compositions(plan)}


@pytest.mark.parametrize("names", [FORMATS, tuple(f"trace({setting})" for setting in TRACES)], ids=["shipped", "traces"])
def test_own_requests_are_equal_though_no_case_is_known(names: tuple[str, ...], tmp_path: Path) -> None:
    made = list(requests(planned(tmp_path / "own", formats=list(names))))
    plan = planned(tmp_path / "other", OTHERS, formats=list(names))
    assert {key for key, _ in made} >= {(name, output) for name in names for output in ("tool",) if name != "messages_text"}
    for (format, output), sent in made:
        found = {one.format: one for one in compositions(plan) if one.output == output}
        outcome = Composer(plan, found[format], Said()).outcome(sent)
        assert outcome.source in ("import", "request"), (format, output, outcome)


def test_a_thread_that_cannot_be_read_back_may_be_that_of_a_case(tmp_path: Path) -> None:
    plan = planned(tmp_path / "own", formats=["markdown"], outputs=["prompted"])
    sources = [next(iter(outcomes(plan, sent).values())).source for _, sent in requests(plan)]
    assert "case" in sources
    assert None not in sources
    other = planned(tmp_path / "other", OTHERS, formats=["markdown"], outputs=["prompted"])
    found = [next(iter(outcomes(other, sent).values())) for _, sent in requests(plan)]
    unread = [one for one in found if one.source is None]
    assert unread
    assert all(one.unread and one.difference is None for one in unread)


# ---------------------------------------------------------------------------------------------- what differs is seen


def changed(text: str, at: int, by: str) -> str:
    return text[:at] + by + text[at + 1 :]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[tuple[str, str], Sent]]:
    return list(requests(planned(tmp_path_factory.mktemp("original"))))


@examples(40, 400)
@given(st.data())
def test_one_changed_character_is_seen(
    original: list[tuple[tuple[str, str], Sent]], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Change one character of a format, of the prompt or of a step, which is a tool: what is composed otherwise isn't equal."""
    sources = {name: text for name, text in files().items() if Path(name).stem in FORMATS} | {"baml_src/mail.baml": MAIL}
    name = data.draw(st.sampled_from(sorted(sources)))
    at = data.draw(st.integers(0, len(sources[name]) - 1))
    text = changed(sources[name], at, data.draw(st.sampled_from(["", "x", " ", "\n", "1", '"', sources[name][at] * 2])))
    formats = list(FORMATS) if name.startswith("baml") else [Path(name).stem]
    root = tmp_path_factory.mktemp("changed")
    try:
        for folder, cases in ("own", CASES), ("other", OTHERS):
            planned(root / folder, cases, formats=formats)
            write(root / folder, {name: text})
        own, plan = (resolve(load_suite(root / folder / "evals" / "mail.yaml")) for folder in ("own", "other"))
        now = list(requests(own))
    except UserError:
        assume(False)
    before = [one for one in original if one[0][0] in formats]
    assume([key for key, _ in now] == [key for key, _ in before])
    for (key, sent), (_, other) in zip(before, now, strict=True):
        composition = next(one for one in compositions(plan) if (one.format, one.output) == key)
        outcome = Composer(plan, composition, Said()).outcome(sent)
        assert (outcome.source is None) == (sent != other), (key, name, text, outcome)
