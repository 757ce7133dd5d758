"""SWE-agent's trajectories."""

from __future__ import annotations

from phrasing.importers import cases
from phrasing.importers.log_formats.swe_agent import COMMAND
from support.imported import made
from support.log_records.swe_agent import HISTORY, INFO, RECORDS, TRAJECTORY


def test_every_turn_of_a_trajectory_is_a_case() -> None:
    for record in RECORDS:
        lines, account = made(record)
        assert not account.left
        assert [line["expect"] for line in lines] == [[{"intent": "find", "args": {"id": 7}}], [{"intent": "respond"}]]
        assert [event["type"] for event in lines[1]["thread"]["events"]] == ["user_message", "find", "find_result"]
        assert account.systems == {"You help.": 1}


def test_how_it_ended_is_kept() -> None:
    lines, _ = made(TRAJECTORY)
    assert lines[0]["meta"]["exit_status"] == "submitted"
    assert lines[0]["meta"]["model_stats.api_calls"] == 2
    assert made(TRAJECTORY, where={"exit_status": "exit_cost"})[0] == []


def test_a_command_in_a_text_is_no_label_and_later_cases_are_tagged() -> None:
    told = [
        *HISTORY[:2],
        {"role": "assistant", "content": "I look.\n```\nfind 7\n```", "thought": "I look.", "action": "find 7", "agent": "main"},
        {"role": "user", "content": "home", "agent": "main"},
        HISTORY[4],
    ]
    ((line,), account) = made({"history": told, "trajectory": [], "info": INFO})
    assert list(account.left) == [f"{cases.UNREAD_ANSWER}: {COMMAND}"]
    assert line["tags"] == [cases.INCOMPLETE]


def test_demonstrations_are_history() -> None:
    shown = [{**one, "is_demo": True} for one in HISTORY[1:4]]
    lines, _ = made({**TRAJECTORY, "history": [HISTORY[0], *shown, *HISTORY[1:]]})
    assert len(lines) == 2
    assert len(lines[0]["thread"]["events"]) == 4
