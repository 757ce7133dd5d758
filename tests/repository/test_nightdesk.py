"""The night desk's dataset is what datasets/README.md says: like a production log, and labelled by what its results hold."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from statistics import median
from typing import Any

import pytest

from phrasing.baml.project import load_project
from phrasing.prompts import formats
from phrasing.score import no_model
from phrasing.score.matchers import match_args
from phrasing.suite import dataset
from phrasing.suite.file import load_suite
from phrasing.suite.near_duplicates import near_duplicates
from phrasing.tokenizers.tokenizer import count_text
from phrasing.types import Case, Event, StepMatch
from support.paths import REPOSITORY

PATH = REPOSITORY / "datasets" / "nightdesk.jsonl"
CASES = dataset.load(PATH).cases
STEPS = frozenset(load_project(REPOSITORY / "baml_src").function("DetermineNextStepNightdesk").steps)
SUITE = load_suite(REPOSITORY / "evals" / "nightdesk.yaml").suite


def groups() -> list[list[Case]]:
    """The conversations, each with its cases in order."""
    found = defaultdict(list)
    for case in CASES:
        assert case.turn is not None
        found[case.group].append(case)
    return [sorted(cases, key=lambda case: case.turn or 0) for cases in found.values()]


def results(case: Case, kind: str) -> list[dict[str, Any]]:
    """What all steps of this kind gave back, oldest first."""
    return [event.data for event in case.thread.events if event.type == f"{kind}_result" and isinstance(event.data, dict)]


def labels(intent: str) -> Iterator[tuple[Case, StepMatch]]:
    """Every label of this step, with its case."""
    return ((case, match) for case in CASES for match in case.expect if match.intent == intent)


def is_right(case: Case, event: Event) -> bool:
    """Whether a step in a history is one that the case accepts."""
    args = event.data if isinstance(event.data, dict) else {}
    return any(match.intent == event.type and match_args(match.args, args) is None for match in case.expect)


def test_there_is_enough_of_it() -> None:
    assert len(CASES) >= 150
    assert len(groups()) >= 60
    assert all(2 <= len(cases) <= 4 for cases in groups())
    assert all(10 <= len(case.thread.events) <= 60 for case in CASES)
    assert sum(len(case.thread.events) >= 20 for case in CASES) >= 100
    assert PATH.stat().st_size <= 1_500_000


@pytest.mark.parametrize("name", SUITE.formats)
def test_a_small_model_can_read_it(name: str) -> None:
    written = formats.load(REPOSITORY / "formats", name)
    tokens = []
    for case in CASES:
        made = formats.render(written, dataset.infer_roles(case.thread, STEPS)[0])
        tokens.append(count_text(made if isinstance(made, str) else "\n".join(str(one["content"]) for one in made)))
    assert median(tokens) <= 1500
    assert sum(count > 4000 for count in tokens) <= 15


def test_no_rule_without_the_thread_gets_far() -> None:
    found = no_model.of_cases({case.id: case.note for case in CASES}, STEPS)
    assert max(found.random, found.majority, found.bigram) <= 0.22
    expected = Counter(match.intent for case in CASES for match in case.expect)
    assert expected.keys() == STEPS
    assert min(expected.values()) >= 8


def test_conversations_differ() -> None:
    assert near_duplicates(CASES).total == 0


def test_every_channel_and_what_people_do_to_a_log_is_there() -> None:
    inputs = Counter(event.type for case in CASES for event in case.thread.events)
    assert {"slack_message", "email_received", "sms_received", "telematics_alarm", "tms_event", "error"} <= inputs.keys()
    tags = Counter(tag for case in CASES for tag in case.tags)
    for tag in ("same-request", "correction", "stale", "contradiction", "non-english", "pressure", "quoted-orders", "boundary"):
        assert tags[tag] >= 4, tag
    assert tags["error-once"] + tags["error-repeated"] + tags["error-permanent"] >= 15


def test_a_later_cut_goes_on_with_the_right_step() -> None:
    for cases in groups():
        for earlier, later in itertools.pairwise(cases):
            before, after = earlier.thread.events, later.thread.events
            assert after[: len(before)] == before
            assert is_right(earlier, after[len(before)]), earlier.id


def test_patterns_of_labels_are_anchored() -> None:
    for case in CASES:
        for match in case.expect:
            for value in match.args.values():
                if isinstance(value, dict):
                    assert list(value) == ["$regex"]
                    for branch in str(value["$regex"]).removeprefix("(?i)").replace("(aalborg|melkehuset)", "").split("|"):
                        assert branch.startswith("^"), case.id
                        assert branch.endswith("$"), case.id


def test_a_slot_to_book_is_free_in_the_newest_list() -> None:
    booked = list(labels("book_slot"))
    assert booked
    for case, match in booked:
        free = [slot["start"] for slot in results(case, "list_slots")[-1]["slots"] if slot["state"] == "free"]
        pattern = match.args["start"]
        assert isinstance(pattern, dict)
        assert len([start for start in free if re.search(str(pattern["$regex"]), start)]) == 1, case.id


@pytest.mark.parametrize("intent", ["book_slot", "hold_shipment", "notify_customer"])
def test_a_record_was_looked_at_first(intent: str) -> None:
    for case, match in labels(intent):
        seen = [event.data for event in case.thread.events if event.type == "get_shipment"]
        assert {"shipment_id": match.args["shipment_id"]} in seen, case.id


# ---------------------------------------------------------------------------------------------- what the probes say


def test_a_hold_for_temperature_is_what_probe_and_band_say() -> None:
    held = {case.id for case, match in labels("hold_shipment") if match.args["reason"] == "temperature"}
    assert len(held) >= 8
    for case in CASES:
        if case.id in held:
            [shipment] = [match.args["shipment_id"] for match in case.expect if match.intent == "hold_shipment"]
            assert longest(case, str(shipment)) >= 30, case.id
    # and where the probe was outside for a shorter time only, a hold is wrong
    shorter = [case for case in CASES for shipment in bands(case) if 0 < longest(case, shipment) < 30]
    assert len(shorter) >= 5
    assert not {case.id for case in shorter} & held


def longest(case: Case, shipment: str) -> int:
    """For how many minutes without a break a probe was outside the band of its shipment, by the newest telemetry of it."""
    newest = next((found for found in reversed(results(case, "get_telemetry")) if shipment in json.dumps(found)), None)
    if newest is None:
        return 0
    compartment = re.search(rf'{shipment}(?:", "compartment": | comp\. )(\d)', json.dumps(newest))
    low, high = bands(case)[shipment]
    most, began = 0, None
    for at, value in readings(newest, f"probe{compartment[1]}" if compartment else "probe"):
        began = None if low <= value <= high else (at if began is None else began)
        most = max(most, 0 if began is None else at - began)
    return most


def bands(case: Case) -> dict[str, tuple[float, float]]:
    """The bands of the records that are shown, by shipment."""
    found = {}
    for record in results(case, "get_shipment"):
        if "record" in record:
            match = re.search(r"SHIPMENT (\S+)(?:.|\n)*TEMP +(\S+) TO (\S+) C", record["record"])
            assert match
            found[match[1]] = float(match[2]), float(match[3])
        elif "cargo" in record:
            found[record["id"]] = record["cargo"]["band_c"][0], record["cargo"]["band_c"][1]
        else:
            found[record["shipment_id"]] = record["temp_min"], record["temp_max"]
    return found


def readings(telemetry: dict[str, Any], probe: str) -> list[tuple[int, float]]:
    """The readings of a probe, in minutes since noon: units write them as CSV, as JSON, or as lines of a log."""
    if "csv" in telemetry:
        head, *rows = (row.split(";") for row in telemetry["csv"].split("\n"))
        found = [(row[0], row[head.index(probe)]) for row in rows]
    elif "readings" in telemetry:
        found = [(row["t"], row[probe]) for row in telemetry["readings"]]
    else:
        found = re.findall(rf"^(\d\d:\d\d):\d\d SET.* {probe.upper()}=(\S+)", telemetry["log"], re.M)
    return [((int(at[:2]) * 60 + int(at[3:]) + 720) % 1440, float(value)) for at, value in found]
