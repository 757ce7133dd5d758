"""The schema as types of TypeScript: ``Step`` is a union of objects, each with the field that names it, if there is one."""

import json


def schema(steps):
    definitions, members = {}, []
    for step in steps:
        definitions |= step["parameters"].pop("$defs", {})
        named = f"{step['intent']}: " if step["tag"] is None and step["value"] is None else ""
        members += [*comment(named + step["description"], "  "), f"  | {member(step)}"]
    types = [f"type {name} = {written(part)};" for name, part in definitions.items()]
    return "\n".join([*types, "type Step =", *members]) + (";\ntype Answer = Step[];" if steps[0]["several"] else ";")


def member(step):
    if step["value"] is not None:
        return json.dumps(step["value"], ensure_ascii=False)
    tag = {} if step["tag"] is None else {step["tag"]: {"const": step["intent"]}}
    required = [*tag, *step["parameters"].get("required", [])]
    return fields({"properties": tag | step["parameters"]["properties"], "required": required}, "    ")


def fields(part, indent="  "):
    lines = []
    for name, inner in part["properties"].items():
        optional = "" if name in part.get("required", []) else "?"
        lines += comment(inner.get("description", ""), indent)
        lines.append(f"{indent}{json.dumps(name, ensure_ascii=False)}{optional}: {written(inner)};")
    return "\n".join(["{", *lines, indent[2:] + "}"]) if lines else "{}"


def written(part):
    """A type, from its JSON Schema."""
    if "$ref" in part:
        return part["$ref"].rpartition("/")[2]
    if "const" in part or "enum" in part:
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in part.get("enum", [part.get("const")]))
    if "anyOf" in part:
        return " | ".join(dict.fromkeys(map(written, part["anyOf"])))
    if part.get("type") == "array":
        return f"Array<{written(part['items'])}>"
    if "properties" in part:
        return fields(part)
    if "additionalProperties" in part:
        return f"Record<string, {written(part['additionalProperties'])}>"
    return {"integer": "number"}.get(part["type"], part["type"])


def comment(text, indent):
    return [f"{indent}// {line}" for line in text.splitlines()]
