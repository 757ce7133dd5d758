"""How sure a model was of an acceptable step: held against a model whose probabilities are known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.models.responses import read_alternatives
from phrasing.records import Result
from phrasing.runs import store
from phrasing.score.log_odds import LIMIT, log_odds, without_others
from phrasing.types import Completion
from support.tiny_runs import result

NAMES = st.text("abc_", min_size=1, max_size=6)


def written(
    weights: Mapping[str, float], picked: str, cut: int, frame: tuple[str, str] = ('{"intent": "', '", "x": 1}')
) -> Completion:
    """Answer as a model does that picks names at these weights, in tokens of ``cut`` characters, and knows all else for sure."""
    begin, end = frame
    tokens: list[tuple[str, float]] = [(begin, 0.0)]
    alternatives, written, left = {}, "", {f"{name}{end}": weight for name, weight in weights.items()}
    while written != f"{picked}{end}":
        nexts: dict[str, float] = {}
        for name, weight in left.items():
            token = name[len(written) : len(written) + cut]
            nexts[token] = nexts.get(token, 0.0) + weight
        total, token = sum(nexts.values()), f"{picked}{end}"[len(written) : len(written) + cut]
        if len(nexts) > 1:
            alternatives[len(tokens)] = tuple((other, math.log(weight / total)) for other, weight in nexts.items())
        tokens.append((token, math.log(nexts[token] / total)))
        written += token
        left = {name: weight for name, weight in left.items() if name.startswith(written)}
    return Completion(text=begin + picked + end, logprobs=tuple(tokens), alternatives=alternatives)


WEIGHTS = st.dictionaries(NAMES, st.tuples(st.integers(1, 100), st.booleans()), min_size=2, max_size=6)


@given(WEIGHTS, st.integers(1, 9), st.data())
def test_it_is_what_the_model_had(weights: dict[str, tuple[int, bool]], cut: int, data: st.DataObject) -> None:
    """Where a token holds a whole name, the log-odds are those of all names; acceptable and other ones can be exchanged."""
    picked = data.draw(st.sampled_from(sorted(weights)))
    done = written({name: weight for name, (weight, _) in weights.items()}, picked, cut)
    acceptable = {name: right for name, (_, right) in weights.items()}
    found = log_odds(done, picked, acceptable)
    assert found is not None
    if cut >= 7:
        mine, theirs = (sum(weight for weight, right in weights.values() if right == wanted) for wanted in (True, False))
        assert found == pytest.approx(math.log(mine / theirs) if mine and theirs else LIMIT if mine else -LIMIT, abs=2e-3)
    assert log_odds(done, picked, {name: not right for name, right in acceptable.items()}) == pytest.approx(-found, abs=1e-3)


def test_a_fork_after_which_both_kinds_follow_counts_for_neither() -> None:
    weights = {"list_users": 1.0, "list_teams": 1.0, "close": 2.0}
    done = written(weights, "close", 5)
    assert log_odds(done, "close", {"list_users": True, "list_teams": False, "close": False}) == -LIMIT
    assert log_odds(done, "close", {"list_users": True, "list_teams": True, "close": False}) == pytest.approx(0, abs=1e-3)
    further = written(weights, "list_users", 5)
    assert log_odds(further, "list_users", {"list_users": True, "list_teams": False, "close": False}) == pytest.approx(
        math.log(1 / 3), abs=1e-3
    )


def test_a_name_that_begins_another_one_ends_where_it_ends() -> None:
    done = written({"list": 3.0, "list_all": 1.0}, "list", 4)
    assert log_odds(done, "list", {"list": True, "list_all": False}) == pytest.approx(math.log(3), abs=1e-3)


@pytest.mark.parametrize("frame", [('{"name": "', '"}'), ("<intent>", "</intent>"), ("", "")])
def test_however_it_is_written(frame: tuple[str, str]) -> None:
    done = written({"add": 3.0, "divide": 1.0}, "divide", 3, frame)
    assert log_odds(done, "divide", {"add": True, "divide": False}) == pytest.approx(math.log(3), abs=1e-3)


def test_it_is_unknown_where_nothing_tells() -> None:
    done = written({"add": 3.0, "divide": 1.0}, "divide", 3)
    acceptable = {"add": True, "divide": False}
    assert log_odds(done.model_copy(update={"alternatives": None}), "divide", acceptable) is None
    assert log_odds(done.model_copy(update={"logprobs": None}), "divide", acceptable) is None
    assert log_odds(done, "multiply", acceptable) is None


@given(WEIGHTS, st.integers(1, 9), st.data())
def test_it_needs_only_what_is_kept(weights: dict[str, tuple[int, bool]], cut: int, data: st.DataObject) -> None:
    picked = data.draw(st.sampled_from(sorted(weights)))
    done = written({name: weight for name, (weight, _) in weights.items()}, picked, cut)
    others = {
        0: ((done.logprobs or (("", 0.0),))[0], ("else", -1.0)),
        **(done.alternatives or {}),
        99: (("a", -1.0), ("b", -2.0)),
    }
    more = done.model_copy(update={"alternatives": others})
    kept = without_others(more, picked)
    acceptable = {name: right for name, (_, right) in weights.items()}
    assert kept.alternatives == done.alternatives
    assert log_odds(kept, picked, acceptable) == log_odds(more, picked, acceptable)
    assert without_others(more, None).alternatives == {}


def test_likely_alternatives_are_read_and_stay_as_they_are_in_a_run() -> None:
    def token(text: str, value: float, *others: tuple[str, Any]) -> dict[str, Any]:
        top = [{"token": other, "logprob": likely} for other, likely in ((text, value), *others)]
        return {"token": text, "logprob": value, "top_logprobs": top}

    sure, unsure = token("a", -0.00001, ("b", -12.0)), token("c", -0.5, ("d", -1.0), ("e", -10.1), ("f", None))
    found = read_alternatives({"logprobs": {"content": [sure, unsure]}})
    assert found == {1: (("c", -0.5), ("d", -1.0))}
    kept = result(completion=Completion(text="ac", logprobs=(("a", 0.0), ("c", -0.5)), alternatives=found))
    assert Result.model_validate_json(store.line(kept)) == kept
    assert read_alternatives({"logprobs": {"content": [{"token": "a", "logprob": 0.0, "top_logprobs": []}]}}) is None
