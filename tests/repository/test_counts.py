"""The counted parts of datasets/README.md, from a project small enough to count by hand."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from support.tiny_runs import BAML, cache, case, world
from support.tools import tool

__all__ = ["cache"]


@pytest.fixture(scope="module")
def counts() -> ModuleType:
    return tool("counts")


CASES = (
    case("a-1", tags=["short", "sure"], group="g", forbid="finish", strength="gold"),
    case("a-2", tags=["short"], group="g"),
    case("a-3", expect="ask"),
    {**case("a-4"), "expect": [{"intent": "ask"}, {"intent": "send"}, {"intent": "ask", "args": {"message": "who?"}}]},
)


def test_parts(tmp_path: Path, counts: ModuleType) -> None:
    functions = ["DetermineNextStepMail", "DetermineNextStepMailTerse", "DetermineNextStepMailShort"]
    world(tmp_path, cases=CASES, agents=[{"dataset": "mail", "functions": functions}])
    short = BAML[BAML.index("function DetermineNextStepMailTerse") :].partition("client<llm>")[0]
    short = short.replace("Terse", "Short").replace("LookUp | Send | Ask | Finish", "Send | Ask")
    (tmp_path / "baml_src" / "short.baml").write_text(short)
    second = [{"id": "a-1", "intent": "send"}, {"id": "a-3", "intent": "send"}, {"id": "a-4", "intent": "ask"}]
    (tmp_path / "datasets" / "second").mkdir()
    (tmp_path / "datasets" / "second" / "mail.jsonl").write_text("".join(json.dumps(line) + "\n" for line in second))
    made = {name: text.splitlines()[-1] for name, text in counts.parts(tmp_path).items()}
    assert made["cases"] == "| mail | 4 | 2 from 1 | 1 to 1, median 1 | 1 | 1 |"
    # both unions have the same labels; by other groups' mails the cases get ask, ask, send and send: the last is right; and the
    # words of all mails are alike but for their names
    assert counts.parts(tmp_path)["steps"].splitlines()[-2:] == [
        "| mail | Mail, MailTerse | 4 | 31.2 | 75.0 | 25.0 | 25.0 |",
        "| mail | MailShort | 2 | 62.5 | 75.0 | 25.0 | 25.0 |",
    ]
    # send ask ask against send send ask: 2 of 3 agreed, by chance 4 of 9; with one step only, ask and send against send and send
    assert made["agreement"].startswith("| mail | 1 gold, 3 written | 3 | 2 (67 %) | 0.40 (")
    assert made["agreement"].endswith(" | 0.00 (0.00–0.00) |")
    # five name nothing: those of `send`, which has a field that isn't text, and of `ask`, whose message another label names
    assert made["arguments"] == "| mail | 6 | 1 | 0 | 5 (send 3, ask 2) | 1 | 0 (0 %) |"
    assert made["expected"] == "- mail: `send` 3, `ask` 2"
    assert made["tags"] == "- mail: `short` 2, `sure` 1"


def test_a_dataset_that_no_suite_names_has_the_functions_of_its_name(tmp_path: Path, counts: ModuleType) -> None:
    world(tmp_path, datasets={"mail": CASES, "mail_terse": CASES[:2]})
    rows = counts.parts(tmp_path)["steps"].splitlines()
    assert [row.split(" | ")[:2] for row in rows[2:]] == [["| mail", "Mail"], ["| mail_terse", "MailTerse"]]
    world(tmp_path, datasets={"other": CASES})
    with pytest.raises(SystemExit, match=r"other\.jsonl: no suite names it, and no function is called DetermineNextStepOther…"):
        counts.parts(tmp_path)
