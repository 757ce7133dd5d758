"""Answers as a list of decisions: a line for each step, ``name: no``, or ``name: yes`` and its arguments as a JSON object.

Read are the lines that say yes; other words don't matter.
"""

import json
import re

IN_PROSE = True


def ask(steps):
    taken = "each step that is to be taken" if steps[0]["several"] else "the one step that is to be taken"
    lines = [
        f"Decide on every step, a line each, and write nothing else. Only {taken} has yes, with its fields as a JSON object:"
    ]
    for step in steps:
        fields = ", ".join(f"{json.dumps(name, ensure_ascii=False)}: …" for name in step["parameters"]["properties"])
        lines.append(f"{step['intent']}: no, or yes {{{fields}}}")
    return "\n".join([*lines, "What the steps and their fields mean:"])


def write(step, steps):
    decided = f"yes {json.dumps(step['args'], ensure_ascii=False)}"
    return "\n".join(f"{one['intent']}: {decided if one['intent'] == step['intent'] else 'no'}" for one in steps)


def read(text, steps):
    names = "|".join(re.escape(step["intent"]) for step in steps)
    lines = re.finditer(rf"^[^\w\n]*({names})[^\w\n:]*:[^\w\n:]*yes\b(.*)$", text, re.MULTILINE | re.IGNORECASE)
    return [{"intent": line[1], "args": json.loads(line[2].strip() or "{}")} for line in lines]
