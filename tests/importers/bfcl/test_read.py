"""BFCL: labels of one turn, and of several, whose calls are run with the result that the package itself gets."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from phrasing.errors import LogError
from phrasing.importers import registry
from phrasing.importers.bfcl.read import MULTI, SINGLE, UNFIT, WITHHELD, read, records
from phrasing.importers.pipeline import Options, make_cases
from phrasing.importers.summary import ImportSummary
from phrasing.score.builtin import score
from phrasing.suite import dataset
from phrasing.suite.dataset import Dataset, infer_roles
from phrasing.types import Parsed, Step, Thread
from support.paths import REPOSITORY

# What the package's own executor answers to each call, as the text that a model would read.
THEIRS = """
import json, sys
sys.path.insert(0, "tools")
import bfcl
sys.path[:0] = bfcl.package()
from bfcl_eval.eval_checker.multi_turn_eval.multi_turn_utils import execute_multi_turn_func_call as execute
from phrasing.importers.bfcl.read import questions
for _, question, turns in questions(sys.argv[1]):
    name, said = question["id"], []
    for turn in turns:
        state, apis = question["initial_config"], question["involved_classes"]
        said += execute(turn, state, apis, "checked", name, long_context="long_context" in name)[0]
    print(json.dumps({"calls": sum(turns, []), "said": said}))
"""

# What becomes of a category, and the cases.
OURS = """
import json, sys
sys.path.insert(0, "tools")
import bfcl
sys.path[:0] = bfcl.package()
from phrasing.importers.summary import ImportSummary
from phrasing.importers.bfcl.read import records
from phrasing.importers.pipeline import Options, make_cases
account, found = ImportSummary(), list(records(sys.argv[1]))
with open(sys.argv[2], "wb") as file:
    for case in make_cases(found, Options(), account, importer="bfcl"):
        file.write(case.line + b"\\n")
calls = [call for _, record in found for turn in record.get("turns", ()) for call in turn["calls"]]
left = {reason: met.times for reason, met in account.left.items()}
print(json.dumps([len(found), left, list(account.kept), len(calls), sum(bool(call["also"]) for call in calls)]))
"""


def python(*words: str) -> str:
    # one of the APIs writes local times
    environment = {**os.environ, "TZ": "UTC"}
    done = subprocess.run([sys.executable, *words], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def parsed(text: str) -> Any:
    """Read the text of an object or a list: JSON, or Python's own, which the package uses for lists and what can't be JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return ast.literal_eval(re.sub(r"mpf\('(.*?)'\)", r"\1", text).replace("Ellipsis", "'...'"))


@pytest.mark.slow
@pytest.mark.parametrize(("category", "number"), [("multi_turn_base", 1142), ("multi_turn_long_context", 1203)])
def test_every_call_gives_what_the_package_itself_gets(tmp_path: Path, category: str, number: int) -> None:
    out = tmp_path / "threads.jsonl"
    python("tools/bfcl.py", category, str(out))
    written = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    theirs = [json.loads(line) for line in python("-c", THEIRS, category).splitlines()]
    checked = 0
    for line, their in zip(written, theirs, strict=True):
        thread = Thread.model_validate(line["thread"])
        assert infer_roles(thread, frozenset()) == (thread, ())
        steps = [event for event in thread.events if event.role == "step"]
        results = [event for event in thread.events if event.role == "result"]
        for step, result, call, said in zip(steps, results, their["calls"], their["said"], strict=True):
            tree = ast.parse(call.strip(), mode="eval").body
            assert isinstance(tree, ast.Call)
            values = [ast.literal_eval(value) for value in [*tree.args, *(keyword.value for keyword in tree.keywords)]]
            assert isinstance(step.data, dict)
            assert (step.type, sorted(map(str, step.data.values()))) == (ast.unparse(tree.func), sorted(map(str, values)))
            assert {keyword.arg for keyword in tree.keywords} <= step.data.keys()
            assert (result.type, result.call) == (f"{step.type}_result", step.call)
            if isinstance(result.data, dict | list):
                assert parsed(said) == result.data
            else:
                assert said == str(result.data)
            checked += 1
    assert checked == number


def test_a_word_too_few_says_how() -> None:
    done = subprocess.run([sys.executable, "tools/bfcl.py"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "usage: python tools/bfcl.py {multi_turn_base,multi_turn_long_context} FILE\n"


@pytest.mark.slow
def test_the_page_made_of_them_is_not_stale() -> None:
    assert python("tools/axes.py", "--check") == "fresh\n"


# What the authors' checker and our scorer say of changed answers: in a process of its own, where the package can be imported.
VERDICTS = """
import json, sys
from collections import Counter
sys.path.insert(0, "tools")
import bfcl_agreement as agreement
sys.path[:0] = agreement.bfcl.package()
found = agreement.verdicts(agreement.questions())
compared = [one for one in found if one.change not in agreement.SPELLINGS]
changes = Counter(one.change for one in found)
print(json.dumps({
    "agree": sum(one.kind is None for one in compared) / len(compared),
    "answers": len(compared),
    "cases": len({one.question.case.id for one in found}),
    "right": sum(one.theirs for one in compared) / len(compared),
    "turned": [one.question.case.id for one in found if one.change == "nothing" and not one.ours],
    "kinds": Counter(one.kind for one in found if one.kind),
    "named": list(agreement.KINDS),
    "unmade": [change for change in (*agreement.CHANGES, *agreement.SPELLINGS, agreement.OTHER) if not changes[change]],
    "stale": agreement.PAGE.read_text("utf-8") != agreement.page(found),
}))
"""


@pytest.mark.slow
def test_the_scorer_agrees_with_the_authors_checker() -> None:
    found = json.loads(python("-c", VERDICTS))
    assert found["cases"] >= 200
    assert found["answers"] >= 2_000
    assert found["agree"] >= 0.99
    assert 0.2 <= found["right"] <= 0.8  # there is something to agree on
    assert found["turned"] == []  # no right answer is called wrong
    assert set(found["kinds"]) == set(found["named"])  # each kind that is left has been looked at, and is still there
    assert found["unmade"] == []
    assert not found["stale"], "run: python tools/bfcl_agreement.py"


# ---------------------------------------------------------------------------------------------- every category

CATEGORIES: dict[str, tuple[int, dict[str, int], int]] = {  # records, those that make no case, cases
    "simple_python": (400, {UNFIT: 1}, 399),
    "simple_java": (100, {UNFIT: 10}, 90),
    "simple_javascript": (50, {UNFIT: 9}, 41),
    "multiple": (200, {}, 200),
    "parallel": (200, {}, 200),
    "parallel_multiple": (200, {UNFIT: 4}, 196),
    "irrelevance": (240, {}, 240),
    "live_simple": (258, {UNFIT: 3}, 255),
    "live_multiple": (1053, {UNFIT: 27}, 1026),
    "live_parallel": (16, {}, 16),
    "live_parallel_multiple": (24, {UNFIT: 1}, 23),
    "live_irrelevance": (884, {}, 884),
    "live_relevance": (16, {}, 16),
    "multi_turn_base": (200, {UNFIT: 1}, 1867),
    "multi_turn_long_context": (200, {UNFIT: 1}, 1928),
    "multi_turn_miss_func": (200, {WITHHELD: 1, UNFIT: 1}, 2057),
    "multi_turn_miss_param": (200, {UNFIT: 1}, 2064),
}


KEPT = {"live_irrelevance": ["a transcript in one text: kept as the one message that it is"]}
"""What is said of questions that are odd."""


@pytest.mark.slow
@pytest.mark.parametrize("category", CATEGORIES)
def test_every_question_makes_cases_or_is_counted(tmp_path: Path, category: str) -> None:
    records, left, cases = CATEGORIES[category]
    found, reasons, kept, calls, free = json.loads(python("-c", OURS, category, str(tmp_path / "made.jsonl")))
    assert (found, reasons, kept) == (records, left, KEPT.get(category, []))
    made = dataset.load(tmp_path / "made.jsonl").cases
    assert len(made) == cases
    assert {case.strength for case in made} == {"written"}
    if category == "multi_turn_base":
        # of 1,142 calls, so many may come in another order
        assert (calls, free) == (1142, 261)


def test_every_category_is_tried_here() -> None:
    assert set(CATEGORIES) == {*SINGLE, *MULTI}


# ---------------------------------------------------------------------------------------------- labels of one turn

BOOK = {
    "name": "trips.book",
    "description": "Book a trip.",
    "parameters": {
        "type": "dict",
        "required": ["city", "days"],
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "class": {"type": "string", "enum": ["first", "second"], "default": "any"},
            "limit": {"type": "float"},
            "note": {"type": "string"},
            "room": {"type": "dict", "properties": {"beds": {"type": "integer"}, "view": {"type": "string"}}},
            "stops": {"type": "array", "items": {"type": "string"}},
            "hours": {"type": "array", "items": {"type": "integer"}},
            "legs": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
            "guests": {"type": "array", "items": {"type": "dict", "properties": {"name": {"type": "string"}}}},
        },
    },
}
ROME = {"$loose": "Rome"}
TWO = {"$int": 2}
REST = {"class": None, "limit": None, "note": None, "room": None, "stops": None, "hours": None, "legs": None, "guests": None}
ASKED = [[{"role": "user", "content": "Two days in Rome, please."}]]


def question(*truth: dict[str, Any], category: str = "simple_python", **more: Any) -> dict[str, Any]:
    record = {"id": f"{category}_7", "question": ASKED, "function": [BOOK], "ground_truth": list(truth) or None}
    return {**record, "category": category, **more}


def imported(tmp_path: Path, record: dict[str, Any]) -> tuple[Dataset, ImportSummary]:
    account = ImportSummary()
    made = list(make_cases([("b.json:1", record)], Options(), account, importer="bfcl"))
    (tmp_path / "made.jsonl").write_bytes(b"\n".join(one.line for one in made))
    return dataset.load(tmp_path / "made.jsonl"), account


def labels(tmp_path: Path, record: dict[str, Any]) -> list[dict[str, Any]]:
    loaded, account = imported(tmp_path, record)
    assert not account.left
    assert not account.kept
    return [label.model_dump(mode="json") for case in loaded.cases for label in case.labels]


def test_a_question_becomes_a_case(tmp_path: Path) -> None:
    loaded, account = imported(tmp_path, question({"trips.book": {"city": ["Rome"], "days": [2]}}))
    (case,) = loaded.cases
    assert (case.id, case.group, case.strength, case.tags) == ("simple-python-7-1", "simple-python-7", "written", ())
    assert case.meta == {"source": "b.json:1", "category": "simple_python"}
    assert [(event.type, event.data, event.role) for event in case.thread.events] == [
        ("user_message", "Two days in Rome, please.", "input")
    ]
    assert [label.model_dump() for label in case.expect] == [
        {"intent": "trips_book", "args": {"city": ROME, "days": TWO, **REST}, "only": True}
    ]
    assert account.renamed == {"trips.book": "trips_book"}
    assert account.toolsets == [(BOOK,)]


@pytest.mark.parametrize(
    ("parameter", "allowed", "label"),
    [
        ("city", ["Rome", "Roma"], {"$any_of": [ROME, {"$loose": "Roma"}]}),
        ("city", ["Rome", ""], {"$any_of": [ROME, ""]}),
        ("city", ["Rome", None, 3], ROME),
        ("days", [2, ""], TWO),
        ("days", [2.0, 3], {"$any_of": [2.0, {"$int": 3}]}),
        ("limit", [5, 5.5, ""], {"$any_of": [5, 5.5, None]}),
        ("limit", [None, 5.0], {"$any_of": [5.0, None]}),
        ("limit", [""], None),
        ("note", [""], {"$any_of": ["", None]}),
        ("class", ["first", "third", ""], {"$any_of": [{"$loose": "first"}, None]}),
        ("class", ["First"], {"$loose": "First"}),
        ("class", ["", "any"], None),
        (
            "room",
            [{"beds": [1, 2], "view": ["sea", ""]}],
            {"$only": {"beds": {"$any_of": [1, 2]}, "view": {"$any_of": [{"$loose": "sea"}, "", None]}}},
        ),
        ("room", [{"beds": [1]}], {"$only": {"beds": 1, "view": None}}),
        ("stops", [["Pisa", "Bari"], []], {"$any_of": [[{"$loose": "Pisa"}, {"$loose": "Bari"}], []]}),
        ("stops", [["Pisa"], ""], {"$any_of": [[{"$loose": "Pisa"}], [], None]}),
        ("legs", [[["Pisa", "Bari"]]], [["Pisa", "Bari"]]),
        ("hours", [[8, 9]], [{"$int": 8}, {"$int": 9}]),
        (
            "guests",
            [[{"name": ["Ann", "Anne"]}, {"name": ["Bo"]}]],
            [{"$only": {"name": {"$any_of": [{"$loose": "Ann"}, {"$loose": "Anne"}]}}}, {"$only": {"name": {"$loose": "Bo"}}}],
        ),
    ],
)
def test_allowed_values_become_matchers(tmp_path: Path, parameter: str, allowed: list[Any], label: Any) -> None:
    truth = {"city": ["Rome"], "days": [2], parameter: allowed}
    assert labels(tmp_path, question({"trips.book": truth})) == [
        {"intent": "trips_book", "args": {"city": ROME, "days": TWO, **REST, parameter: label}, "only": True}
    ]


@pytest.mark.parametrize(
    "call",
    [
        {"trips.book": {"city": ["Rome"]}},
        {"trips.book": {"city": ["Rome"], "days": ["two"]}},
        {"trips.book": {"city": ["Rome"], "days": [True]}},
        {"trips.book": {"city": ["Rome"], "days": [""]}},
        {"trips.book": {"city": ["Rome"], "days": []}},
        {"trips.book": {"city": ["Rome"], "days": [2], "wifi": [True]}},
        {"trips.book": {"city": ["Rome"], "days": [2], "class": ["third"]}},
        {"trips.book": {"city": ["Rome"], "days": [2], "class": ["", "third"]}},
        {"trips.book": {"city": ["Rome"], "days": [2], "limit": ["", "five"]}},
        {"trips.book": {"city": ["Rome"], "days": [2], "stops": [[1]]}},
        {"trips.book": {"city": ["Rome"], "days": [2], "room": [{"pool": [True]}]}},
        {"trips.cancel": {}},
    ],
    ids=[
        "required",
        "text",
        "bool",
        "left out",
        "nothing",
        "parameter",
        "enum",
        "optional enum",
        "optional",
        "item",
        "key",
        "function",
    ],
)
def test_a_call_that_its_function_refuses_is_counted(tmp_path: Path, call: dict[str, Any]) -> None:
    account = ImportSummary()
    assert not list(make_cases([("b.json:1", question(call))], Options(), account, importer="bfcl"))
    assert {reason: met.times for reason, met in account.left.items()} == {UNFIT: 1}


def test_parallel_calls_are_all_wanted(tmp_path: Path) -> None:
    calls = [{"trips.book": {"city": [city], "days": [2]}} for city in ("Rome", "Pisa")]
    loaded, _ = imported(tmp_path, question(*calls, category="parallel"))
    (case,) = loaded.cases
    assert case.together == "all"
    assert [(label.intent, label.args["city"]) for label in case.labels] == [
        ("trips_book", ROME),
        ("trips_book", {"$loose": "Pisa"}),
    ]


def test_where_nothing_is_to_be_called_the_agent_says_something(tmp_path: Path) -> None:
    assert labels(tmp_path, question(category="irrelevance")) == [{"intent": "respond", "args": {}}]


def test_where_any_call_is_right_every_function_is(tmp_path: Path) -> None:
    found = labels(tmp_path, question(category="live_relevance", function=[BOOK, {**BOOK, "name": "trips.find"}]))
    assert found == [{"intent": "trips_book", "args": {}}, {"intent": "trips_find", "args": {}}]


def test_messages_before_the_question_are_history(tmp_path: Path) -> None:
    said = [{"role": "system", "content": "Today is Monday."}, *ASKED[0], {"role": "assistant", "content": "When?"}, *ASKED[0]]
    loaded, _ = imported(tmp_path, question(category="live_irrelevance", question=[said]))
    (case,) = loaded.cases
    assert [event.type for event in case.thread.events] == ["system_message", "user_message", "respond", "user_message"]


@pytest.mark.parametrize(
    ("change", "right"),
    [
        ({}, True),
        ({"city": "ROME."}, True),
        ({"city": "Roma"}, False),
        ({"days": 2.0}, False),
        ({"limit": 5}, True),
        ({"limit": 5.0}, True),
        ({"limit": "5"}, False),
        ({"limit": None}, False),
        ({"note": None}, True),
        ({"note": "x"}, False),
        ({"wifi": True}, False),
        ({"room": {"beds": 2}}, True),
        ({"room": {"beds": 2, "view": None}}, True),
        ({"room": {"beds": 2, "view": "sea"}}, False),
        ({"room": {"beds": 2, "pool": True}}, False),
        ({"stops": ["bari", "PISA"]}, False),
        ({"stops": ["pisa", "b-a-r-i"]}, True),
        ({"stops": []}, True),
    ],
)
def test_answers_are_scored_as_the_authors_checker_does(tmp_path: Path, change: dict[str, Any], right: bool) -> None:
    truth = {"city": ["Rome"], "days": [2], "limit": [5.0], "room": [{"beds": [2]}, ""], "stops": [["Pisa", "Bari"], ""]}
    loaded, _ = imported(tmp_path, question({"trips.book": truth}))
    answer = {"city": "Rome", "days": 2, "limit": 5.0, **change}
    found = score(loaded.cases[0], Parsed(step=Step(intent="trips_book", args=answer), form="exact"))
    assert (found["step"].value == 1) == right


# ---------------------------------------------------------------------------------------------- several turns

# A package of the same build with an API of our own: a shelf.
SHELF = {
    "__init__.py": "",
    "constants/executable_backend_config.py": """
CLASS_FILE_PATH_MAPPING = {"Shelf": "bfcl_eval.shelf"}
MULTI_TURN_FUNC_DOC_FILE_MAPPING = {"Shelf": "shelf.json"}
STATELESS_CLASSES = []
""",
    "constants/default_prompts.py": "DEFAULT_USER_PROMPT_FOR_ADDITIONAL_FUNCTION_FC = 'Now you can.'",
    "shelf.py": """
import datetime

class Shelf:
    def _load_scenario(self, state, long_context=False):
        self.books = state["books"]

    def add(self, title, copies=1):
        self.books.append([title, copies])
        return {"all": self.books}

    def count(self):
        return {"books": len(self.books)}

    def swap(self):
        if len(self.books) < 2:
            raise IndexError("nothing to swap")
        self.books.reverse()
        return {"swapped": True}

    def clock(self):
        return datetime.datetime.fromtimestamp(0).hour
""",
}
DOCS = [
    {
        "name": "add",
        "parameters": {
            "type": "dict",
            "properties": {"title": {"type": "string"}, "copies": {"type": "integer", "default": 1}},
            "required": ["title"],
        },
    },
    *({"name": name, "parameters": {"type": "dict", "properties": {}, "required": []}} for name in ("count", "swap", "clock")),
]


def shelf(folder: Path, category: str, turns: list[list[str]], **more: Any) -> None:
    """Write the package with one conversation."""
    said = [[{"role": "user", "content": f"turn {number}"}] for number in range(len(turns))]
    asked = {"id": f"{category}_0", "question": said, "initial_config": {"Shelf": {"books": []}}, "involved_classes": ["Shelf"]}
    data = {
        f"data/BFCL_v4_{category}.json": {**asked, **more},
        f"data/possible_answer/BFCL_v4_{category}.json": {"id": asked["id"], "ground_truth": turns},
    }
    texts = {**SHELF, **{name: json.dumps(value) for name, value in data.items()}}
    texts["data/multi_turn_func_doc/shelf.json"] = "\n".join(map(json.dumps, DOCS))
    for name, text in texts.items():
        path = folder / "bfcl_eval" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (folder / "mpmath").mkdir(exist_ok=True)


def shelved(folder: Path, category: str, *options: str) -> list[dict[str, Any]]:
    """Import the conversation, as a user would."""
    script = f"import sys; sys.path.insert(0, {str(folder)!r}); from phrasing.cli import main; main(sys.argv[1:])"
    words = ["import", "bfcl", category, "-o", str(folder / "made.jsonl"), "--force", *options]
    environment = {**os.environ, "TZ": "Asia/Tokyo"}
    done = subprocess.run(
        [sys.executable, "-c", script, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert dataset.load(folder / "made.jsonl")
    return [json.loads(line) for line in (folder / "made.jsonl").read_text("utf-8").splitlines()]


def test_calls_are_run_and_those_in_any_order_are_each_right(tmp_path: Path) -> None:
    turns = [["add('Emma')", "add(title='Ulysses', copies=2)", "swap()"], ["count()", "clock()", "count()"], []]
    shelf(tmp_path, "multi_turn_base", turns)
    cases = shelved(tmp_path, "multi_turn_base")
    assert [(case["id"], case.get("tags"), [label["intent"] for label in case["expect"]]) for case in cases] == [
        ("multi-turn-base-0-1", None, ["add"]),
        ("multi-turn-base-0-2", None, ["add"]),
        ("multi-turn-base-0-3", None, ["swap"]),
        ("multi-turn-base-0-4", None, ["respond"]),
        ("multi-turn-base-0-5", ["order-free"], ["count", "clock"]),
        ("multi-turn-base-0-6", ["order-free"], ["clock", "count"]),
        ("multi-turn-base-0-7", None, ["count"]),
        ("multi-turn-base-0-8", None, ["respond"]),
        ("multi-turn-base-0-9", None, ["respond"]),
    ]
    # the value that an argument has when it is left out may be given, and the other way round
    assert [case["expect"][0]["args"] for case in cases[:2]] == [
        {"title": "Emma", "copies": {"$any_of": [1, None]}},
        {"title": "Ulysses", "copies": 2},
    ]
    events = [(event["type"], event["data"]) for event in cases[-1]["thread"]["events"]]
    assert events == [
        ("user_message", "turn 0"),
        ("add", {"title": "Emma"}),
        ("add_result", {"all": [["Emma", 1]]}),
        ("add", {"title": "Ulysses", "copies": 2}),
        ("add_result", {"all": [["Emma", 1], ["Ulysses", 2]]}),
        ("swap", {}),
        ("swap_result", {"swapped": True}),
        ("user_message", "turn 1"),
        ("count", {}),
        ("count_result", {"books": 2}),
        ("clock", {}),
        ("clock_result", 0),  # that of Greenwich
        ("count", {}),
        ("count_result", {"books": 2}),
        ("user_message", "turn 2"),
    ]
    meta = {"source": "BFCL_v4_multi_turn_base.json:1", "category": "multi_turn_base", "involved_classes": "Shelf"}
    assert cases[0]["meta"] == meta


@pytest.mark.slow
def test_cases_say_which_functions_are_withheld(tmp_path: Path) -> None:
    shelf(tmp_path, "multi_turn_miss_func", [["add('Emma')"], [], ["count()"]], missed_function={"2": ["count", "swap"]})
    cases = shelved(tmp_path, "multi_turn_miss_func")
    assert [(case["turn"], case["meta"].get("withheld"), case["expect"][0]["intent"]) for case in cases] == [
        (1, "count, swap", "add"),
        (2, "count, swap", "respond"),
        (3, "count, swap", "respond"),
        (4, None, "count"),
        (5, None, "respond"),
    ]
    assert cases[3]["thread"]["events"][-1]["data"] == "Now you can."
    tools = tmp_path / "tools.json"
    shelved(tmp_path, "multi_turn_miss_func", "--where", "withheld=count, swap", "--tools", str(tools))
    assert [tool["name"] for tool in json.loads(tools.read_text("utf-8"))] == ["add", "clock"]


def test_a_call_to_what_is_withheld_is_counted() -> None:
    turn = {"messages": ASKED[0], "calls": [{"name": "add", "arguments": {}, "defaults": {}, "result": 1, "also": []}]}
    record = question(category="multi_turn_miss_func", turns=[turn], missed_function={"1": ["add"]}, function=DOCS)
    with pytest.raises(ValueError, match=f"^{WITHHELD}$"):
        list(read(record))


# ---------------------------------------------------------------------------------------------- what isn't there


def test_an_unknown_category_is_named_with_the_choices() -> None:
    with pytest.raises(LogError, match=r"category of BFCL 'multi_turn_bse' not found \(did you mean 'multi_turn_base'\?\)"):
        next(records("multi_turn_bse"))


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(LogError, match=r"pip install --no-deps bfcl-eval mpmath$"):
        next(records("simple_python"))


def test_a_category_that_this_version_hasnt_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf(tmp_path, "multi_turn_base", [["count()"]])
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(LogError, match=r"has no BFCL_v4_live_simple\.json"):
        next(records("live_simple"))


def test_no_record_is_taken_for_one_of_these() -> None:
    assert registry.detect(question({"trips.book": {"city": ["Rome"], "days": [2]}})) is None
