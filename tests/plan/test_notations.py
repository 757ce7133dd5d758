"""Notations in a plan: examples are answered in them, what they don't reach is said, and logged requests are found equal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from phrasing.errors import FormatError
from phrasing.importers.cases import Said
from phrasing.importers.messages.sent import read_sent
from phrasing.plan.inputs import Inputs
from phrasing.plan.resolve import Plan, resolve
from phrasing.plan.verify import Composer, compositions
from phrasing.project.init import shipped_files
from phrasing.types import Prompt, Trial
from support.small_projects import MAIL, cache, case, event, function, project, shipped, write

__all__ = ["cache"]

TWO = "thread: string, examples: string"
SHOWN = "{{ ctx.output_format }}\n{{ _.role('user') }}\n{% if examples %}{{ examples }}\n\n{% endif %}{{ thread }}"
BAML = (
    MAIL
    + function("Shown", SHOWN, parameters=TWO)
    + function("Several", SHOWN, parameters=TWO, returns="(Search | Send | Finish)[]")
    + function("Talk", "You write JSON.\n{{ ctx.output_format }}\n{{ _.role('user') }}\n{{ thread }}")
)
SEND = {"intent": "send", "args": {"to": "ann <a@b>", "urgent": True}}
CASES = [
    case("one", event("note", "find it"), event("search", {"query": "q"}), answer=SEND, expect=[{"intent": "send"}]),
    case("asked", event("note", "so?"), event("search", {"query": "a"}), event("search_result", {"found": []})),
]
WRITTEN = {
    "prompted": '{"intent":"send","to":"ann <a@b>","urgent":true}',
    "prompted(yaml)": "intent: send\nto: ann <a@b>\nurgent: true",
    "prompted(xml_tag)": '<send>{"to": "ann \\u003ca@b>", "urgent": true}</send>',
    "prompted(typescript call)": 'send(to="ann <a@b>", urgent=true)',
    "prompted(json_schema)": '{"intent":"send","to":"ann <a@b>","urgent":true}',
    "prompted(yes_no)": 'search: no\nsend: yes {"to": "ann <a@b>", "urgent": true}\nfinish: no',
}


def planned(root: Path, *functions: str, **changed: Any) -> Plan:
    agents = [{"dataset": "mail", "functions": list(functions or ("Shown",)), "examples": ["one"] if not functions else []}]
    file = project(root, datasets={"mail": CASES}, **{"agents": agents, "outputs": list(WRITTEN), **changed})
    write(root, {"baml_src/mail.baml": BAML, **shipped("xml_yaml")})
    for name, content in shipped_files(["notations"]).items():
        write(root, {name: content.decode()})
    return resolve(file)


def prompts(made: Plan) -> dict[str, tuple[Trial, Prompt]]:
    return {trial.variant.output: (trial, made.prompt(trial)) for trial in made.trials if trial.case == "asked"}


@pytest.mark.parametrize("format", ["xml_yaml", "messages_text"])
def test_the_answer_of_an_example_is_written_as_answers_are_asked_for(tmp_path: Path, format: str) -> None:
    found = prompts(planned(tmp_path, formats=[format]))
    assert list(found) == list(WRITTEN)
    for output, (_, prompt) in found.items():
        pieces = [piece.text for listed in prompt.pieces for piece in listed if piece.kind == "examples"]
        shown = "\n".join(pieces)
        assert WRITTEN[output] in shown
        assert all(WRITTEN[other] not in shown for other in WRITTEN if WRITTEN[other] != WRITTEN[output])
        assert [WRITTEN[output]] == [text for text in pieces if text == WRITTEN[output]] or format == "xml_yaml"
    assert len({str(prompt.messages) for _, prompt in found.values()}) == len(found)


def test_the_answer_of_a_function_that_returns_a_list(tmp_path: Path) -> None:
    agents = [{"dataset": "mail", "functions": ["Several"], "examples": ["one"]}]
    found = prompts(planned(tmp_path, formats=["xml_yaml"], agents=agents, outputs=["prompted", "prompted(yaml)"]))
    assert "- intent: send\n  to: ann <a@b>\n  urgent: true" in str(found["prompted(yaml)"][1].messages[-1]["content"])


def test_a_format_that_shows_the_answer_otherwise_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"formats/odd.py": "def render(thread):\n    return [{'role': 'user', 'content': str(thread)}]\n"})
    with pytest.raises(
        FormatError, match=r"odd\.py: doesn't end with its answer as JSON, so notation 'yaml' can't take that place"
    ):
        planned(tmp_path, formats=["odd"], outputs=["prompted(yaml)"])


def test_what_a_notation_does_not_reach_is_said(tmp_path: Path) -> None:
    def warned(*functions: str, **changed: Any) -> list[str]:
        return [
            warning
            for warning in planned(tmp_path, *functions, **changed).warnings
            if "notation" in warning or "ask for" in warning
        ]

    outputs = ["prompted", "prompted(json_schema)", "prompted(call)", "prompted(numbered yaml)"]
    asked = "prompted(call), prompted(numbered yaml)"
    assert warned("Mail", outputs=outputs) == []
    assert warned("Talk", outputs=outputs[:2]) == []
    assert warned("Talk", outputs=outputs) == [
        f"Talk: its own text says JSON, beside what {asked} ask for; a rewrite can say it otherwise"
    ]
    assert warned("Mail", outputs=outputs, formats=["messages_text", "json"]) == [
        f"mail: messages_text shows the agent's earlier steps as it does, whatever {asked} ask for"
    ]


@pytest.mark.parametrize("format", ["xml_yaml", "messages_text"])
def test_own_requests_are_equal_under_their_notation_alone(tmp_path: Path, format: str) -> None:
    made = planned(tmp_path, "Mail", formats=[format])
    others = planned(tmp_path / "others", "Mail", formats=[format])
    composers = {one.output: Composer(others, one, Said()) for one in compositions(others)}
    for output, (_, prompt) in prompts(made).items():
        sent = read_sent({"model": "m", "messages": json.loads(json.dumps(prompt.messages))})
        for other, composer in composers.items():
            assert (composer.outcome(sent).source is not None) == (other == output), (output, other)


def test_what_is_sent_depends_on_the_notation_and_not_on_how_it_is_read(tmp_path: Path) -> None:
    def digests(text: str) -> set[str | None]:
        write(tmp_path, {"notations/mine.py": text})
        made = planned(tmp_path, "Mail", formats=["xml_yaml"], outputs=["prompted(mine)"])
        return set(map(Inputs(made), made.trials))

    text = shipped_files(["notations"])["notations/yaml.py"].decode()
    first = digests(text)
    assert len(first - {None}) == len(CASES)
    assert digests(text + "\nIN_PROSE = False\n") == first
    assert digests(text.replace("Answer in YAML", "Say it in YAML")).isdisjoint(first)
