"""The schema as JSON Schema, a step a line: any of these objects, each with the field that names it, if there is one."""

import json


def schema(steps):
    definitions, shapes = {}, []
    for step in steps:
        definitions |= step["parameters"].pop("$defs", {})
        shapes.append(written(shape(step)))
    lines = ['{"anyOf": [', ",\n".join(shapes), "]"]
    if steps[0]["several"]:
        lines = ['{"type": "array", "items":', *lines, "}"]
    return "\n".join([*lines, f', "$defs": {written(definitions)}}}' if definitions else "}"])


def shape(step):
    described = {"description": step["description"]} if step["description"] else {}
    if step["value"] is not None:
        return {"const": step["value"]} | described
    parameters = step["parameters"]
    if step["tag"] is None:
        return {"title": step["intent"]} | described | parameters
    return {
        **described,
        "type": "object",
        "properties": {step["tag"]: {"const": step["intent"]}, **parameters["properties"]},
        "required": [step["tag"], *parameters.get("required", [])],
    }


def written(value):
    return json.dumps(value, ensure_ascii=False)
