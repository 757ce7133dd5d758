"""The procedure of a trial that is one request: the step that a model picks next."""

from __future__ import annotations

from collections.abc import Callable

from phrasing.plan.inputs import Inputs
from phrasing.plan.resolve import Plan
from phrasing.records import Result
from phrasing.runs.procedure import Exchange, Sent
from phrasing.score import builtin, log_odds, user
from phrasing.types import Trial


class SingleStep:
    """The procedure of a trial that is one request: the step that a model picks next."""

    def first(self, plan: Plan, trial: Trial) -> Sent:
        """Render the case and compose its request."""
        prompt = plan.prompt(trial)
        return Sent(prompt, plan.request(trial, prompt))

    def inputs(self, plan: Plan) -> Callable[[Trial], str | None]:
        """Digest what prompt and request are made of."""
        return Inputs(plan)

    async def bring(self, plan: Plan, trial: Trial, sent: Sent, exchange: Exchange) -> None:
        """Keep the one result, scored."""
        result = await exchange.ask(sent)
        if result is not None:
            exchange.keep(score(plan, trial, result))


def score(plan: Plan, trial: Trial, result: Result) -> Result:
    """Parse and score a stored answer anew, with the functions and labels as they are now."""
    if result.completion is None:
        return result
    case = plan.case(trial)
    parsed = plan.parser(trial).parse(result.completion, trial.variant.output, several=case.together is not None)
    scores = builtin.score(case, parsed) | user.score(plan.scorers, case, parsed, result.completion)
    completion = log_odds.without_others(result.completion, parsed.step.intent if parsed.step else None)
    return result.model_copy(update={"completion": completion, "parsed": parsed, "scores": scores})
