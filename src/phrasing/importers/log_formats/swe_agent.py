"""SWE-agent's trajectories.

A record is a ``.traj`` file (https://swe-agent.com/latest/usage/trajectories/): its ``history`` are messages of OpenAI's chat
API, with ``tool_call_ids`` where the API has one id, and ``info`` says how it ended. Agents that call functions have
``tool_calls``. Others write a command into their text, which ``action`` repeats: which tool that is only SWE-agent's own parser
tells, so such a turn makes no case. Messages of demonstrations are history.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydantic import JsonValue

from phrasing.importers.conversation import Conversation, Item, Turn
from phrasing.importers.log_values import as_list, as_object, objects_in, short_values
from phrasing.importers.messages.openai_chat import read_chat

TITLE = "SWE-agent's trajectories (.traj)"

COMMAND = "an action that the agent wrote as a command in its text"


def fits(record: JsonValue) -> bool:
    """Tell whether a record looks like this."""
    if not isinstance(record, dict) or not objects_in(record.get("history")):
        return False
    told = objects_in(record["history"])
    return "trajectory" in record or all("role" in one and ("agent" in one or "message_type" in one) for one in told)


def read(record: JsonValue) -> Iterator[Conversation]:
    """Read a record. Raises ``ValueError`` where it is another shape."""
    if not isinstance(record, dict) or not isinstance(record.get("history"), list):
        raise ValueError("has no list `history`")
    messages = [_message(one) for one in as_list(record["history"])]
    system, items = read_chat(messages)
    said = iter([one for one in messages if isinstance(one, dict) and one.get("role") == "assistant"])
    yield Conversation(
        items=tuple(_turn(item, next(said, {})) if isinstance(item, Turn) else item for item in items),
        system=system,
        meta={**short_values({"environment": record.get("environment")}), **_ended(as_object(record.get("info")))},
    )


def _message(one: Any) -> Any:
    ids = as_list(one.get("tool_call_ids")) if isinstance(one, dict) else []
    return {**one, "tool_call_id": ids[0]} if len(ids) == 1 and "tool_call_id" not in one else one


def _turn(turn: Turn, message: dict[str, Any]) -> Item:
    command = bool(message.get("action")) and not turn.calls
    return replace(turn, given=bool(message.get("is_demo")), unread=turn.unread or (COMMAND if command else ""))


def _ended(info: dict[str, Any]) -> dict[str, JsonValue]:
    return short_values({"exit_status": info.get("exit_status"), "model_stats": info.get("model_stats")})
