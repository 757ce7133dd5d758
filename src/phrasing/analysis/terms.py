"""What figures are called that hold answers against labels: accuracy where the labels say what is right, agreement where they say
what a logged agent did (``observed``). It may have been wrong, so agreeing with it is another thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Wording:
    """The words of one of the two.

    ``headers`` are those of the shares of ``intent`` and of ``step``, ``short`` the same for 80 columns. ``picked`` says by score
    what a variant did, for a sentence that goes on *in 41 %*; ``share`` begins one without a baseline. ``words`` and
    ``short_words`` are verdicts of a comparison, ``score`` follows the name of a score. ``floors`` is what a variant is told of
    whose interval doesn't lie above a rule that asks no model, ``chance`` the sentence on a random step. ``note`` is a caveat of
    its own.
    """

    headers: tuple[str, str]
    short: tuple[str, str]
    picked: Mapping[str, str]
    share: str
    words: Mapping[str, str]
    short_words: Mapping[str, str]
    score: str
    floors: Mapping[str, str]
    chance: str
    without: str
    expected: str
    where: str
    repeats: str
    price: str
    note: str
    legend: tuple[str, ...]


ACCURACY = Wording(
    headers=("intent % (95 %)", "step %"),
    short=("intent % (95 %)", "step"),
    picked={
        "intent": "picked an acceptable step",
        "step": "picked an acceptable step, arguments and all,",
        "args": "gave acceptable arguments",
        "strict": "gave an answer that needs no repair",
    },
    share="",
    words={"better": "better", "worse": "worse", "not worse": "not worse"},
    short_words={"better": "better", "worse": "worse", "not worse": "not worse"},
    score="",
    floors={
        "below": "worse than picking a step at random",
        "random": "can't be told from picking a step at random",
        "majority": "no better shown than always picking the same step",
        "bigram": "no better shown than a rule that looks at the last event's type",
    },
    chance="A random step is right in {} %.",
    without="without a model",
    expected="expected",
    where="where the step was wrong",
    repeats="all repeats right",
    price="right ones",
    note="",
    legend=(
        "intent: an acceptable step was picked (interval over cases by group, repeats averaged first); step: arguments too;",
        "strict: no repair was needed; harm: cases with a harmful step; context tokens: the prompt as the provider counts it,",
        "× the baseline's on the same cases; without a model: intent of a random step, of the step acceptable most often in",
        "these cases, of the one expected most often after the last event's type in other groups' cases.",
    ),
)

AGREEMENT = Wording(
    headers=("agreed % (95 %)", "agreed step %"),
    short=("agreed % (95 %)", "step"),
    picked={
        "intent": "agreed with the logged agent",
        "step": "agreed with the logged agent, arguments and all,",
        "args": "gave the logged agent's arguments",
    },
    share="agreed with the logged agent, arguments and all, in ",
    words={"better": "agrees more", "worse": "agrees less", "not worse": "agrees no less"},
    short_words={"better": "agrees more", "worse": "agrees less", "not worse": "no less"},
    score=" (agreement with the logged agent)",
    floors={
        "below": "less agreement than picking a step at random gives",
        "random": "agreement that can't be told from picking a step at random",
        "majority": "no more agreement shown than by always picking the same step",
        "bigram": "no more agreement shown than by a rule that looks at the last event's type",
    },
    chance="A random step agrees with the logged agent in {} %.",
    without="agreement without a model",
    expected="logged",
    where="where the step was another",
    repeats="all repeats agreed",
    price="that agree",
    note="Labels are what a logged agent did: agreement with it isn't accuracy.",
    legend=(
        "agreed: the step that the logged agent took was picked (interval over cases by group, repeats averaged first); agreed",
        "step: arguments too; strict: no repair was needed; harm: cases with a harmful step; context tokens: the prompt as the",
        "provider counts it, × the baseline's on the same cases; without a model: agreement of a random step, of the step logged",
        "most often in these cases, of the one logged most often after the last event's type in other groups' cases.",
    ),
)


def of(agreement: bool) -> Wording:
    """Give the words for figures that are agreement with a logged agent, or accuracy."""
    return AGREEMENT if agreement else ACCURACY
