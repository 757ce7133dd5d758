"""Pairs of answers: the preferred one is what the agent did, and the other one is counted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from phrasing.importers import registry
from phrasing.importers.messages import preference_pairs
from support.imported import made
from support.log_records.openai_chat import call

ASKED = [{"role": "user", "content": "Which way is north?"}]
GOOD, BAD = {"role": "assistant", "content": "Towards the lighthouse."}, {"role": "assistant", "content": "No idea."}
TURNED = [{"from": "human", "value": "Which way is north?"}]
REJECTED = "the rejected answer of a pair: left out of the label"

PAIRS: dict[str, Any] = {
    "ShareGPT": {
        "conversations": TURNED,
        "chosen": {"from": "gpt", "value": GOOD["content"]},
        "rejected": {"from": "gpt", "value": BAD["content"]},
    },
    "texts": {"prompt": "Which way is north?", "chosen": GOOD["content"], "rejected": BAD["content"]},
    "messages": {"prompt": ASKED, "chosen": [GOOD], "rejected": [BAD]},
    "message": {"messages": ASKED, "chosen": GOOD, "rejected": BAD},
    "whole conversations": {"chosen": [*ASKED, GOOD], "rejected": [*ASKED, BAD]},
    "whole conversations and a prompt": {"prompt": "Which way is north?", "chosen": [*ASKED, GOOD], "rejected": [*ASKED, BAD]},
    "OpenAI's": {"input": {"messages": ASKED, "tools": []}, "preferred_output": [GOOD], "non_preferred_output": [BAD]},
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_the_preferred_answer_is_the_label_of_one_case(pair: Any) -> None:
    assert registry.detect(pair) == "openai"
    ((line,), account) = made(pair)
    assert [event["data"] for event in line["thread"]["events"]] == ["Which way is north?"]
    assert line["expect"] == [{"intent": "respond"}]
    assert "tags" not in line
    assert list(account.kept) == [REJECTED]
    assert "lighthouse" not in json.dumps(line)
    assert "No idea" not in json.dumps(line)


def test_a_preferred_call_is_the_label() -> None:
    ((line,), _) = made({"messages": ASKED, "chosen": call("look", '{"at": "sun"}'), "rejected": BAD})
    assert line["expect"] == [{"intent": "look", "args": {"at": "sun"}}]


def test_turns_before_the_pair_are_cases_of_their_own() -> None:
    before = [*ASKED, {"role": "assistant", "content": "Where are you?"}, {"role": "user", "content": "At the pier."}]
    lines, _ = made({"messages": before, "chosen": GOOD, "rejected": BAD})
    assert [len(line["thread"]["events"]) for line in lines] == [1, 3]


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        ({"messages": ASKED, "rejected": BAD}, preference_pairs.NO_CHOICE),
        ({"messages": ASKED, "chosen": {"role": "assistant", "text": "x"}, "rejected": BAD}, "the agent neither said"),
        (
            {
                "prompt": "hm",
                "chosen": "\n\nHuman: north?\n\nAssistant: There.",
                "rejected": "\n\nHuman: north?\n\nAssistant: No.",
            },
            preference_pairs.IN_ONE_TEXT,
        ),
    ],
    ids=["no choice", "nothing said", "transcripts"],
)
def test_a_pair_that_cant_be_read_makes_no_case(pair: Any, reason: str) -> None:
    lines, account = made(pair)
    assert not lines
    assert reason in " ".join(account.left)
