"""The table of scores: both names of each, and which are of labels."""

from __future__ import annotations

import pytest

from phrasing import scores

BOTH = {"intent": "intent", "args": "arguments", "step": "correct", "strict": "valid", "harm": "forbidden"}


def test_the_names_in_stored_runs_never_change() -> None:
    assert dict(zip(scores.STORED, scores.NAMES, strict=True)) == BOTH


@pytest.mark.parametrize(("stored", "name"), BOTH.items())
def test_either_name_leads_to_the_other(stored: str, name: str) -> None:
    assert scores.stored(name) == scores.stored(stored) == stored
    assert scores.public(stored) == scores.public(name) == name


def test_a_scorer_of_a_suites_own_has_one_name() -> None:
    assert scores.stored("polite") == scores.public("polite") == "polite"
    assert scores.find("polite") is None


def test_scores_of_labels_have_words_for_agreement() -> None:
    assert {score.name for score in scores.SCORES if score.of_labels} == {"intent", "arguments", "correct"}
    correct, valid = (scores.find(name) for name in ("correct", "valid"))
    assert correct
    assert valid
    assert correct.titles(agreement=True) != correct.titles()
    assert valid.titles(agreement=True) == valid.titles()


def test_the_default_of_a_comparison_and_of_limits_are_in_the_table() -> None:
    correct, forbidden = scores.find(scores.CORRECT), scores.find(scores.FORBIDDEN)
    assert correct
    assert correct.name == "correct"
    assert forbidden
    assert forbidden.better == "low"
