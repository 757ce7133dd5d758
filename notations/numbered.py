"""The schema as a numbered list in words: the steps, and below each its arguments."""

import json


def schema(steps):
    tags = dict.fromkeys(json.dumps(step["tag"]) for step in steps if step["tag"])
    lines = [f"A step is an object, and its field {' or '.join(tags)} is its name:"] if tags else []
    definitions = {}
    for number, step in enumerate(steps, 1):
        definitions |= step["parameters"].get("$defs", {})
        name = step["intent"] if step["value"] is None else json.dumps(step["value"], ensure_ascii=False)
        lines.append(f"{number}. {said(name, step['description'])}")
        lines += fields(step["parameters"])
    for name, part in definitions.items():
        lines += [f"{name}:", *(fields(part) if "properties" in part else [f"   {kind(part)}"])]
    return "\n".join(lines + (["The answer is a list of steps."] if steps[0]["several"] else []))


def fields(part):
    required = part.get("required", [])
    return [
        "   - " + said(f"{name} ({kind(inner)}{'' if name in required else '; may be left out'})", inner.get("description"))
        for name, inner in part["properties"].items()
    ]


def kind(part):
    """A type in words, from its JSON Schema."""
    if "$ref" in part:
        return part["$ref"].rpartition("/")[2]
    if "const" in part or "enum" in part:
        return " or ".join(json.dumps(value, ensure_ascii=False) for value in part.get("enum", [part.get("const")]))
    if "anyOf" in part:
        return " or ".join(dict.fromkeys(map(kind, part["anyOf"])))
    if part.get("type") == "array":
        return f"list of: {kind(part['items'])}"
    if "additionalProperties" in part:
        return f"object of any keys, each with: {kind(part['additionalProperties'])}"
    return {"string": "text", "integer": "whole number", "boolean": "true or false"}.get(part["type"], part["type"])


def said(name, description):
    return f"{name}: {' '.join(description.split())}" if description else name
