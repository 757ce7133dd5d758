"""A calculator with four operations, which may fail, and a person who asks for sums and may answer questions.

A task's ``world`` is ``{"fails": {"divide": ["out of memory", null]}}``: what the next calls of a step come to, in order:
the text of an error, or null where the call works. Calls after those work.

Its ``goal`` is ``{"results": [20, 25]}``: the numbers wanted. Each has to be computed, and the last sum of a turn has to give
one of them; none wanted is none computed. ``"asked": true`` wants a question as well. ``"ends": "request_more_information"``
is for a question that nobody answers (in a task's ``people``, one whose ``answer`` is null); else ``done_for_now`` has to
come last.

The one effect is ``computed`` (turn, intent, a, b, result). None does harm: a wrong sum is only wrong.
"""

import copy
import math

EFFECTS = ("computed",)

LIMIT = 1e100
"""Numbers beyond it are refused, so that whatever is asked for, results stay finite."""


def open(task, seed):
    """Give the state before the first step: what is to fail, questions without an answer, and how far the talk has come."""
    fails = copy.deepcopy(task.get("world", {}).get("fails", {}))
    return {"fails": fails, "open": {}, "turn": 1, "asked": False, "call": "", "last": ""}


def advance(state, inputs, now):
    """Do steps, and hand on what people say."""
    out = {"state": copy.deepcopy(state), "effects": [], "events": [], "asks": [], "status": "running"}
    several = sum(given["kind"] == "step" for given in inputs) > 1
    for given in inputs:
        if given["kind"] == "step":
            take_step(out, given["call"], given["intent"], given["args"], several)
        elif given["kind"] == "answer" and given["data"] is None:
            out["status"] = "waiting"
        elif given["kind"] == "answer":
            show(out, "human_response", given["data"], given["call"], out["state"]["open"].pop(given["call"], False))
    return out


def take_step(out, call, intent, args, several):
    """Add to ``out`` what one step does."""
    state = out["state"]
    state["call"] = call
    failures = state["fails"].get(intent)
    if intent == "done_for_now":
        state["turn"] += 1
        out["status"] = "turn_over"
    elif intent == "request_more_information":
        state["asked"] = True
        state["open"][call] = several
        out["asks"].append(call)
        out["status"] = "waiting" if out["status"] == "running" else out["status"]
    else:
        try:
            if failures and (failure := failures.pop(0)):
                raise ValueError(failure)
            a, b, result = compute(intent, args)
        except ValueError as error:
            show(out, "error", f"{intent}: {error}", call, several)
        else:
            data = {"turn": state["turn"], "intent": intent, "a": a, "b": b, "result": result}
            out["effects"].append({"type": "computed", "data": data})
            show(out, f"{intent}_result", result, call, several)
    state["last"] = intent


def show(out, type, data, call, several):
    """Add an event that the agent sees. It names its call where that isn't the only one of its turn, or not the latest."""
    named = {"call": call} if several or call != out["state"]["call"] else {}
    out["events"].append({"type": type, "data": copy.deepcopy(data), **named})


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
    """Say whether what was wanted was computed, and whether it is what the person got."""
    computed = [effect["data"]["result"] for effect in effects]
    last_of_turn = {effect["data"]["turn"]: effect["data"]["result"] for effect in effects}
    ended = state["last"] == goal.get("ends", "done_for_now") and (state["asked"] or not goal.get("asked"))
    all_there = all(is_among(wanted, computed) for wanted in goal["results"])
    return ended and all_there and all(is_among(result, goal["results"]) for result in last_of_turn.values())


def is_among(value, values):
    """Whether a number is among others, but for the error of computing it."""
    return any(math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-12) for other in values)
