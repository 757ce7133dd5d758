"""What fills a function's parameters: the thread, by whatever name, examples, and values that a suite fixes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import phrasing
from phrasing.baml.arguments import Filling
from phrasing.baml.project import Project
from phrasing.errors import BamlError, SuiteError
from phrasing.plan.describe import functions_text
from phrasing.plan.find_prompt import Shown, Wanted, find_prompts
from phrasing.plan.resolve import resolve
from phrasing.prompts.template import compose, take_apart
from phrasing.suite.file import SuiteFile, load_suite
from phrasing.types import Completion, Request
from support.small_projects import CLIENT, STEPS, SUITE, cache, cases, function, lines, load, shipped, write  # noqa: F401

TYPES = """
enum Tone {
  Warm @alias("warm and kind")
  Cold
}
class User {
  name string
}
class Person {
  name string
  tone Tone?
  parents Person[]
}
class Album {
  pictures map<string, image>
}
"""
TOLD = """{{ user.name }}, {{ user.tone }}{% for each in user.parents %}, of {{ each.name }}{% endfor %}
{% for key in ["a", "b"] %}{{ limits[key] }} {% endfor %}
{{ thread }}"""
PROMPT = """
    {{ _.role("system") }}
    You answer in {{ locale }}{% if polite %}, politely{% endif %}, tone {{ tone }}, at most {{ most }}.
    {% for rule in rules %}
    - {{ rule }}
    {% endfor %}
    {{ policy }}
    {{ ctx.output_format(quote_class_fields=true) }}
    {{ _.role("user") }}
    {{ events }}
"""
KINDS = 'locale: "en" | "de", events: string, policy: string, tone: Tone, rules: string[], most: int, polite: bool?, user: User?'
MAIL = (
    CLIENT
    + STEPS
    + TYPES
    + function("Mail", PROMPT, parameters=KINDS)
    + function("Plain", "{{ ctx.output_format }}\n{{ thread }}")
    + function("Shown", "{{ note }}{{ examples }}\n{{ thread }}", parameters="note: string, examples: string, thread: string")
    + function("Listed", "{{ thread }}", parameters="thread: User[]")
    + function("Mapped", "{{ thread }} {{ users }}", parameters="thread: string, users: map<string, User>")
    + function("Told", TOLD, parameters="thread: string, user: Person, limits: map<string, int>?")
    + function("Within", "{{ thread }}", parameters="thread: string, album: Album[]")
    + function("Seen", "{{ thread }} {{ photo }}", parameters="thread: string, photo: image")
    + function("Two", "{{ one }} {{ other }}", parameters="one: string, other: string")
    + function("Perhaps", "{{ thread }} {{ hint }}", parameters="thread: string?, hint: string?")
)
ARGUMENTS: dict[str, Any] = {
    "locale": "de",
    "policy": 'Never {{ ctx }} "#, <b>.',
    "tone": "Warm",
    "rules": ["be brief", "be kind"],
    "most": 3,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return load(tmp_path_factory.mktemp("arguments"), {"main.baml": MAIL})


def suite(root: Path, functions: list[str], **agent: Any) -> SuiteFile:
    write(root, shipped("json", "xml_json", "messages", "messages_text"))
    agents = [{"dataset": "mail", "functions": functions, **agent}]
    write(root, {"baml_src/main.baml": MAIL, "datasets/mail.jsonl": lines(*cases(2))})
    write(root, {"evals/mail.yaml": yaml.safe_dump({**SUITE, "agents": agents}, sort_keys=False)})
    return load_suite(root / "evals" / "mail.yaml")


# ---------------------------------------------------------------------------------------------- filling


@pytest.mark.parametrize(
    ("name", "thread", "given", "filling"),
    [
        ("Plain", None, {}, Filling("thread", False)),
        ("Plain", "events", {"locale": "de"}, Filling("thread", False)),
        ("Two", "one", {"other": "x"}, Filling("one", False, {"other": "x"})),
        ("Two", None, {"one": "x"}, Filling("other", False, {"one": "x"})),
        ("Shown", None, {"note": "x"}, Filling("thread", True, {"note": "x"})),
        ("Shown", None, {"note": "x", "examples": "y"}, Filling("thread", False, {"note": "x", "examples": "y"})),
        ("Perhaps", None, {}, Filling("thread", False, {"hint": None})),
        ("Perhaps", "hint", {"thread": "x"}, Filling("hint", False, {"thread": "x"})),
        ("Mail", "events", ARGUMENTS, Filling("events", False, {**ARGUMENTS, "polite": None, "user": None})),
    ],
)
def test_parameters_are_filled(project: Project, name: str, thread: str | None, given: dict[str, Any], filling: Filling) -> None:
    assert project.functions[name].filled(thread, given).filling == filling


@pytest.mark.parametrize(
    ("name", "thread", "given", "reason"),
    [
        (
            "Two",
            None,
            {},
            "takes one: string, other: string; say which is the thread (thread: NAME), and the values of the others (arguments); "
            "strings without a value: one, other",
        ),
        ("Two", "one", {}, "needs values for other: string; give them as arguments: {other: …}"),
        ("Two", "one", {"one": "x", "other": "y"}, "takes one: string, which can't be the thread; strings without a value: none"),
        ("Mail", "most", ARGUMENTS, "takes most: int, which can't be the thread; strings without a value: events"),
        (
            "Mail",
            "events",
            {"locale": "en", "policy": "x"},
            "needs values for tone: Tone, rules: string[], most: int; give them as arguments: {tone: …}",
        ),
    ],
)
def test_what_lacks_is_said(project: Project, name: str, thread: str | None, given: dict[str, Any], reason: str) -> None:
    with pytest.raises(BamlError) as error:
        project.functions[name].filled(thread, {key: value for key, value in given.items() if key != thread or name == "Two"})
    assert str(error.value) == f"function {name!r} {reason}"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "Listed",
            "takes thread: User[], so its prompt writes the thread itself, which is for formats to do; declare thread: string, "
            "and write {{ thread }} where it stands in the prompt, or take a list of messages: a class of role and content",
        ),
        ("Seen", "takes photo: image; no suite can give media. Make it optional: then it is null"),
        ("Within", "takes album: Album[]; no suite can give media. Make it optional: then it is null"),
    ],
)
def test_what_no_suite_can_fill_says_what_to_change(project: Project, name: str, reason: str) -> None:
    assert project.unsupported[name] == reason


# ---------------------------------------------------------------------------------------------- classes and maps

ANN = {"name": "Ann", "tone": "Cold", "parents": [{"name": "Bo", "tone": None, "parents": []}]}


def test_a_class_whose_fields_a_prompt_writes_is_given(project: Project) -> None:
    told = project.functions["Told"]
    told.parameters["user"].check(ANN)
    made = take_apart(told.filled(None, {"user": ANN, "limits": {"a": 1, "b": 2}}))
    assert compose(made, "t", "prompted").messages == ({"role": "user", "content": "Ann, Cold, of Bo1 2 t"},)
    with pytest.raises(ValueError, match="wanted Person, got"):
        told.parameters["user"].check({"name": "Ann", "parents": [{"name": 3, "parents": []}]})


@pytest.mark.parametrize(
    "shown", ["{{ user }}", "{{ user.parents }}", "{{ limits }}", "{% for key in limits %}{{ key }}{% endfor %}"]
)
def test_a_class_or_a_map_that_is_written_as_a_whole_is_refused(tmp_path: Path, shown: str) -> None:
    source = MAIL + function("Whole", shown + "{{ thread }}", parameters="thread: string, user: Person, limits: map<string, int>")
    whole = load(tmp_path, {"main.baml": source}).functions["Whole"]
    limits: dict[str, Any] = {name: number for number, name in enumerate("abcdefgh")}
    with pytest.raises(BamlError) as error:
        take_apart(whole.filled(None, {"user": ANN, "limits": limits}))
    assert str(error.value) == (
        "function 'Whole' has a prompt that comes out otherwise each time: it writes user or limits, or a class or a map in it, "
        "as a whole, and BAML puts the fields of those in any order; write the fields one by one"
    )


# ---------------------------------------------------------------------------------------------- in a suite


def test_arguments_are_part_of_every_prompt(tmp_path: Path) -> None:
    file = suite(tmp_path, ["Mail"], thread="events", arguments=ARGUMENTS)
    resolved = resolve(file)
    prompt = resolved.prompt(resolved.trials[0])
    assert prompt.messages[0]["content"].startswith(
        'You answer in de, tone warm and kind, at most 3.\n- be brief\n- be kind\nNever {{ ctx }} "#, <b>.\nAnswer in JSON'
    )
    assert resolved.agents["mail"].templates["Mail"].function.render(prompt.messages[1]["content"]) == [
        (message["role"], message["content"]) for message in prompt.messages
    ]
    (shown,) = find_prompts([file], Wanted("", "c0", [Shown("json", "none")]))
    assert shown.messages[0] == prompt.messages[0]
    polite = resolve(suite(tmp_path, ["Mail"], thread="events", arguments={**ARGUMENTS, "polite": True}))
    changed = polite.prompt(polite.trials[0]).messages
    assert changed[0]["content"] == prompt.messages[0]["content"].replace("de,", "de, politely,")
    assert changed[1] == prompt.messages[1]


def test_functions_of_an_agent_take_what_they_have(tmp_path: Path) -> None:
    resolved = resolve(suite(tmp_path, ["Mail", "Plain"], thread="events", arguments=ARGUMENTS))
    templates = resolved.agents["mail"].templates
    assert {name: template.function.thread for name, template in templates.items()} == {"Mail": "events", "Plain": "thread"}


def test_a_run_records_them(tmp_path: Path) -> None:
    async def complete(request: Request) -> Completion:
        assert "You answer in de" in request.messages[0]["content"]
        return Completion(text='{"intent": "search", "query": "q"}')

    run = phrasing.run(suite(tmp_path, ["Mail"], thread="events", arguments=ARGUMENTS), complete=complete)
    (agent,) = run.record.resolved["agents"]
    assert (agent["thread"], agent["arguments"]) == ("events", ARGUMENTS)
    assert {result.scores["intent"].value for result in run.results.values()} == {1.0}


CHOICES = "there are: events, locale, most, policy, polite, rules, tone, user"


@pytest.mark.parametrize(
    ("agent", "message"),
    [
        ({"thread": "event"}, f"6: agents.0.thread: parameter 'event' not found (did you mean 'events'?); {CHOICES}"),
        (
            {"arguments": {**ARGUMENTS, "local": "de"}, "thread": "events"},
            f"14: agents.0.arguments: parameter 'local' not found (did you mean 'locale'?); {CHOICES}",
        ),
        ({"arguments": {"locale": "fr"}}, '7: agents.0.arguments.locale: wanted "en" | "de", got "fr"'),
        ({"arguments": {"most": "3"}}, '7: agents.0.arguments.most: wanted int, got "3"'),
        ({"arguments": {"most": True}}, "7: agents.0.arguments.most: wanted int, got true"),
        ({"arguments": {"tone": "warm and kind"}}, '7: agents.0.arguments.tone: wanted Tone (Warm, Cold), got "warm and kind"'),
        ({"arguments": {"rules": ["a", 1]}}, '7: agents.0.arguments.rules: wanted string[], got ["a", 1]'),
        (
            {"arguments": {"user": {"name": 3}}},
            '7: agents.0.arguments.user: wanted User?, got {"name": 3}',
        ),
        (
            {"arguments": {"policy": "x BAML_MEDIA_MAGIC_STRING_DELIMITER y"}},
            "7: agents.0.arguments.policy: the value holds 'BAML_MEDIA_MAGIC_STRING_DELIMITER', which BAML reads as the border "
            "of a message or of media",
        ),
        (
            {"arguments": {"locale": "de"}, "thread": "events"},
            "4: agents.0.functions: function 'Mail' needs values for policy: string, tone: Tone, rules: string[], most: int; "
            "give them as arguments: {policy: …}",
        ),
    ],
)
def test_a_mistake_is_said_with_line_value_and_choices(tmp_path: Path, agent: dict[str, Any], message: str) -> None:
    with pytest.raises(SuiteError) as error:
        resolve(suite(tmp_path, ["Mail"], **agent))
    assert str(error.value).removeprefix(f"{tmp_path / 'evals' / 'mail.yaml'}:") == message


def test_every_function_is_listed(project: Project) -> None:
    listed = functions_text(project).replace(str(project.path), "baml_src").splitlines()
    assert [line.partition(";")[0] for line in listed] == [
        "baml_src: 10 functions",
        "  can be run: Perhaps, Plain",
        f"  Mail can be run, but takes {KINDS}",
        "  Mapped can be run, but needs values for users: map<string, User>",
        "  Shown can be run, but needs values for note: string",
        "  Told can be run, but needs values for user: Person",
        "  Two can be run, but takes one: string, other: string",
        "  Listed can't be run: it takes thread: User[], so its prompt writes the thread itself, which is for formats to do",
        "  Seen can't be run: it takes photo: image",
        "  Within can't be run: it takes album: Album[]",
    ]
