"""What stands beside messages and was shown with them is counted, and tags the cases."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from phrasing.importers.cases import INCOMPLETE
from phrasing.importers.messages.openai_chat import BESIDE
from support.imported import made
from support.log_records.anthropic_messages import RECORDS as ANTHROPIC
from support.log_records.langfuse import API, PAST
from support.log_records.openai_chat import CHAT, REQUEST, SAID, SHAREGPT
from support.log_records.openai_responses import RECORDS as RESPONSES

HOLDERS = [
    CHAT,
    SHAREGPT,
    {**REQUEST, "response": SAID},
    *(record for record in ANTHROPIC if isinstance(record, dict) and "messages" in record),
    *(record for record in RESPONSES if isinstance(record, dict) and "input" in record),
]


@pytest.mark.parametrize("key", ["images", "image", "videos", "audios", "files", "attachments", "documents"])
@pytest.mark.parametrize("record", HOLDERS, ids=range(len(HOLDERS)))
def test_images_beside_messages_tag_every_case(record: dict[str, Any], key: str) -> None:
    whole, _ = made(record)
    lines, account = made({**copy.deepcopy(record), key: ["flag.png"]})
    assert len(lines) == len(whole) > 0
    assert all(INCOMPLETE in line["tags"] for line in lines)
    assert account.kept[f"{BESIDE}: left out of the thread"].times == 1
    assert made({**copy.deepcopy(record), key: []})[0] == whole


def test_images_beside_a_request_in_another_log_tag_the_case() -> None:
    ((line,), _) = made({**API, "input": {"messages": PAST, "images": ["flag.png"]}})
    assert line["tags"] == [INCOMPLETE]
