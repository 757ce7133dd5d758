"""Shapes of functions that pick steps, as public BAML code has them, in words of our own: each has another structure.

An agent of each shape is asked one case by text and once with tools, and answers what ``text`` and ``calls`` say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SHOW = "{{ ctx.output_format }}\n{{ _.role('user') }}\n{{ thread }}"


@dataclass(frozen=True)
class Shape:
    """One function: its ``types``, parameters, prompt and return type; a right ``label``, and how a model says it."""

    types: str
    returns: str
    label: dict[str, Any]
    text: str
    calls: tuple[tuple[str, str], ...]
    parameters: str = "thread: string"
    prompt: str = SHOW
    agent: dict[str, Any] = field(default_factory=dict)
    formats: tuple[str, ...] = ("json",)


def one(intent: str, **args: Any) -> dict[str, Any]:
    return {"expect": [{"intent": intent, **({"args": args} if args else {})}]}


HOIST = (
    'class HoistFlag {\n  colour string\n  @@description(#"Run a flag up"#)\n}\nclass LogEntry {\n  text string\n  hour int?\n}\n'
)

SHAPES = {
    "by intent": Shape(
        'class Reef {\n  intent "reef"\n  sail string\n}\nclass Hold {\n  intent "hold"\n}\n',
        "Reef | Hold",
        one("reef", sail="main"),
        '{"intent": "reef", "sail": "main"}',
        (("reef", '{"sail": "main"}'),),
    ),
    "by another literal": Shape(
        'class Reef {\n  tool "reef" @alias("does")\n  sail string\n}\nclass Hold {\n  tool "hold" @alias("does")\n}\n'
        "type Order = Reef | Hold\n",
        "Order",
        one("reef", sail="main"),
        '{"does": "reef", "sail": "main"}',
        (("reef", '{"sail": "main"}'),),
    ),
    "by class": Shape(
        HOIST,
        "HoistFlag | LogEntry",
        one("LogEntry", text="fog"),
        '{"text": "fog"}',
        (("LogEntry", '{"text": "fog"}'),),
    ),
    "by a class's alias": Shape(
        HOIST.replace("  @@description", '  @@alias("hoist_flag")\n  @@description'),
        "HoistFlag | LogEntry",
        one("hoist_flag", colour="red"),
        '```json\n{\n  "colour": "red"\n}\n```',
        (("hoist_flag", '{"colour": "red"}'),),
    ),
    "a class that holds a literal of its own": Shape(
        'class Sound {\n  unit "fathom"\n  depth int\n}\nclass Ask {\n  question string\n}\n',
        "Sound | Ask",
        one("Sound", depth=7),
        '{"unit": "fathom", "depth": 7}',
        (("Sound", '{"unit": "fathom", "depth": 7}'),),
    ),
    "a form": Shape(
        "class Crew {\n  name string\n  watch (1 | 2)\n}\nclass Manifest {\n"
        "  ship string\n  crew Crew[]\n  cargo map<string, int>\n}\n",
        "Manifest",
        one("Manifest", ship="Ida", crew=[{"name": "Bo"}]),
        '{"ship": "Ida", "crew": [{"name": "Bo", "watch": 2}], "cargo": {"salt": 3}}',
        (("Manifest", '{"ship": "Ida", "crew": [{"name": "Bo", "watch": 2}], "cargo": {"salt": 3}}'),),
    ),
    "a choice inside one class": Shape(
        "class Tack {\n  degrees int\n}\nclass Anchor {\n  chain float\n}\nclass Plan {\n"
        "  why string\n  order Tack | Anchor\n}\n",
        "Plan",
        one("Plan", order={"chain": 30}),
        'I think so. {"why": "late", "order": {"chain": 30.0}}',
        (("Plan", '{"why": "late", "order": {"chain": 30.0}}'),),
    ),
    "an enum": Shape(
        'enum Bell {\n  Fire @alias("k1") @description("smoke was seen")\n  Fog\n  Lunch\n}\n',
        "Bell",
        one("Fire"),
        "k1",
        (("Fire", "{}"),),
    ),
    "literals": Shape(
        "",
        '"port" | "starboard" | "ahead"',
        one("port"),
        '"port"',
        (("port", "{}"),),
    ),
    "a list of messages": Shape(
        'class Said {\n  role "user" | "assistant"\n  content string\n}\n' + HOIST,
        "HoistFlag | LogEntry",
        one("LogEntry"),
        '{"text": "fog", "hour": null}',
        (("LogEntry", '{"text": "fog"}'),),
        parameters="history: Said[]",
        prompt="{{ ctx.output_format }}\n{% for m in history %}\n{{ _.role(m.role) }}\n{{ m.content }}\n{% endfor %}",
        formats=("json", "messages"),
    ),
    "a transcript of messages, and a class beside": Shape(
        "enum Who {\n  User\n  Agent\n}\nclass Line {\n  role Who\n  content string?\n  at int?\n}\n"
        "class Ship {\n  name string\n  masts int[]\n  flags map<string, string>\n}\n"
        "class Sail {\n  course int\n}\nclass Stay {\n}\n",
        "Sail | Stay",
        one("Sail", course=90),
        '{"course": 90}',
        (("Sail", '{"course": 90}'),),
        parameters="talk: Line[], ship: Ship",
        prompt="You steer the {{ ship.name }}, a ship of {{ ship.masts|length }} masts, under {{ ship.flags.home }}.\n"
        "{{ ctx.output_format }}\n{{ _.role('user') }}\n"
        "{% for line in talk %}\n{{ line.role }}: {{ line.content }}\n{% endfor %}",
        agent={"arguments": {"ship": {"name": "Ida", "masts": [12, 14], "flags": {"home": "red", "guest": "blue"}}}},
        formats=("json", "messages"),
    ),
    "a list of steps": Shape(
        HOIST,
        "(HoistFlag | LogEntry)[]",
        {"all": [{"intent": "LogEntry", "args": {"text": "fog"}}, {"intent": "HoistFlag"}]},
        '[{"colour": "red"}, {"text": "fog"}]',
        (("HoistFlag", '{"colour": "red"}'), ("LogEntry", '{"text": "fog"}')),
    ),
    "a list of values in order": Shape(
        "enum Bell {\n  Fire\n  Fog\n}\n",
        "Bell[]",
        {"sequence": [{"intent": "Fog"}, {"intent": "Fire"}, {"intent": "Fog"}]},
        '["Fog", "Fire", "Fog"]',
        (("Fog", "{}"), ("Fire", "{}"), ("Fog", "")),
    ),
    "classes beside a value": Shape(
        HOIST,
        'HoistFlag | LogEntry | "belay"',
        one("belay"),
        '"belay"',
        (("belay", "{}"),),
    ),
}
