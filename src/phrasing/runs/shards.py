"""Shards of a run: their records become that of the run in one piece, or it is said why they can't."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from phrasing.errors import StoreError
from phrasing.records import RunRecord, served

OWN = frozenset({"shard", "trials", "cases", "started", "finished", "stopped", "commit", "served"})
"""What shards of one run may differ in, beside the addresses of models. All else says what was asked and with what, and must be
the same.
"""


def unite(records: Mapping[Path, RunRecord]) -> RunRecord:
    """Make the record of the whole run from those of its shards, by folder.

    ``commit`` is kept where all agree. Raises ``StoreError`` if they aren't each shard of one run once, with what differs or is
    missing.
    """
    _check_numbers(records)
    _check_same(records)
    listed = list(records.values())
    finished = [record.finished for record in listed if record.finished is not None]
    return listed[0].model_copy(
        update={
            "shard": None,
            "trials": sum(record.trials for record in listed),
            "cases": {
                dataset: dict(sorted(item for record in listed for item in record.cases[dataset].items()))
                for dataset in listed[0].cases
            },
            "started": min(record.started for record in listed),
            "finished": max(finished) if len(finished) == len(listed) else None,
            "stopped": _stopped(listed),
            "served": _served(listed),
            "commit": listed[0].commit if len({record.commit for record in listed}) == 1 else None,
        }
    )


def _stopped(listed: Sequence[RunRecord]) -> dict[str, str]:
    """Say of each model why it stopped, each reason once."""
    reasons: dict[str, list[str]] = {}
    for record in listed:
        for label, why in record.stopped.items():
            reasons.setdefault(label, []).append(why)
    return {label: "; ".join(dict.fromkeys(found)) for label, found in sorted(reasons.items())}


def _served(listed: Sequence[RunRecord]) -> dict[str, tuple[str | None, ...]]:
    """List where each model was served in any shard; the suite of the first is that of the whole run."""
    first = listed[0]
    found = {
        label: served((base for record in listed for base in record.addresses(label)), first.addresses(label)[-1])
        for label in first.models
        if first.addresses(label)
    }
    return {label: bases for label, bases in found.items() if bases != (None,)}


def _check_same(records: Mapping[Path, RunRecord]) -> None:
    """Hold that all were asked the same, with the same."""
    first, *others = records
    for folder in others:
        for field in sorted(set(RunRecord.model_fields) - OWN):
            what = _difference(field, _value(records[first], field), _value(records[folder], field))
            if what:
                raise StoreError(f"isn't a shard of the same run as {first}: {what} differs", where=str(folder))


def _value(record: RunRecord, field: str) -> Any:
    """Give what shards are held against each other by: of the suite all but where its models are served."""
    value = getattr(record, field)
    if field != "resolved" or "models" not in value:
        return value
    models = [{**model, "api_base": None} if isinstance(model, dict) else model for model in value["models"]]
    return {**value, "models": models}


def _check_numbers(records: Mapping[Path, RunRecord]) -> None:
    """Hold that there is each of ``1/n`` to ``n/n`` once."""
    seen: dict[str, Path] = {}
    for folder, record in records.items():
        if record.shard is None:
            raise StoreError("isn't a shard; run --shard i/n makes one", where=str(folder))
        if record.shard in seen:
            raise StoreError(f"is shard {record.shard}, and so is {seen[record.shard]}", where=str(folder))
        seen[record.shard] = folder
    of = {shard.partition("/")[2] for shard in seen}
    if len(of) > 1:
        raise StoreError(f"shards of different runs: {', '.join(f'{folder} is {shard}' for shard, folder in seen.items())}")
    wanted = [f"{number}/{n}" for n in of for number in range(1, int(n) + 1)]
    missing = [shard for shard in wanted if shard not in seen]
    if missing or not wanted:
        raise StoreError(f"not all shards of the run: {', '.join(missing) or 'all'} missing")


def _difference(name: str, one: Any, other: Any) -> str:
    """Name the first thing in which two values differ; empty where they are equal."""
    if one == other:
        return ""
    if isinstance(one, dict) and isinstance(other, dict):
        key = next(key for key in sorted({*one, *other}) if one.get(key) != other.get(key))
        return _difference(f"{name}.{key}", one.get(key), other.get(key))
    return name
