"""Answers in YAML: a mapping whose first key names the step, and whose other keys are its arguments.

The first key is the field that the schema has for it, or ``step`` where it has none. Read is the whole answer, or the first fence
in it.
"""

import yaml


class Loader(yaml.SafeLoader):
    """YAML without dates (2024-01-31 is a text, as in JSON) and without aliases, by which a short text becomes a huge value."""

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            raise ValueError("an alias")
        return super().compose_node(parent, index)


Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Dumper(yaml.SafeDumper):
    """YAML that quotes white space around a text, and every end of a line, also the rare ones: so they come back."""

    def represent_str(self, text):
        style = None if text == text.strip() and text.splitlines() == [text] else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", text, style)


Dumper.add_representer(str, Dumper.represent_str)


def ask(steps):
    shown = "\n\n".join(
        "\n".join([f"{step['tag'] or 'step'}: {step['intent']}", *(f"{name}: …" for name in step["parameters"]["properties"])])
        for step in steps
    )
    listed = " as a list, also if it is only one" if steps[0]["several"] else ""
    return (
        f"Answer in YAML with one of these{listed}, and write nothing else:\n\n{shown}\n\nWhat the steps and their fields mean:"
    )


def write(step, steps):
    (key,) = (one["tag"] or "step" for one in steps if one["intent"] == step["intent"])
    if key in step["args"]:
        raise ValueError(f"an argument is called {key}, as what names the step")
    mapping = {key: step["intent"], **step["args"]}
    shown = [mapping] if steps[0]["several"] else mapping
    return yaml.dump(shown, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1_000_000)


def read(text, steps):
    lines = text.split("\n")
    fences = [at for at, line in enumerate(lines) if line.startswith("```")]
    value = yaml.load("\n".join(lines[fences[0] + 1 : fences[1]]) if len(fences) > 1 else text, Loader)
    found = [step_of(item, steps) for item in (value if isinstance(value, list) else [value])]
    return [step for step in found if step]


def step_of(item, steps):
    keys = {step["tag"] or "step" for step in steps}
    key = next((key for key in item if key in keys), None) if isinstance(item, dict) else None
    return key and {"intent": item.pop(key), "args": item}
