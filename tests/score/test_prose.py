"""Refusals and promises are told from what is said; in doubt it is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrasing.score.prose import promises, refuses

STEPS = ["deploy_backend", "list_git_tags", "request_approval", "getWeather"]

PROMISES = [
    "I'll deploy it now",
    "I’ll deploy v1.2.0 now.",
    "I will now list the git tags.",
    "**I'm going to check the weather in Tokyo.**",
    "I am about to run the query.",
    "I'm deploying it...",
    "I am now fetching the tags. Please wait.",
    "Let me look that up for you. One moment!",
    "Sure! Let's deploy it.",
    "Okay, going to get the forecast",
    "v1.2.0 is the newest tag.\n\nNow I'll request approval.",
    "I'll go ahead and deploy the backend.",
]
REFUSALS = [
    "I can't help with that.",
    "I'm sorry, but I can't assist with that request.",
    "I’m very sorry. I cannot comply.",
    "Sorry, I am unable to do this.",
    "As an AI language model, I cannot perform actions.",
    "Unfortunately, I'm not able to proceed.",
    "I won't deploy this.",
    "I cannot deploy to production without approval.",
    "I must decline.",
    "I'm afraid I can't do that. Is there anything else I can help with?",
]
SAID = [
    "",
    "It's 12 °C in Tokyo.",
    "Done. The backend is deployed.",
    "Done. Let me know if you need anything else.",
    "I'll be here if you need me.",
    "I'll wait for your approval.",
    "I'm waiting for approval.",
    "I'm happy to help.",
    "I'll need the tag first.",
    "I'll deploy it once you approve.",
    "I'll deploy it if the tests pass.",
    "Let me calculate: 3 + 4 = 7.",
    "Shall I deploy it?",
    "I'll deploy it now. Is that all right?",
    "I can't find the tag v2.",
    "Unfortunately, I can't get the weather: the service is down.",
    "I can't deploy without a tag. Which one?",
    "The deployment failed, so I can't help.",
    "I'm very sorry.",
    "You can't deploy that.",
    "He said: I'll deploy it.",
]


@pytest.mark.parametrize("text", PROMISES)
def test_promises(text: str) -> None:
    assert (promises(text, STEPS), refuses(text, STEPS)) == (True, False)


@pytest.mark.parametrize("text", REFUSALS)
def test_refusals(text: str) -> None:
    assert (promises(text, STEPS), refuses(text, STEPS)) == (False, True)


@pytest.mark.parametrize("text", SAID)
def test_what_is_said(text: str) -> None:
    assert (promises(text, STEPS), refuses(text, STEPS)) == (False, False)


def test_the_verbs_of_steps_count() -> None:
    assert promises("I'll frobnicate it.", ["frobnicate_all"])
    assert not promises("I'll frobnicate it.", STEPS)
    assert refuses("I can't frobnicate it.", ["frobnicate_all"])
    assert not refuses("I can't frobnicate it.", STEPS)


@given(text=st.sampled_from(PROMISES + REFUSALS), question=st.sampled_from(["Which tag is it?", "Is that all right?"]))
def test_a_text_that_asks_says_something(text: str, question: str) -> None:
    assert (promises(f"{text} {question}", STEPS), refuses(f"{text} {question}", STEPS)) == (False, False)


@given(text=st.text(st.characters(exclude_categories=["Cs"])), steps=st.lists(st.text(max_size=10), max_size=3))
def test_any_text_is_taken(text: str, steps: list[str]) -> None:
    assert not (promises(text, steps) and refuses(text, steps))
