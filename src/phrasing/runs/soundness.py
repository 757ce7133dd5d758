"""Whether a run's record is one: a ``run.json`` that somebody edited may have the right types and still belong to no run."""

from __future__ import annotations

import re

from pydantic import ValidationError

from phrasing.records import RunRecord
from phrasing.scores import CONVERSATION, ROLLOUT_SCORES, SEVERAL, STORED, stored
from phrasing.suite.schema import Suite
from phrasing.types import Variant


def check(record: RunRecord) -> None:
    """Raise ``ValueError`` where the parts of a record don't belong together, with what is wrong."""
    _check_suite(record)
    variants = [Variant.parse(text) for text in record.variants]
    for pair in record.baselines.items():
        for text in pair:
            Variant.parse(text)
    _check_steps(record, variants)
    for named in (record.models, record.formats, record.edits):
        wanted = {"id"} if named is record.models else {"digest"}
        for name, described in named.items():
            if missing := wanted - described.keys():
                raise ValueError(f"{name}: {', '.join(missing)} missing")
    for group in record.order or ():
        if len(group.trials) != len(variants) or group.dataset not in record.cases:
            raise ValueError("order: a group isn't one of this run's")
    if record.shard is not None and not _is_shard(record.shard):
        raise ValueError(f"shard: {record.shard!r} is none")


def _check_suite(record: RunRecord) -> None:
    try:
        suite = Suite.model_validate(record.resolved)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(f"resolved: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if missing := {"description", "require", "tokenizer"} - record.resolved.keys():
        raise ValueError(f"resolved: {', '.join(sorted(missing))} missing")
    of_runs = {score.name for score in ROLLOUT_SCORES}.union(record.judged) if suite.loops else set()
    if stored(suite.compare.score) not in {*STORED, *SEVERAL, CONVERSATION, *suite.scorer_names, *of_runs}:
        raise ValueError(f"resolved: compare: there is no score {suite.compare.score!r}")


def _check_steps(record: RunRecord, variants: list[Variant]) -> None:
    """Hold that each dataset has functions with steps, and each variant's function a dataset."""
    pairs = {(name.rpartition(" ")[0], name.rpartition(" ")[2]): steps for name, steps in record.steps.items()}
    if not all(pairs.values()):
        raise ValueError("steps: a function has none")
    if other := {dataset for dataset, _ in pairs} ^ record.cases.keys():
        raise ValueError(f"steps: dataset {min(other)!r} isn't in both steps and cases")
    if other := {variant.function for variant in variants} - {function for _, function in pairs}:
        raise ValueError(f"steps: function {min(other)!r} isn't there")


def _is_shard(text: str) -> bool:
    found = re.fullmatch(r"([1-9]\d{0,5})/([1-9]\d{0,5})", text)
    return found is not None and int(found[1]) <= int(found[2])
