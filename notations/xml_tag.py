"""Answers as a tag: its name is the step's, and in it stand the arguments as a JSON object.

Words around the tag don't matter. A tag that isn't a step's name is no answer.
"""

import json
import re

IN_PROSE = True


def ask(steps):
    tags = []
    for step in steps:
        fields = ", ".join(f"{json.dumps(name, ensure_ascii=False)}: …" for name in step["parameters"]["properties"])
        tags.append(f"<{step['intent']}>{{{fields}}}</{step['intent']}>")
    how_many = "a tag for each step" if steps[0]["several"] else "one tag"
    lines = [f"Answer with {how_many}, in which its fields stand as a JSON object, and write nothing else. The tags are:", *tags]
    return "\n".join([*lines, "What the steps and their fields mean:"])


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
