"""Labels that no answer could match are mistakes, found before anything is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from phrasing.baml.project import Project
from phrasing.errors import DatasetError
from phrasing.score import labels
from phrasing.types import Case
from support.small_projects import cache, function, load

__all__ = ["cache"]

SOURCE = """
enum Colour {
  RED
  BLUE
}
class Place {
  city string
  floor int?
}
class Paint {
  intent "paint"
  colour Colour
  finish ("matt" | "gloss")?
  coats int
  litres float
  wet bool
  place Place
  rooms Place[]
  codes int[]
  names map<string, int>
  size (int | string)
}
class Stop {
  intent "stop"
}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return load(tmp_path_factory.mktemp("labels"), SOURCE + function("Mail", returns="Paint | Stop"))


@pytest.mark.parametrize("key", ["all", "sequence"])
def test_all_that_is_wanted_together_has_to_be_there(project: Project, key: str) -> None:
    def check(*intents: str) -> None:
        steps = [{"intent": intent, "args": {"coats": 1} if intent == "paint" else {}} for intent in intents]
        case = Case.model_validate({"id": "c", "thread": {"events": [{"type": "note"}]}, key: steps})
        labels.check(case, [project.function("Mail")], where="d.jsonl:3", elsewhere={"sing"})

    check("paint", "stop", "stop")
    with pytest.raises(DatasetError) as error:
        check("stop", "sing")
    assert str(error.value) == (
        f"d.jsonl:3: {key}: case 'c': Mail hasn't all of these steps, but lacks sing; there are: paint, stop"
    )
    with pytest.raises(DatasetError, match=f"{key}: intent 'stp' not found"):
        check("stop", "stp")


def checked(project: Project, args: dict[str, Any], key: str = "expect", *, only: bool = False) -> str | None:
    """What is wrong with a label of these arguments, if anything is."""
    step = {"intent": "paint", "args": args, "only": only}
    expect = [step] if key == "expect" else [{"intent": "stop"}]
    case = Case.model_validate(
        {"id": "c", "thread": {"events": [{"type": "note"}]}, "expect": expect, "forbid": [step] if key == "forbid" else []}
    )
    try:
        labels.check(case, [project.function("Mail")], where="d.jsonl:3")
    except DatasetError as error:
        return str(error).removeprefix(f"d.jsonl:3: {key}: paint: ")
    return None


@pytest.mark.parametrize(
    "args",
    [
        {"colour": "RED", "finish": "matt", "coats": 2, "litres": 1.5, "wet": True},
        {"coats": 2.0, "litres": 3, "finish": None},
        {"place": {"city": "Oslo"}, "rooms": [{"floor": 2}, {"floor": None}], "codes": [], "names": {"x": 1}},
        {"size": 1},
        {"size": "one"},
        {"colour": {"$any_of": ["RED", "BLUE"]}, "coats": {"$number": 2}, "litres": {"$number": 2.5, "$tolerance": 1}},
        {"coats": {"$number": 1.9, "$tolerance": 0.2}},
        {"codes": {"$set": [1, {"$number": 2}]}, "rooms": {"$set": [{"city": {"$contains": "os"}}]}},
        {"colour": {"$regex": "^GR"}, "codes": {"$contains": "x"}, "wet": {"$ignore": True}},
        {"coats": {"$int": 2}, "size": {"$int": 1}, "codes": {"$set": [{"$int": 1}]}},
        {"colour": {"$any_case": "red"}, "finish": {"$loose": "MA-TT"}, "place": {"city": {"$any_case": "OSLO"}}},
        {"place": {"$only": {"city": "Oslo"}}, "rooms": [{"$only": {"city": "Oslo", "floor": 1}}], "names": {"$only": {"x": 1}}},
        {"finish": " matt "},
    ],
    ids=[
        *("plain", "numbers", "nested", "union", "other union", "matchers", "near whole", "sets", "undecidable"),
        *("written as whole", "texts in any case", "only", "outer white space"),
    ],
)
def test_what_a_call_can_hold_passes(project: Project, args: dict[str, Any]) -> None:
    assert checked(project, args) is None
    assert checked(project, args, "forbid") is None


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"colour": "GREEN"}, 'args.colour: wanted "RED" or "BLUE", got "GREEN"'),
        ({"finish": "Matt"}, 'args.finish: wanted "matt" or "gloss" or null, got "Matt" (they differ in case)'),
        (
            {"finish": "m\u0430tt"},
            'args.finish: wanted "matt" or "gloss" or null, got "m\u0430tt" (they look alike: U+0061 and U+0430',
        ),
        (
            {"colour": {"$any_case": "R\u0415D"}},
            'args.colour.$any_case: wanted "RED" or "BLUE", got "R\u0415D" (they look alike: U+0045',
        ),
        ({"colour": {"$any_case": "pink"}}, 'args.colour.$any_case: wanted "RED" or "BLUE", got "pink"'),
        ({"finish": {"$loose": "mat"}}, 'args.finish.$loose: wanted "matt" or "gloss" or null, got "mat"'),
        ({"coats": {"$loose": "2"}}, 'args.coats.$loose: wanted a whole number, got "2"'),
        (
            {"litres": {"$int": 2}},
            "args.litres.$int: wanted a number without $int, because a number here may have a fraction, got 2",
        ),
        ({"colour": {"$int": 2}}, 'args.colour.$int: wanted "RED" or "BLUE", got 2'),
        ({"place": {"$only": {"floor": 1}}}, "args.place.$only: leaves out what every object here has: city"),
        ({"place": {"$only": {"town": 1}}}, "args.place.$only: key 'town' not found; there are: city, floor"),
        ({"place": {"$only": {"city": 1}}}, "args.place.$only.city: wanted text, got 1"),
        ({"coats": {"$only": {}}}, "args.coats.$only: wanted a whole number, got {}"),
        ({"coats": "2"}, 'args.coats: wanted a whole number, got "2"'),
        ({"coats": 2.5}, "args.coats: wanted a whole number, got 2.5"),
        ({"coats": True}, "args.coats: wanted a whole number, got true"),
        ({"wet": 1}, "args.wet: wanted true or false, got 1"),
        ({"coats": None}, "args.coats: wanted a whole number, got null"),
        ({"place": "Oslo"}, 'args.place: wanted an object, got "Oslo"'),
        ({"place": {"town": "Oslo"}}, "args.place: key 'town' not found; there are: city, floor"),
        ({"place": {"floor": "3"}}, 'args.place.floor: wanted a whole number or null, got "3"'),
        ({"rooms": [{"city": "Oslo"}, {"city": 3}]}, "args.rooms[1].city: wanted text, got 3"),
        ({"codes": 3}, "args.codes: wanted a list, got 3"),
        ({"names": {"x": "y"}}, 'args.names.x: wanted a whole number, got "y"'),
        ({"size": 1.5}, "args.size: wanted a whole number or text, got 1.5"),
        ({"colour": {"$any_of": ["RED", "PINK"]}}, 'args.colour.$any_of[1]: wanted "RED" or "BLUE", got "PINK"'),
        ({"coats": {"$number": 2.5}}, "args.coats.$number: wanted a whole number, got 2.5"),
        ({"colour": {"$number": 2}}, 'args.colour.$number: wanted "RED" or "BLUE", got 2'),
        ({"codes": {"$set": ["a"]}}, 'args.codes.$set[0]: wanted a whole number, got "a"'),
        ({"coats": {"$set": [1]}}, "args.coats.$set: wanted a whole number, got [1]"),
        ({"color": "RED"}, "argument 'color' not found (did you mean 'colour'?); there are: "),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_no_call_can_hold_is_a_mistake(project: Project, args: dict[str, Any], message: str) -> None:
    for key in ("expect", "forbid"):
        found = checked(project, args, key)
        assert found is not None
        assert found.startswith(message)


WHOLE = {"colour": "RED", "coats": 1, "litres": 1, "wet": True, "place": {}, "rooms": [], "codes": [], "names": {}, "size": 1}


@pytest.mark.parametrize("key", ["expect", "forbid"])
def test_a_label_with_nothing_else_names_what_every_call_has(project: Project, key: str) -> None:
    assert checked(project, WHOLE, key, only=True) is None
    assert checked(project, {**WHOLE, "finish": "matt"}, key, only=True) is None
    few = {"colour": "RED", "coats": 1, "litres": 1, "wet": True, "place": {}, "rooms": [], "codes": []}
    assert checked(project, few, key, only=True) == "only: leaves out what every call has: names, size"


def test_every_function_that_has_the_step_is_asked(tmp_path: Path) -> None:
    other = 'class Halt {\n  intent "stop"\n  why string\n}\n'
    two = load(tmp_path, SOURCE + other + function("Mail", returns="Paint | Stop") + function("Other", returns="Halt | Paint"))
    case = Case.model_validate(
        {"id": "c", "thread": {"events": [{"type": "note"}]}, "expect": [{"intent": "stop", "args": {"why": "late"}}]}
    )
    labels.check(case, [two.function("Other")], where="here")
    with pytest.raises(DatasetError, match=r"^here: expect: stop: argument 'why' not found; there are: none$"):
        labels.check(case, [two.function("Other"), two.function("Mail")], where="here")


def test_a_step_of_another_function_of_the_project_may_be_right_too(project: Project) -> None:
    case = Case.model_validate(
        {"id": "c", "thread": {"events": [{"type": "note"}]}, "expect": [{"intent": "stop"}, {"intent": "forward"}]}
    )
    labels.check(case, [project.function("Mail")], where="here", elsewhere={"forward"})
    with pytest.raises(DatasetError, match=r"^here: expect: intent 'forward' not found; there are: paint, stop"):
        labels.check(case, [project.function("Mail")], where="here", elsewhere={"stop"})
