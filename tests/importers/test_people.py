"""Who a conversation was with comes into no dataset."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.importers.people import names_person
from support.imported import made
from support.log_records.every_importer import RECORDS
from support.log_records.langfuse import API
from support.log_records.openai_chat import CHAT
from support.log_records.openinference import FLAT

WHO = "zq-ada-lovelace"
KEYS = [
    *("user", "userId", "user_id", "userID", "user.id", "user_name", "userName", "username", "USER_ID", "end_user", "enduser.id"),
    *("customer_id", "customerName", "email", "user_email", "metadata_user_id", "langfuse_user_id", "ls_user_id", "phone"),
    *(
        "user_api_key_alias",
        "user_api_key_end_user_id",
        "author",
        "contact_name",
        "patientId",
        "ip_address",
        "requester_ip_address",
    ),
    *("user_first_name", "owner", "client_name", "account_id", "profileId", "sender", "login", "safety_identifier"),
]
OTHERS = [
    "model",
    "reward",
    "route",
    "user_count",
    "user_rating",
    "session",
    "environment",
    "task",
    "metadata.level",
    "score.right",
]


@pytest.mark.parametrize("key", [*KEYS, *(f"metadata.{key}" for key in KEYS), *(f"requester_metadata.{key}" for key in KEYS)])
def test_a_key_tells_a_person(key: str) -> None:
    assert names_person(key)


@pytest.mark.parametrize("key", OTHERS)
def test_a_key_tells_something_else(key: str) -> None:
    assert not names_person(key)


def holders(value: Any) -> list[dict[str, Any]]:
    """Give the objects of a record that may say who it was: not what stands in messages, calls, tools or events."""
    if not isinstance(value, dict):
        return []
    inside = (
        "metadata",
        "extra",
        "attributes",
        "eval",
        "input",
        "body",
        "request",
        "model_parameters",
        "metadata.requester_metadata",
    )
    return [value, *(one for key in inside for one in holders(value.get(key)))]


@given(st.sampled_from([(name, i) for name in RECORDS for i in range(len(RECORDS[name]))]), st.sampled_from(KEYS), st.booleans())
def test_nobody_is_named_by_any_importer(which: tuple[str, int], key: str, nested: bool) -> None:
    name, i = which
    record = copy.deepcopy(RECORDS[name][i])
    for holder in holders(record):
        holder.update({"metadata": {**holder.get("metadata", {}), key: WHO}} if nested and name != "events" else {key: WHO})
    lines, account = made(record, importer=name)
    assert WHO not in json.dumps(lines)
    assert WHO not in json.dumps(account.known)


def test_names_of_users_become_numbers() -> None:
    messages = [{"role": "user", "name": name, "content": "hi"} for name in (WHO, "bo", WHO)]
    ((line,), _) = made({"messages": [*messages, {"role": "assistant", "name": WHO, "content": "Ho."}]})
    assert [event["data"]["name"] for event in line["thread"]["events"]] == ["user-1", "user-2", "user-1"]
    assert WHO not in json.dumps(line)


@pytest.mark.parametrize(
    "record",
    [
        {"attributes": {**FLAT, "user.id": WHO}},
        {"attributes": {**FLAT, "user.id": WHO, "metadata": json.dumps({"user_id": WHO})}},
        {**API, "userId": WHO, "metadata": {"user_id": WHO}, "tags": ["shop", f"user:{WHO}", f"userId={WHO}"]},
        {**CHAT, "user": WHO},
        {**CHAT, "user": {"id": WHO, "name": WHO}},
    ],
    ids=["openinference", "openinference, metadata", "langfuse", "openai", "openai, object"],
)
def test_users_of_real_records_are_left_out(record: Any) -> None:
    lines, _ = made(record)
    assert lines
    assert WHO not in json.dumps(lines)


def test_one_can_select_by_a_user_without_writing_who_it_is() -> None:
    lines, _ = made({**CHAT, "user": WHO}, {**CHAT, "user": "bo"}, where={"user": WHO})
    assert len(lines) == 2
    assert WHO not in json.dumps(lines)
