"""A plan: everything that can be wrong is found before a model is asked, and every variant is asked the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phrasing.errors import BamlError, DatasetError, FormatError, SuiteError, UserError
from phrasing.plan.resolve import Plan, resolve
from phrasing.plan.selection import Selection
from phrasing.score.no_model import NoModel
from phrasing.suite.schema import Suite
from phrasing.types import Request, digest
from support.small_projects import CLIENT, MAIL, STEPS, cache, case, cases, event, function, lines, plan_of, project, write  # noqa: F401

SEARCHED = [event("note", {"text": "t"}), event("search", {"query": "q"}), event("search_result", {"found": 1})]


def refusal(root: Path, kind: type[UserError] = SuiteError, **changed: Any) -> str:
    with pytest.raises(UserError) as error:
        plan_of(root, **changed)
    assert type(error.value) is kind
    return str(error.value).replace(f"{root}/", "")


def line_of(root: Path, said: str) -> str:
    """Give the line of the suite that an error names."""
    found = re.match(r"evals/mail\.yaml:(\d+): ", said)
    assert found, said
    return (root / "evals/mail.yaml").read_text().splitlines()[int(found[1]) - 1].strip()


# ---------------------------------------------------------------------------------------------- what is resolved


def test_a_plan_holds_everything(tmp_path: Path) -> None:
    agents = [{"dataset": "mail", "functions": ["Mail", "MailTerse"]}]
    made = plan_of(tmp_path, agents=agents, formats=["messages", "xml_json"], outputs=["prompted", "tool"])
    assert list(made.agents) == ["mail"]
    assert list(made.agents["mail"].cases) == ["c0", "c1", "c2"]
    assert list(made.agents["mail"].templates) == ["Mail", "MailTerse"]
    assert list(made.formats) == ["messages", "xml_json"]
    assert made.agents["mail"].no_model("Mail") == NoModel(random=1 / 3, majority=1, bigram=1, step="search", words=1)
    assert made.partial is None
    assert made.warnings == ()
    # No case holds a step, so nothing keeps messages from any output.
    assert made.skipped == ()
    assert len(made.trials) == len(made.variants) * 3 == 2 * 2 * 2 * 3


def test_a_history_of_calls_is_skipped_where_no_tools_are_sent(tmp_path: Path) -> None:
    made = plan_of(
        tmp_path,
        datasets={"mail": [case("c0"), case("c1", *SEARCHED)]},
        formats=["messages", "messages_text"],
        outputs=["prompted", "tool"],
        baseline={"output": "prompted"},
    )
    assert [(variant.format, variant.output) for variant in made.variants] == [
        ("messages", "tool"),
        ("messages_text", "prompted"),
    ]
    assert [(cell.format, cell.output) for cell in made.skipped] == [("messages", "prompted"), ("messages_text", "tool")]


def test_prompts_are_composed_of_the_variants_own_parts(tmp_path: Path) -> None:
    made = plan_of(
        tmp_path,
        datasets={"mail": [case("c1", *SEARCHED)]},
        formats=["messages", "xml_json"],
        outputs=["prompted", "tool"],
        baseline={"format": "xml_json"},
    )
    sent = {(trial.variant.format, trial.variant.output): made.prompt(trial) for trial in made.trials}
    assert set(sent) == {("messages", "tool"), ("xml_json", "prompted"), ("xml_json", "tool")}
    calls = [message["role"] for message in sent["messages", "tool"].messages]
    assert calls == ["system", "user", "assistant", "tool", "user"]
    text = sent["xml_json", "tool"].messages
    assert [message["role"] for message in text] == ["system", "user"]
    assert text[0]["content"] == "You send mail."
    assert text[1]["content"].endswith("\n\nWhat is the next step?")
    assert sent["messages", "tool"].tools == sent["xml_json", "tool"].tools
    assert sent["xml_json", "prompted"].tools is None


def test_warnings_say_what_isnt_fair(tmp_path: Path) -> None:
    tags = function("Tags", "Read <slack_message> and </slack_message>.\n{{ ctx.output_format }}\n{{ thread }}")
    bare = function("Bare", "{{ thread }}\nNext?")
    file = project(tmp_path, agents=[{"dataset": "mail", "functions": ["Tags", "Bare"]}])
    write(tmp_path, {"baml_src/mail.baml": CLIENT + STEPS + tags + bare})
    assert resolve(file).warnings == (
        "Tags: its own text uses tags (</slack_message>, <slack_message>), which favours formats that do",
        "Bare: its prompt doesn't show ctx.output_format, so output prompted sends no schema text",
    )


# ---------------------------------------------------------------------------------------------- text for a call

TAKERS = "steps of Mail with one required field, a string: search"


def test_tool_auto_sends_what_tool_does_and_leaves_the_choice(tmp_path: Path) -> None:
    agents = [{"dataset": "mail", "functions": ["Mail"], "text": "search"}]
    made = plan_of(tmp_path, agents=agents, formats=["json"], outputs=["tool", "tool_auto"], models=["x/gpt"])
    sent = {trial.variant.output: made.request(trial, made.prompt(trial)) for trial in made.trials if trial.case == "c0"}
    tool, auto = sent["tool"], sent["tool_auto"]
    assert (auto.messages, auto.tools, auto.response_format) == (tool.messages, tool.tools, None)
    assert auto.params == {**tool.params, "tool_choice": "auto"}
    assert auto.key != tool.key
    assert {parser.text for parser in made.agents["mail"].parsers.values()} == {"search"}


@pytest.mark.parametrize(
    ("agent", "message", "line"),
    [
        ({}, f"agents.0: output tool_auto needs text: the step that an answer in text stands for; {TAKERS}", "- dataset: mail"),
        ({"text": "serach"}, f"agents.0.text: no step 'serach'; {TAKERS}", "text: serach"),
        ({"text": "send"}, f"agents.0.text: step 'send' can't take a text; {TAKERS}", "text: send"),
        ({"text": "finish"}, f"agents.0.text: step 'finish' can't take a text; {TAKERS}", "text: finish"),
        ({"functions": ["Mail", "Short"], "text": "search"},
         "agents.0.text: no step 'search'; steps of Short with one required field, a string: none", "text: search"),
    ],
    ids=["none", "unknown", "two fields", "no field", "not in all functions"],
)  # fmt: skip
def test_a_text_needs_a_step_that_takes_it(tmp_path: Path, agent: dict[str, Any], message: str, line: str) -> None:
    file = project(tmp_path, agents=[{"dataset": "mail", "functions": ["Mail"], **agent}], outputs=["tool_auto"])
    write(tmp_path, {"baml_src/mail.baml": MAIL + function("Short", returns="Send | Finish")})
    with pytest.raises(SuiteError) as error:
        resolve(file)
    said = str(error.value).replace(f"{tmp_path}/", "")
    assert said.partition(": ")[2] == message
    assert line_of(tmp_path, said) == line


def test_a_text_that_no_output_allows_is_a_warning(tmp_path: Path) -> None:
    made = plan_of(tmp_path, agents=[{"dataset": "mail", "functions": ["Mail"], "text": "search"}], outputs=["tool"])
    assert made.warnings == ("mail: text: search says nothing, because no output is tool_auto",)


# ---------------------------------------------------------------------------------------------- unknown names


@pytest.mark.parametrize(
    ("changed", "message", "line"),
    [
        (
            {"formats": ["json", "xlm_json"]},
            "formats: format 'xlm_json' not found (did you mean 'xml_json'?); there are: json, messages, messages_text, xml_json",
            "- xlm_json",
        ),
        (
            {"agents": [{"dataset": "male", "functions": ["Mail"]}]},
            "agents.0.dataset: dataset 'male' not found (did you mean 'mail'?); there are: mail",
            "- dataset: male",
        ),
        (
            {"agents": [{"dataset": "mail", "functions": ["Mial"]}]},
            "agents.0.functions: baml_src: function 'Mial' not found (did you mean 'Mail'?); there are: Mail, MailTerse",
            "functions:",
        ),
        (
            {"agents": [{"dataset": "mail", "functions": ["Mail"]}, {"dataset": "mail", "functions": ["MailTerse"]}]},
            "agents.1.dataset: 'mail' is named twice; name all its functions in one entry",
            "- dataset: mail",
        ),
        (
            {"baseline": {"format": "jsn"}},
            "baseline.format: format 'jsn' not found (did you mean 'json'?); there are: json, xml_json",
            "format: jsn",
        ),
        (
            {"require": [{"score": "intnt", "min": 0.5}]},
            "require.0.score: score 'intnt' not found (did you mean 'intent'?); "
            "there are: answer_tokens, arguments, correct, cost, forbidden, intent, order, precision, prompt_tokens, recall, "
            "tokens, valid",
            "- score: intnt",
        ),
        (
            {"require": [{"score": "intent", "min": 0.5, "where": {"model": "gtp"}}]},
            "require.0.where.model: model 'gtp' not found (did you mean 'gpt'?); there are: gpt",
            "model: gtp",
        ),
        (
            {"tokenizer": "o200k"},
            "tokenizer 'o200k' not found (did you mean 'o200k_base'?); there are: cl100k_base, o200k_base; "
            "or the path of a tokenizer.json; or --tokenizer local/NAME",
            "tokenizer: o200k",
        ),
    ],
    ids=["format", "dataset", "function", "dataset twice", "baseline", "score", "require", "tokenizer"],
)
def test_unknown_names_are_refused_with_line_and_choices(
    tmp_path: Path, changed: dict[str, Any], message: str, line: str
) -> None:
    said = refusal(tmp_path, **changed)
    assert said.partition(": ")[2] == message
    assert line_of(tmp_path, said) == line


def test_baml_sources_that_arent_there(tmp_path: Path) -> None:
    assert refusal(tmp_path, BamlError, baml_src="elsewhere") == "elsewhere: no .baml file here"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"formats": ["xlm_json"]}, "--format: formats: format 'xlm_json' not found (did you mean 'xml_json'?); there are: "),
        ({"outputs": ["toool"]}, "--output: output 'toool' not found (did you mean 'tool'?); there are: "),
        ({"models": ["a b"]}, "command line: models.0.label: String should match pattern "),
        ({"models": ["x/one", "y/one"]}, "command line: models: Value error, models: 'one' is named twice"),
        ({"repeats": 0}, "command line: repeats: Input should be greater than or equal to 1, got 0"),
        ({"select": "nothing"}, "-k 'nothing' selects no trial; ids look like mail::c"),
    ],
    ids=["format", "output", "model", "models", "repeats", "select"],
)
def test_mistakes_on_the_command_line(tmp_path: Path, options: Mapping[str, Any], message: str) -> None:
    with pytest.raises(SuiteError) as error:
        resolve(project(tmp_path), Selection(**options))
    assert str(error.value).startswith(message)


def test_the_command_line_replaces_models_and_formats(tmp_path: Path) -> None:
    file = project(tmp_path, models=["openai/gpt", {"label": "haiku", "id": "x/claude", "params": {"max_tokens": 9}}])
    made = resolve(file, Selection(models=["haiku", "local/tiny", "haiku"], formats=["xml_json", "xml_json"], repeats=2, cases=2))
    assert [(model.label, model.id, model.params) for model in made.suite.models] == [
        ("haiku", "x/claude", {"max_tokens": 9}),
        ("tiny", "local/tiny", {}),
    ]
    assert (made.suite.formats, made.suite.repeats, made.partial) == (("xml_json",), 2, "-n 2")
    assert len(made.trials) == 2 * 2 * 2
    assert resolve(file, Selection(models=["x/claude"])).suite.models[0].label == "haiku"


def test_the_command_line_replaces_output_modes(tmp_path: Path) -> None:
    made = resolve(project(tmp_path, outputs=["prompted"]), Selection(outputs=["tool", "native", "tool"]))
    assert made.suite.outputs == ("tool", "native")
    assert {trial.variant.output for trial in made.trials} == {"tool", "native"}


def test_narrowing_the_baseline_away_is_a_warning(tmp_path: Path) -> None:
    file = project(tmp_path, baseline={"format": "json"}, require=[{"score": "harm", "max": 0, "where": {"format": "json"}}])
    made = resolve(file, Selection(formats=["xml_json"]))
    assert made.warnings == ("the baseline's format 'json' isn't asked, so no variant is compared with it",)
    assert made.baselines == {}


# ---------------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (
            {"expect": [{"intent": "serach"}]},
            "expect: intent 'serach' not found (did you mean 'search'?); there are: finish, search, send (the steps of Mail)",
        ),
        (
            {"forbid": [{"intent": "delete"}]},
            "forbid: intent 'delete' not found; there are: finish, search, send (the steps of Mail)",
        ),
        (
            {"expect": [{"intent": "search", "args": {"qurey": "x"}}]},
            "expect: search: argument 'qurey' not found (did you mean 'query'?); there are: limit, query",
        ),
        (
            {"expect": [{"intent": "finish", "args": {"intent": "x"}}]},
            "expect: finish: argument 'intent' not found; there are: none",
        ),
        (
            {"expect": [{"intent": "search", "args": {"query": {"$regexp": "x"}}}]},
            "expect: search: args.query: matcher '$regexp' not found (did you mean '$regex'?); "
            "there are: $any_case, $any_of, $contains, $ignore, $int, $loose, $number, $only, $regex, $set",
        ),
        (
            {"expect": [{"intent": "search"}], "forbid": [{"intent": "send", "args": {"to": {"$regex": "("}}}]},
            "forbid: send: args.to.$regex: '(' is no pattern: missing ), unterminated subpattern at position 0",
        ),
    ],
    ids=["intent", "forbidden", "argument", "no argument", "matcher", "pattern"],
)
def test_labels_are_held_against_the_steps(tmp_path: Path, label: dict[str, Any], message: str) -> None:
    written = [*cases(2), case("wrong", **label)]
    assert refusal(tmp_path, DatasetError, datasets={"mail": written}) == f"datasets/mail.jsonl:3: {message}"


def test_every_function_must_have_an_expected_step_of_every_case(tmp_path: Path) -> None:
    file = project(tmp_path, agents=[{"dataset": "mail", "functions": ["Mail", "Short"]}])
    write(tmp_path, {"baml_src/mail.baml": MAIL + function("Short", returns="Send | Finish")})
    with pytest.raises(DatasetError) as error:
        resolve(file)
    assert str(error.value).removeprefix(f"{tmp_path}/datasets/") == (
        "mail.jsonl:1: expect: case 'c0': Short has none of its expected steps (search); there are: finish, send"
    )


def test_functions_with_other_steps_share_a_dataset(tmp_path: Path) -> None:
    more = [{"intent": "send", "args": {"to": "ann"}}, {"intent": "search"}]
    file = project(
        tmp_path,
        agents=[{"dataset": "mail", "functions": ["Mail", "Short"]}],
        datasets={"mail": [case("c0", expect=more), case("c1", expect=more[:1], forbid=[{"intent": "search"}])]},
    )
    write(tmp_path, {"baml_src/mail.baml": MAIL + function("Short", returns="Send | Finish")})
    agent = resolve(file).agents["mail"]
    # each function is held to the expected steps that it has
    assert (agent.no_model("Mail").random, agent.no_model("Short").random) == ((2 + 1) / 2 / 3, 1 / 2)


def test_labels_that_a_sample_leaves_out_are_checked_too(tmp_path: Path) -> None:
    written = [*cases(9), case("wrong", expect=[{"intent": "swim"}])]
    for seed in range(3):
        agents = [{"dataset": "mail", "functions": ["Mail"], "sample": 1}]
        said = refusal(tmp_path, DatasetError, datasets={"mail": written}, agents=agents, seed=seed)
        assert said.startswith("datasets/mail.jsonl:10: expect: intent 'swim' not found")


def test_a_thread_that_contradicts_itself(tmp_path: Path) -> None:
    wrong = case("wrong", event("note"), {"type": "x", "role": "result", "call": "c9"})
    said = refusal(tmp_path, DatasetError, datasets={"mail": [case("good"), wrong]})
    assert said.startswith("datasets/mail.jsonl:2: thread.events[1] x: call 'c9' not found")


# ---------------------------------------------------------------------------------------------- formats

AT = "(case 'c0', datasets/mail.jsonl:1)"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def render(thread):\n    return thread['nothing']\n", f"formats/odd.py:2: raised KeyError: 'nothing' {AT}"),
        (
            "def render(thread):\n    pass\n",
            f"formats/odd.py: returned None; wanted a text or a list of messages that isn't empty {AT}",
        ),
        (
            "def render(thread):\n    return 3\n",
            f"formats/odd.py: returned int 3; wanted a text or a list of messages that isn't empty {AT}",
        ),
        ("def render(thread):\n    return 'always the same'\n", f"formats/odd.py: drops events[0].data.text {AT}"),
        (
            "def render(thread):\n    return str([list(e['data'].values()) for e in thread['events']])\n",
            f"formats/odd.py: drops the key events[0].data.text {AT}",
        ),
        (
            "def render(thread):\n    return [{'role': 'assistant', 'content': str(thread)}]\n",
            f"formats/odd.py: the last message is the assistant's: servers would continue it instead of answering {AT}",
        ),
    ],
    ids=["raises", "none", "number", "drops", "drops keys", "prefill"],
)
def test_a_format_that_does_wrong_is_named_with_the_case(tmp_path: Path, source: str, message: str) -> None:
    file = project(tmp_path, formats=["json", "odd"])
    write(tmp_path, {"formats/odd.py": source})
    with pytest.raises(FormatError) as error:
        resolve(file)
    assert str(error.value).replace(f"{tmp_path}/", "") == message


def test_a_lossy_format_may_drop_what_it_says(tmp_path: Path) -> None:
    file = project(tmp_path, formats=["json", "odd"])
    write(tmp_path, {"formats/odd.py": "LOSSY = 'all data'\ndef render(thread):\n    return str(len(thread['events']))\n"})
    assert resolve(file).formats["odd"].lossy == "all data"


# ---------------------------------------------------------------------------------------------- composing


def test_messages_need_a_place_in_every_prompt(tmp_path: Path) -> None:
    file = project(
        tmp_path,
        agents=[{"dataset": "news", "functions": ["Mail"]}, {"dataset": "mail", "functions": ["Mail", "System"]}],
        datasets={"mail": [case("c1", *SEARCHED)], "news": [case("c1", *SEARCHED)]},
        formats=["messages", "xml_json"],
        outputs=["tool"],
    )
    write(tmp_path, {"baml_src/mail.baml": MAIL + function("System", "{{ _.role('system') }}{{ thread }}")})
    with pytest.raises(SuiteError) as error:
        resolve(file)
    said = str(error.value).replace(f"{tmp_path}/", "")
    assert "messages with output tool: function 'System' shows its thread in system messages; to run it under a format" in said
    assert line_of(tmp_path, said) == "functions:"
    suite_lines = (tmp_path / "evals/mail.yaml").read_text().splitlines()
    assert suite_lines.index("  functions:") + 1 < int(said.split(":")[1])


def test_a_prompt_that_looks_for_a_word_is_found_by_the_case_that_holds_it(tmp_path: Path) -> None:
    looks = function("Looks", '{% if "error" in thread %}Careful!{% endif %}{{ thread }}')
    datasets = {"mail": [case("fine"), case("bad", event("note", {"text": "an error"}))]}
    file = project(tmp_path, datasets=datasets, agents=[{"dataset": "mail", "functions": ["Looks"]}])
    write(tmp_path, {"baml_src/mail.baml": CLIENT + STEPS + looks})
    with pytest.raises(BamlError) as error:
        resolve(file)
    assert str(error.value).startswith(
        f"{(tmp_path / 'datasets/mail.jsonl').as_posix()}:2: function 'Looks' has a prompt that depends"
    )
    assert str(error.value).endswith("(case 'bad')")
    write(tmp_path, {"datasets/mail.jsonl": lines(datasets["mail"][0])})
    assert len(resolve(file).trials) == 2


def test_role_tokens_of_baml_never_reach_a_prompt(tmp_path: Path) -> None:
    token = "BAML_CHAT_ROLE_MAGIC_STRING_DELIMITER"
    said = refusal(tmp_path, DatasetError, datasets={"mail": [case("c0", event("note", {"text": f"x {token}:y"}))]})
    assert said.startswith(f"datasets/mail.jsonl:1: thread.events[0].data.text: holds {token!r}")


# ---------------------------------------------------------------------------------------------- requests


def requests(made: Plan) -> dict[str, Request]:
    return {trial.id: made.request(trial, made.prompt(trial)) for trial in made.trials}


def test_seeds_are_the_same_across_variants_and_differ_elsewhere(tmp_path: Path) -> None:
    agents = [{"dataset": name, "functions": ["Mail", "MailTerse"]} for name in ("mail", "news")]
    datasets = {"mail": cases(3), "news": cases(3)}
    options: dict[str, Any] = {"agents": agents, "outputs": ["prompted", "tool"], "models": ["x/gpt", "y/haiku"], "repeats": 2}
    made = plan_of(tmp_path, datasets=datasets, **options)
    seeds: dict[tuple[str, str, int], set[int]] = {}
    for trial in made.trials:
        seed = made.request(trial, made.prompt(trial)).params["seed"]
        assert isinstance(seed, int)
        assert 0 <= seed < 2**31
        seeds.setdefault((trial.dataset, trial.case, trial.repeat), set()).add(seed)
    assert len(made.variants) == 16
    assert all(len(found) == 1 for found in seeds.values())
    assert len(set().union(*seeds.values())) == len(seeds) == 2 * 3 * 2
    other = plan_of(tmp_path, datasets=datasets, **options, seed=1)
    assert {request.params["seed"] for request in requests(other).values()}.isdisjoint(set().union(*seeds.values()))


def test_independent_seeds_differ_across_variants_even_where_the_text_is_the_same(tmp_path: Path) -> None:
    write(tmp_path, {f"formats/{name}.j2": "{{ thread.events | json }}" for name in ("one", "two")})
    options: dict[str, Any] = {"formats": ["one", "two"], "repeats": 3}
    paired = requests(plan_of(tmp_path, **options))
    independent = requests(plan_of(tmp_path, **options, seeds="independent"))
    assert paired.keys() == independent.keys()
    assert len(paired) == 2 * 3 * 3
    assert len({request.key for request in paired.values()}) == len(paired) / 2
    assert len({request.params["seed"] for request in independent.values()}) == len(independent)
    turned = requests(plan_of(tmp_path, seeds="independent", repeats=3, formats=["two", "one"]))
    assert {name: request.key for name, request in turned.items()} == {name: r.key for name, r in independent.items()}


@pytest.mark.parametrize(
    ("suites", "models", "expected"),
    [
        ({}, {}, {"temperature": 0, "seed": "made"}),
        ({"max_tokens": 5}, {}, {"temperature": 0, "seed": "made", "max_tokens": 5}),
        ({"max_tokens": 5, "temperature": 1}, {"max_tokens": 9}, {"temperature": 1, "seed": "made", "max_tokens": 9}),
        ({"temperature": None}, {}, {"seed": "made"}),
        ({"seed": None}, {}, {"temperature": 0}),
        ({}, {"temperature": None, "seed": None}, {}),
        ({"top_p": 0.5}, {"top_p": None}, {"temperature": 0, "seed": "made"}),
        ({"seed": 7}, {}, {"temperature": 0, "seed": 7}),
        ({"seed": 7}, {"seed": 8, "stop": ["x"]}, {"temperature": 0, "seed": 8, "stop": ["x"]}),
    ],
)
def test_the_models_parameters_win_and_null_leaves_one_out(
    tmp_path: Path, suites: dict[str, Any], models: dict[str, Any], expected: dict[str, Any]
) -> None:
    made = plan_of(tmp_path, params=suites, models=[{"id": "x/gpt", "params": models}], formats=["json"])
    request = made.request(made.trials[0], made.prompt(made.trials[0]))
    plain = {name: "made" if name == "seed" and value not in (7, 8) else value for name, value in request.params.items()}
    assert plain == expected


def test_a_request_is_the_prompt_for_the_model(tmp_path: Path) -> None:
    spec = {"label": "mine", "id": "openai/gpt", "api_base": "http://127.0.0.1:1/v1"}
    made = plan_of(tmp_path, models=[spec], outputs=["prompted", "native", "tool"])
    for trial in made.trials:
        prompt = made.prompt(trial)
        request = made.request(trial, prompt)
        assert (request.model, request.api_base) == ("openai/gpt", "http://127.0.0.1:1/v1")
        assert (request.messages, request.tools, request.response_format) == (
            prompt.messages,
            prompt.tools,
            prompt.response_format,
        )
        forced = {"tool_choice": "required", "parallel_tool_calls": False}
        assert {name: request.params[name] for name in forced if name in request.params} == (
            forced if trial.variant.output == "tool" else {}
        )


def test_keys_are_equal_where_requests_are_and_differ_where_they_do(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "outputs": ["prompted", "native"],
        "models": ["x/gpt", {"label": "other", "id": "x/gpt"}],
        "repeats": 2,
    }
    first, again = requests(plan_of(tmp_path, **options)), requests(plan_of(tmp_path, **options))
    assert {trial: request.key for trial, request in first.items()} == {trial: request.key for trial, request in again.items()}
    twins = [trial for trial in first if ",gpt]" in trial]
    assert len({first[trial].key for trial in twins}) == len(twins) == len(first) // 2
    for trial in twins:
        assert first[trial].key == first[trial.replace(",gpt]", ",other]")].key
    hotter = requests(plan_of(tmp_path, **options, params={"temperature": 1}))
    assert {request.key for request in hotter.values()}.isdisjoint(request.key for request in first.values())


def test_editing_a_format_changes_its_own_keys_only(tmp_path: Path) -> None:
    file = project(tmp_path, formats=["json", "xml_json"])
    before = {trial: request.key for trial, request in requests(resolve(file)).items()}
    path = tmp_path / "formats" / "json.j2"
    path.write_text(path.read_text() + "\n(end)\n")
    after = {trial: request.key for trial, request in requests(resolve(file)).items()}
    assert {trial for trial in before if before[trial] != after[trial]} == {trial for trial in before if ",json," in trial}


def test_every_trial_finds_its_case_and_its_parser(tmp_path: Path) -> None:
    made = plan_of(tmp_path, agents=[{"dataset": "mail", "functions": ["Mail", "MailTerse"]}])
    for trial in made.trials:
        assert made.case(trial).id == trial.case
        assert made.parser(trial).function.name == trial.variant.function


# ---------------------------------------------------------------------------------------------- sampling


def test_cases_are_chosen_by_tag_and_then_drawn(tmp_path: Path) -> None:
    written = [
        case("a", tags=["hard", "short"]),
        case("b", tags=["short"]),
        case("c", tags=["long"]),
        case("d"),
        *(case(f"e{i}", tags=["hard"]) for i in range(6)),
    ]

    def chosen(**keys: Any) -> set[str]:
        agents = [{"dataset": "mail", "functions": ["Mail"], **keys}]
        return set(plan_of(tmp_path, datasets={"mail": written}, agents=agents).agents["mail"].cases)

    assert chosen(tags=["long", "short"]) == {"a", "b", "c"}
    assert len(chosen(tags=["long", "short"], sample=2) & {"a", "b", "c"}) == 2
    assert len(chosen()) == 10
    with pytest.raises(SuiteError) as error:
        chosen(tags=["short", "hrad"])
    message = "mail.yaml:6: agents.0.tags: tag 'hrad' not found (did you mean 'hard'?); there are: hard, long, short"
    assert str(error.value).endswith(message)


# ---------------------------------------------------------------------------------------------- edits

TALK = (event("note", "do it"), event("search", {"query": "a"}), event("search_result", []), event("note", "go on"))
TAIL = {"formats/edits/tail.py": 'LOSSY = "the start"\ndef edit(thread, n=1):\n    return {"events": thread["events"][-n:]}\n'}


def test_an_variant_sends_the_thread_as_its_edit_makes_it(tmp_path: Path) -> None:
    write(tmp_path, TAIL)
    made = plan_of(tmp_path, datasets={"mail": [case("c1", *TALK)]}, formats=["json"], edits=["none", "tail", "tail(4)"])
    texts = {trial.variant.edit: made.prompt(trial).messages[-1]["content"] for trial in made.trials}
    assert "do it" in texts["none"]
    assert "do it" not in texts["tail"]
    assert '[{"type":"note","data":"go on"}]' in texts["tail"]
    assert texts["tail(4)"] == texts["none"]
    assert made.render("mail", "c1", "json") == made.render("mail", "c1", "json", "tail(4)")
    narrowed = resolve(made.file, Selection(edits=["tail"]))
    assert {trial.variant.edit for trial in narrowed.trials} == {"tail"}


def test_history_is_looked_for_in_every_edited_thread(tmp_path: Path) -> None:
    # without its steps a thread would go under any output; the variants of a format pair with the same outputs all the same
    write(tmp_path, TAIL)
    keys = {"formats": ["messages", "json"], "outputs": ["tool", "prompted"], "edits": ["none", "tail"]}
    made = plan_of(tmp_path, datasets={"mail": [case("c1", *TALK)]}, **keys)
    assert {(variant.edit, variant.output) for variant in made.variants if variant.format == "messages"} == {
        ("none", "tool"),
        ("tail", "tool"),
    }
    alone = plan_of(tmp_path, datasets={"mail": [case("c1", *TALK)]}, **{**keys, "edits": ["tail"]})
    assert len(alone.variants) == 4


def test_edited_threads_are_probed_too(tmp_path: Path) -> None:
    write(tmp_path, TAIL | {"formats/one.j2": "{{ thread.events[0].type }} {{ thread.events[0].data }}"})
    keys: dict[str, Any] = {"datasets": {"mail": [case("c1", *TALK)]}, "formats": ["one"]}
    assert len(plan_of(tmp_path, **keys, edits=["tail"]).variants) == 1
    for edit in ("tail(3)", "tail(9)"):
        with pytest.raises(FormatError, match=r"one.j2: drops events\[\d\].data.* \(case 'c1', "):
            plan_of(tmp_path, **keys, edits=["tail", edit])


def test_independent_seeds_of_unedited_variants_are_those_of_old(tmp_path: Path) -> None:
    write(tmp_path, TAIL)
    made = plan_of(tmp_path, formats=["json"], edits=["none", "tail"], seeds="independent")
    first = [trial for trial in made.trials if trial.case == "c0"]
    seeds = {trial.variant.edit: made.request(trial, made.prompt(trial)).params["seed"] for trial in first}
    assert seeds["none"] == int(digest("0:mail:c0:0:Mail,json,prompted,gpt")[:7], 16)
    assert seeds["tail"] != seeds["none"]


@pytest.mark.parametrize("seed", range(5))
def test_a_sample_keeps_conversations_together(tmp_path: Path, seed: int) -> None:
    written = [case(f"g{group}-{turn}", group=f"g{group}", turn=turn) for turn in range(4) for group in range(6)]
    agents = [{"dataset": "mail", "functions": ["Mail"], "sample": 10}]
    chosen = list(plan_of(tmp_path, datasets={"mail": written}, agents=agents, seed=seed).agents["mail"].cases.values())
    assert len(chosen) == 10
    sizes = sorted(sum(one.cluster == cluster for one in chosen) for cluster in {one.cluster for one in chosen})
    assert sizes == [2, 4, 4]
    assert [one.id for one in chosen] == [one["id"] for one in written if one["id"] in {kept.id for kept in chosen}]


def test_a_sample_depends_on_the_seed_and_not_on_the_order_of_lines(tmp_path: Path) -> None:
    def sample(written: list[dict[str, Any]], seed: int) -> set[str]:
        agents = [{"dataset": "mail", "functions": ["Mail"], "sample": 6}]
        return set(plan_of(tmp_path, datasets={"mail": written}, agents=agents, seed=seed).agents["mail"].cases)

    assert sample(cases(20), 0) == sample(cases(20)[::-1], 0)
    assert sample(cases(20), 0) != sample(cases(20), 1)
    assert len(sample(cases(5), 0)) == 5


def test_a_suite_that_was_widened_resolves_alike(tmp_path: Path) -> None:
    file = project(tmp_path, agents=[{"dataset": "mail", "functions": ["Mail"], "sample": 2}])
    whole = Suite.model_validate({**dict(file.suite), "agents": [{"dataset": "mail", "functions": ["Mail"]}]})
    assert len(resolve(file).agents["mail"].cases) == 2
    assert len(resolve(replace(file, suite=whole)).agents["mail"].cases) == 3
