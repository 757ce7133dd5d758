"""A calculator with four operations, which may fail, and a person who asks for sums and may answer questions.

A task's ``world`` is ``{"fails": {"divide": ["out of memory", null]}}``: what the next calls of a step come to, in order:
the text of an error, or null where the call works. Calls after those work.

Its ``goal`` is ``{"results": [[20], [7, 30], []]}``: for each turn the numbers wanted. Each has to be computed in that turn,
and one of them last, so that no further sum follows; an empty list wants that nothing is computed. ``"asked": true`` wants
a question as well. ``"ends": "asked"`` is for a question that nobody answers; else ``done_for_now`` has to end each turn.

Effects: ``computed`` (intent, a, b, result), ``asked`` and ``done``. No effect does harm here: a wrong sum is only wrong.
"""

import copy
import math

LIMIT = 1e100
"""Numbers beyond it are refused, so that whatever is asked for, results stay finite."""


def open(task, seed):
    """Give the state before the first step: what is still to fail, and the questions that wait for an answer."""
    return {"fails": copy.deepcopy(task.get("world", {}).get("fails", {})), "open": {}}


def advance(state, inputs, now):
    """Do steps, and hand on what people say."""
    out = {"state": copy.deepcopy(state), "effects": [], "events": [], "asks": [], "status": "running"}
    several = sum(given["kind"] == "step" for given in inputs) > 1
    for given in inputs:
        if given["kind"] == "step":
            take_step(out, given["call"], given["intent"], given["args"], several)
        elif given["kind"] == "answer":
            show(out, "human_response", given["data"], given["call"], out["state"]["open"].pop(given["call"], False))
    return out


def take_step(out, call, intent, args, several):
    """Add to ``out`` what one step does."""
    if intent == "done_for_now":
        out["effects"].append({"type": "done", "data": {}})
        out["status"] = "turn_over"
    elif intent == "request_more_information":
        out["effects"].append({"type": "asked", "data": {}})
        out["state"]["open"][call] = several
        out["asks"].append(call)
        if out["status"] == "running":
            out["status"] = "waiting"
    else:
        failures = out["state"]["fails"].get(intent)
        try:
            if failures and (failure := failures.pop(0)):
                raise ValueError(failure)
            a, b, result = compute(intent, args)
        except ValueError as error:
            show(out, "error", f"{intent}: {error}", call, several)
        else:
            out["effects"].append({"type": "computed", "data": {"intent": intent, "a": a, "b": b, "result": result}})
            show(out, f"{intent}_result", result, call, several)


def show(out, type, data, call, several):
    """Add an event that the agent sees. Where a turn had several steps, it names the call to which it belongs."""
    out["events"].append({"type": type, "data": copy.deepcopy(data), **({"call": call} if several else {})})


def compute(intent, args):
    """Give both numbers and the result. Raises ValueError where there is none.

    A division of whole numbers without a rest gives a whole number. Other fractions are rounded to 12 digits, as on a display.
    """
    if intent not in ("add", "subtract", "multiply", "divide"):
        raise ValueError("there is no such step")
    a, b = (number(args, name) for name in ("a", "b"))
    if intent == "add":
        result = a + b
    elif intent == "subtract":
        result = a - b
    elif intent == "multiply":
        result = a * b
    elif b == 0:
        raise ValueError("division by zero")
    else:
        result = a // b if isinstance(a, int) and isinstance(b, int) and a % b == 0 else a / b
    if not abs(result) <= LIMIT:
        raise ValueError("the result is too large")
    return a, b, result if isinstance(result, int) else float(f"{result:.12g}")


def number(args, name):
    """Give an argument that has to be a number of a size that the calculator can show."""
    value = args.get(name) if isinstance(args, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LIMIT:
        raise ValueError(f"{name} has to be a number")
    return value


def success(effects, state, goal):
    """Say whether each turn computed what was wanted of it, and ended as it should."""
    ends = goal.get("ends", "done")
    turns = [[]]
    for effect in effects:
        if effect["type"] == "done":
            turns.append([])
        elif effect["type"] == "computed":
            turns[-1].append(effect["data"]["result"])
    if ends == "done":
        turns.pop()  # what follows the last "done": nothing
    types = [effect["type"] for effect in effects]
    if types[-1:] != [ends] or (goal.get("asked") and "asked" not in types):
        return False
    return len(turns) == len(goal["results"]) and all(map(as_wanted, turns, goal["results"]))


def as_wanted(computed, wanted):
    """Whether all that was wanted of a turn was computed, and one of it last."""

    def is_there(value, values):
        return any(math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-12) for other in values)

    return all(is_there(value, computed) for value in wanted) and all(is_there(value, wanted) for value in computed[-1:])
