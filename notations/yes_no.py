"""Answers as a list of decisions: a line for each step, ``name: no`` or ``name: yes`` with its arguments as a JSON object behind it.

Read are the lines that say yes; other words don't matter.
"""

import json
import re

IN_PROSE = True


def ask(steps):
    how_many = "each step that is to be taken" if steps[0]["several"] else "the one step that is to be taken"
    lines = [
        f"Answer with a line for every step below: yes for {how_many}, with its other fields as a JSON object, and no for the others.",
        "Write nothing else:",
        *(f"{step['intent']}: {'no' if at else 'yes {…}'}" for at, step in enumerate(steps)),
    ]
    return "\n".join([*lines, "The fields:"])


def write(step, steps):
    decided = f"yes {json.dumps(step['args'], ensure_ascii=False)}"
    return "\n".join(f"{one['intent']}: {decided if one['intent'] == step['intent'] else 'no'}" for one in steps)


def read(text, steps):
    names = "|".join(re.escape(step["intent"]) for step in steps)
    lines = re.finditer(rf"^[^\w\n]*({names})[^\w\n:]*:[^\w\n:]*yes\b(.*)$", text, re.MULTILINE | re.IGNORECASE)
    return [{"intent": line[1], "args": json.loads(line[2].strip() or "{}")} for line in lines]
