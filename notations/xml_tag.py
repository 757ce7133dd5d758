"""Answers as a tag: its name is the step's, and in it stand the arguments as a JSON object.

Words around the tag don't matter. A tag that isn't a step's name is no answer.
"""

import json
import re

IN_PROSE = True


def ask(steps):
    names = ", ".join(step["intent"] for step in steps)
    how_many = "one tag for each step" if steps[0]["several"] else "one tag"
    return (
        f"Answer with {how_many} and nothing else. The tag's name is that of the step, and in it stand the step's other fields "
        f'as a JSON object: <name>{{"field": "value"}}</name>, or <name>{{}}</name> if there are none. The names are {names}.\n'
        "The fields:"
    )


def write(step, steps):
    # A value may hold what looks like a tag; JSON has another way to write the bracket.
    args = json.dumps(step["args"], ensure_ascii=False).replace("<", "\\u003c")
    return f"<{step['intent']}>{args}</{step['intent']}>"


def read(text, steps):
    names = "|".join(re.escape(step["intent"]) for step in steps)
    found, at = [], 0
    for tag in re.finditer(f"<({names})>", text):
        end = text.find(f"</{tag[1]}>", tag.end())
        if tag.start() >= at and end >= 0:
            found.append({"intent": tag[1], "args": json.loads(text[tag.end() : end].strip() or "{}")})
            at = end
    return found
