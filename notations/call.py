"""Answers as a call of a function: ``name(argument=value, other=value)``, with values in JSON.

Words around the call don't matter, unless they look like a call themselves.
"""

import json
import re

IN_PROSE = True
VALUE = json.JSONDecoder()


def ask(steps):
    calls = [f"{step['intent']}({', '.join(f'{name}=…' for name in step['parameters']['properties'])})" for step in steps]
    how_many = "a call for each step, a line each" if steps[0]["several"] else "one call"
    lines = [f"Answer with {how_many}, and write nothing else. The calls are:", *calls]
    return "\n".join([*lines, "In place of each … stands a value in JSON. What the steps and their fields mean:"])


def write(step, steps):
    args = (f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in step["args"].items())
    return f"{step['intent']}({', '.join(args)})"


def read(text, steps):
    names = "|".join(re.escape(step["intent"]) for step in steps)
    opening, found, at = re.compile(rf"(?<!\w)({names})\("), [], 0
    while call := opening.search(text, at):
        args, at = arguments(text, call.end())
        found.append({"intent": call[1], "args": args})
    return found


def arguments(text, at):
    """Read ``a=1, b=2)`` from ``at`` on; give the arguments and where the call ends."""
    args = {}
    while not (end := re.compile(r"\s*\)").match(text, at)):
        name = re.compile(r"[\s,]*([^\s=,()]+)\s*=\s*").match(text, at)
        if name is None:
            raise ValueError(f"no argument at {text[at : at + 20]!r}")
        args[name[1]], at = VALUE.raw_decode(text, name.end())
    return args, end.end()
