"""Write docs/bfcl.md: how far our scorer and the checker of the Berkeley Function Calling Leaderboard agree.

``python tools/bfcl_agreement.py`` takes one-turn cases of ``bfcl-eval`` (got once, pinned by hash: ``bfcl.py``), changes the
right answer of each in every way of ``CHANGES``, and has both say which answers are right. The checker runs in a process of its
own.
``--check`` only says whether the page is as it should be.
"""

from __future__ import annotations

import copy
import json
import random
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bfcl
import pages

from phrasing.baml.tools.names import tool_name
from phrasing.importers.bfcl import read
from phrasing.importers.pipeline import Options, make_cases
from phrasing.importers.summary import ImportSummary
from phrasing.score.builtin import score
from phrasing.types import Case, Parsed, Step

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "bfcl.md"
CATEGORIES = ("simple_python", "multiple", "live_simple", "live_multiple")
"""Those with one call and no other language's literals: the checker's whole verdict is about that call."""

SEED = 0

# The checker wants names of models from a module that imports every provider's client. Nothing else of it is used.
CHECKER = """
import json, sys, types
sys.path[:0] = json.loads(sys.argv[1])
settings = types.ModuleType("bfcl_eval.constants.model_config")
settings.MODEL_CONFIG_MAPPING = {"any": types.SimpleNamespace(underscore_to_dot=False)}
sys.modules[settings.__name__] = settings
from bfcl_eval.constants.enums import Language
from bfcl_eval.eval_checker.ast_eval.ast_checker import ast_checker
for line in sys.stdin:
    one = json.loads(line)
    try:
        found = ast_checker(one["functions"], [one["answer"]], one["truth"], Language.PYTHON, one["category"], "any")
        told = {"right": found["valid"], "why": str(found["error"])}
    except Exception as error:
        told = {"right": False, "why": f"raised {type(error).__name__}"}
    print(json.dumps(told))
"""

Arguments = dict[str, Any]
Change = Callable[["Question", Arguments, random.Random], Arguments | None]
"""Changes a copy of the right answer's arguments; ``None`` where there is nothing to change."""


@dataclass(frozen=True)
class Question:
    """A question with one call: what may be called, what is right by the ground truth, and our case."""

    category: str
    functions: list[dict[str, Any]]
    truth: list[dict[str, dict[str, list[Any]]]]
    case: Case = field(repr=False)

    @property
    def name(self) -> str:
        """The function to be called."""
        return next(iter(self.truth[0]))

    @property
    def allowed(self) -> dict[str, list[Any]]:
        """Allowed values by argument."""
        return self.truth[0][self.name]

    @property
    def parameters(self) -> dict[str, Any]:
        """Declarations of its arguments by name."""
        found: dict[str, Any] = next(one for one in self.functions if one["name"] == self.name)["parameters"]["properties"]
        return found

    @property
    def required(self) -> list[str]:
        """Arguments that must be there."""
        found: list[str] = next(one for one in self.functions if one["name"] == self.name)["parameters"]["required"]
        return found

    def right(self) -> Arguments:
        """The answer with the first allowed value of each argument, without those that may be left out."""
        needed = {name: next(filter(None, self.allowed[name]), "") for name in self.required if self.allowed[name][0] == ""}
        return {**chosen(self.allowed, 0), **{name: plain(value) for name, value in needed.items()}}


def chosen(allowed: dict[str, Any], which: int) -> Arguments:
    """Take the first or the last of the allowed values, without what may be left out. Some objects hold values alone."""
    picked = {name: values[which] if isinstance(values, list) and values else values for name, values in allowed.items()}
    return {name: plain(value) for name, value in picked.items() if value not in ("", None)}


def plain(value: Any) -> Any:
    """Take the first allowed values inside objects."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return chosen(value, 0)
    return value


def questions() -> list[Question]:
    """Give the questions of all categories whose ground truth makes a case."""
    found = []
    for category in CATEGORIES:
        for place, record in read.records(category):
            for made in make_cases([(place, record)], Options(), ImportSummary(), importer="bfcl"):
                case = Case.model_validate_json(made.line)
                found.append(Question(category, record["function"], record["ground_truth"], case))
    return found


# ---------------------------------------------------------------------------------------------- changes


def walk(value: Any) -> Iterator[tuple[Any, Any]]:
    """Give the places of all values, at any depth: what holds one, and its key there."""
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()):
        yield value, key
        yield from walk(item)


def one_of(kind: type, made: Callable[[Any], Any], *, inside: bool = False) -> Change:
    """Change one value of a type: of an argument, or of what stands ``inside`` one."""

    def changed(question: Question, args: Arguments, chance: random.Random) -> Arguments | None:
        places = [(holder, key) for holder, key in walk(args) if (holder is not args) == inside and type(holder[key]) is kind]
        places = [(holder, key) for holder, key in places if json.dumps(made(holder[key])) != json.dumps(holder[key])]
        if not places:
            return None
        holder, key = chance.choice(places)
        holder[key] = made(holder[key])
        return args

    return changed


def added(value: Callable[[Question, str], Any], names: Callable[[Question], Iterable[str]]) -> Change:
    """Give one more argument."""

    def changed(question: Question, args: Arguments, chance: random.Random) -> Arguments | None:
        free = sorted(name for name in names(question) if name not in args)
        return {**args, (name := chance.choice(free)): value(question, name)} if free else None

    return changed


def without(names: Callable[[Question], Iterable[str]]) -> Change:
    """Leave one argument out."""

    def changed(question: Question, args: Arguments, chance: random.Random) -> Arguments | None:
        there = sorted(set(names(question)) & args.keys())
        gone = chance.choice(there) if there else None
        return {name: value for name, value in args.items() if name != gone} if there else None

    return changed


def others_allowed(question: Question, args: Arguments, chance: random.Random) -> Arguments | None:
    """Take the last allowed value wherever there are several."""
    made = {**args, **chosen(question.allowed, -1)}
    return made if made != args else None


def key_added(question: Question, args: Arguments, chance: random.Random) -> Arguments | None:
    """Give an object one more key."""
    objects = [holder[key] for holder, key in walk(args) if isinstance(holder[key], dict)]
    if objects:
        chance.choice(objects)["note"] = "urgent"
    return args if objects else None


def key_gone(question: Question, args: Arguments, chance: random.Random) -> Arguments | None:
    """Leave a key of an object out."""
    places = [(holder, key) for holder, key in walk(args) if isinstance(holder, dict) and holder is not args]
    if places:
        holder, key = chance.choice(places)
        del holder[key]
    return args if places else None


def optional(question: Question) -> Iterator[str]:
    """Name the arguments that the declaration doesn't require."""
    return (name for name in question.parameters if name not in question.required)


SAMPLES = {
    "string": "x",
    "integer": 7,
    "float": 7.5,
    "boolean": True,
    "array": ["x"],
    "tuple": [1.5],
    "dict": {"x": 1},
    "any": "x",
}


def sample(question: Question, name: str) -> Any:
    """Give a value that an argument's declaration allows and no ground truth names."""
    return SAMPLES[question.parameters[name].get("type", "any")]


def respaced(text: str) -> str:
    """Write spaces as hyphens, and a comma behind the first word; one word gets a full stop."""
    first, *rest = text.split(" ")
    return f"{first},-{'-'.join(rest)}" if rest else f"{text}." if text else ""


def typed(text: str) -> Any:
    """Read a number or a truth value that is written as text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


CHANGES: dict[str, Change] = {
    "nothing": lambda question, args, chance: args,
    "another allowed value": others_allowed,
    "case of a text": one_of(str, str.swapcase),
    "case of a text inside": one_of(str, str.swapcase, inside=True),
    "spaces and punctuation of a text": one_of(str, respaced),
    "spaces and punctuation of a text inside": one_of(str, respaced, inside=True),
    "no spaces in a text": one_of(str, lambda text: text.replace(" ", "")),
    "spaces around a text": one_of(str, lambda text: f"  {text} "),
    "other punctuation in a text": one_of(str, lambda text: f"{text}!"),
    "quotation marks around a text": one_of(str, lambda text: f'"{text}"'),
    "a text's last letter gone": one_of(str, lambda text: text[:-1]),
    "another text": one_of(str, lambda text: "something else"),
    "another text inside": one_of(str, lambda text: "something else", inside=True),
    "no text": one_of(str, lambda text: ""),
    "a number or truth value for its text": one_of(str, typed),
    "a whole number as a float": one_of(int, float),
    "a whole number as a float inside": one_of(int, float, inside=True),
    "a float without fraction as a whole number": one_of(float, lambda number: int(number) if number.is_integer() else number),
    "a float without fraction as a whole number inside": one_of(
        float, lambda number: int(number) if number.is_integer() else number, inside=True
    ),
    "a number as text": one_of(int, str),
    "a float as text": one_of(float, str),
    "a number as text inside": one_of(int, str, inside=True),
    "another number": one_of(int, lambda number: number + 1),
    "another float": one_of(float, lambda number: number * 1.01 + 0.01),
    "another number inside": one_of(int, lambda number: number + 1, inside=True),
    "the other truth value": one_of(bool, lambda truth: not truth),
    "a truth value as text": one_of(bool, lambda truth: str(truth)),
    "a truth value as 0 or 1": one_of(bool, int),
    "0 or 1 as a truth value": one_of(int, lambda number: bool(number) if number in (0, 1) else number),
    "a list in another order": one_of(list, lambda items: items[::-1]),
    "a list without its last element": one_of(list, lambda items: items[:-1]),
    "a list with its first element twice": one_of(list, lambda items: [*items[:1], *items]),
    "an empty list": one_of(list, lambda items: []),
    "a text for a list": one_of(list, lambda items: ", ".join(map(str, items))),
    "a list of one for a text": one_of(str, lambda text: [text]),
    "an object's key more": key_added,
    "an object's key less": key_gone,
    "null inside an object or a list": one_of(str, lambda text: None, inside=True),
    "an argument that may be left out, given": added(sample, optional),
    "an argument that may be left out, as empty text": added(lambda question, name: "", optional),
    "an argument that isn't required, left out": without(optional),
    "a required argument left out": without(lambda question: question.required),
    "a required argument as null": lambda question, args, chance: (
        {**args, chance.choice(question.required): None} if question.required else None
    ),
    "an argument that isn't declared": added(lambda question, name: "x", lambda question: ["undeclared_argument"]),
    "no arguments": lambda question, args, chance: {},
}
"""The ways in which a right answer is changed; another function is one more."""

SPELLINGS: dict[str, Change] = {
    "a line's end after a text": one_of(str, lambda text: f"{text}\n"),
    "a character composed of two": one_of(str, lambda text: unicodedata.normalize("NFD", text)),
    "an argument that may be left out, as null": added(lambda question, name: None, optional),
    "an argument that isn't declared, as null": added(lambda question, name: None, lambda question: ["undeclared_argument"]),
}
"""Changes after which an answer says the same to ``phrasing``: it doesn't tell these apart anywhere."""

OTHER = "another function"


def answers(question: Question) -> Iterator[tuple[str, str, Arguments]]:
    """Give answers to a question: which change, the function, its arguments."""
    for kind, changed in {**CHANGES, **SPELLINGS}.items():
        chance = random.Random(f"{SEED} {question.case.id} {kind}")
        args = changed(question, copy.deepcopy(question.right()), chance)
        if args is not None:
            yield kind, question.name, args
    others = [tool["name"] for tool in question.functions if tool["name"] != question.name]
    yield OTHER, (others or [f"{question.name}_again"])[0], question.right()


# ---------------------------------------------------------------------------------------------- verdicts


@dataclass(frozen=True)
class Verdict:
    """What both say of one answer, and why the checker refuses it."""

    question: Question
    change: str
    args: Arguments
    ours: bool
    theirs: bool
    why: str

    @property
    def kind(self) -> str | None:
        """The kind of disagreement, by ``KINDS``: ``None`` for agreement, ``unknown`` for one that nobody has looked at."""
        if self.ours == self.theirs:
            return None
        return next((name for name, kind in KINDS.items() if kind.accepts == self.ours and kind.found(self)), "unknown")


def verdicts(asked: Sequence[Question]) -> list[Verdict]:
    """Have the checker and our scorer say which answers are right."""
    said = [(question, *answer) for question in asked for answer in answers(question)]
    lines = [
        json.dumps({"functions": one.functions, "answer": {name: args}, "truth": one.truth, "category": one.category})
        for one, _, name, args in said
    ]
    command = [sys.executable, "-c", CHECKER, json.dumps(bfcl.package())]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=True)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return [
        Verdict(question, change, args, _right(question.case, name, args), their["right"], their["why"])
        for (question, change, name, args), their in zip(said, told, strict=True)
    ]


def _right(case: Case, name: str, args: Arguments) -> bool:
    return score(case, Parsed(step=Step(intent=tool_name(name), args=args), form="exact"))["step"].value == 1


@dataclass(frozen=True)
class Kind:
    """A kind of disagreement: our scorer ``accepts`` it and the checker doesn't, or the other way round; and who is right."""

    accepts: bool
    found: Callable[[Verdict], bool]
    verdict: str


def _values(args: Arguments) -> Iterator[Any]:
    return (holder[key] for holder, key in walk(args))


def _texts(args: Arguments) -> Iterator[str]:
    return (value for value in _values(args) if isinstance(value, str))


def _refused(verdict: Verdict) -> Iterator[Any]:
    """Give the arguments that the declaration itself refuses."""
    parameters = verdict.question.parameters
    return (value for name, value in verdict.args.items() if not read.allows(value, parameters.get(name, {})))


KINDS: dict[str, Kind] = {
    "null for what may be left out": Kind(
        True,
        lambda one: None in _values(one.args),
        "`phrasing`: null and left out mean the same, and some providers make models write null",
    ),
    "a line's end around a text": Kind(
        True,
        lambda one: any(text.strip() != text.strip(" ") for text in _texts(one.args)),
        "`phrasing`: BFCL drops spaces and forgets other white space",
    ),
    "a character composed of two": Kind(
        True,
        lambda one: any(unicodedata.normalize("NFC", text) != text for text in _texts(one.args)),
        "`phrasing`: it is the same text",
    ),
    "a whole number in a list of floats": Kind(
        True,
        lambda one: "Nested type checking failed" in one.why and "float" in one.why,
        "`phrasing`: BFCL itself takes 3 for 3.0 where the number isn't in a list",
    ),
    "left out where the ground truth has null": Kind(
        True,
        lambda one: any(None in values for name, values in one.question.allowed.items() if name not in one.args),
        "`phrasing`: null and left out mean the same",
    ),
    "an empty text where the declaration lists choices": Kind(
        False,
        lambda one: "" in _refused(one),
        '`phrasing`: `""` in the ground truth says that the argument may be left out, and BFCL takes it for a value as well',
    ),
    "an allowed value that the declaration refuses": Kind(
        False,
        lambda one: any(_refused(one)),
        "nobody: the ground truth contradicts the declaration, mostly by a default that isn't among the choices. "
        "A model that is held to the declaration can't give it",
    ),
}
"""The kinds of disagreement that are left, the first that fits."""


# ---------------------------------------------------------------------------------------------- the page

HEAD = """# BFCL as the judge of the scorer

The [Berkeley Function Calling Leaderboard](https://gorilla.cs.berkeley.edu/leaderboard.html) has a checker of its own. This page
holds the [labels that `phrasing import bfcl` makes](importers.md#bfcl-berkeley-function-calling-leaderboard), and how `phrasing`
scores by them, against that checker (`bfcl-eval` {version}). The answers were made up for it: the right answer of each case,
changed in each of the ways below, at one place that a seed draws. The cases are those with one call in Python:
{categories}.
`python tools/bfcl_agreement.py` wrote this page, and a test holds it.
"""


def page(found: Sequence[Verdict]) -> str:
    """Write the page."""
    compared = [one for one in found if one.change not in SPELLINGS]
    counted = Counter((one.change, one.ours, one.theirs) for one in found)
    kinds = Counter(one.kind for one in found if one.kind)
    version = bfcl.packaged.KNOWN["bfcl"].wheels[0].version
    cases = len({one.question.case.id for one in found})
    rows = [_row(change, counted) for change in (*CHANGES, OTHER)]
    return "\n".join(
        [
            HEAD.format(version=version, categories=", ".join(f"`{name}`" for name in CATEGORIES)),
            f"**{len(compared):,} answers to {cases:,} cases: both say the same of {_share(compared)}.**",
            f"With the answers that `phrasing` doesn't tell apart from the right one, it is {_share(found)} of {len(found):,}.",
            "",
            "## The changes",
            "",
            "| what is changed | answers | both: right | both: wrong | only `phrasing`: right | only BFCL: right |",
            "| --- | ---: | ---: | ---: | ---: | ---: |",
            *rows,
            "",
            "`phrasing` doesn't tell these apart from the right answer, whatever the dataset:",
            "",
            "| what is changed | answers | both: right | both: wrong | only `phrasing`: right | only BFCL: right |",
            "| --- | ---: | ---: | ---: | ---: | ---: |",
            *[_row(change, counted) for change in SPELLINGS],
            "",
            "## Where they differ",
            "",
            "| kind | answers | accepted by | who is right |",
            "| --- | ---: | --- | --- |",
            *(
                f"| {name} | {kinds[name]:,} | {'`phrasing`' if kind.accepts else 'BFCL'} | {kind.verdict} |"
                for name, kind in KINDS.items()
            ),
            "",
        ]
    )


def _row(change: str, counted: Counter[tuple[str, bool, bool]]) -> str:
    cells = [counted[change, ours, theirs] for ours, theirs in ((True, True), (False, False), (True, False), (False, True))]
    return f"| {change} | {sum(cells):,} | {' | '.join(f'{cell:,}' for cell in cells)} |"


def _share(found: Sequence[Verdict]) -> str:
    return f"{100 * sum(one.kind is None for one in found) / len(found):.1f} %"


def main(words: list[str]) -> int:
    """Write the page; with ``--check``, only say whether it is as it should be."""
    sys.path[:0] = bfcl.package()
    return pages.keep(PAGE, page(verdicts(questions())), words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
