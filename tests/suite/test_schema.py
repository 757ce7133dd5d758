"""A suite is read whole or refused in one line: file, line, value, choices; and nothing of a key is ever repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

from phrasing.errors import SuiteError
from phrasing.suite.file import load_suite, requirements
from phrasing.suite.schema import MEASURES, Comparing, ModelSpec, Requirement, Suite

BASE = """\
description: Does it matter?
agents:
  - {dataset: mail, functions: [Mail]}
formats: [json, xml_json]
outputs: [prompted]
models:
  - openai/gpt
  - {label: haiku, id: anthropic/claude, params: {max_tokens: 512}}
baseline: {format: json}
require:
  - {score: intent, min: 0.9}
"""
KEYS = ", ".join(sorted(Suite.model_fields))
MODEL_KEYS = "api_base, api_key_env, id, jobs, label, params, price, rpm, stream, timeout, tpm"
SECRET = "sk-abcdefghijklmnop1234"
LOOKS = "looks like a key; keys come from the environment or .env, and api_key_env names the variable"


def load(tmp_path: Path, text: str | bytes) -> Suite:
    path = tmp_path / "s.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_suite(path).suite


def refusal(tmp_path: Path, text: str | bytes) -> str:
    with pytest.raises(SuiteError) as error:
        load(tmp_path, text)
    return str(error.value).removeprefix(f"{tmp_path}/")


def changed(old: str, new: str) -> str:
    assert BASE.count(old) == 1
    return BASE.replace(old, new)


# ---------------------------------------------------------------------------------------------- what is read


def test_what_a_suite_says_and_what_it_leaves_out(tmp_path: Path) -> None:
    read = load(tmp_path, BASE)
    assert read.models[0] == ModelSpec(label="gpt", id="openai/gpt")
    assert read.models[1] == ModelSpec(label="haiku", id="anthropic/claude", params={"max_tokens": 512})
    assert (read.outputs, read.baseline, read.repeats, read.seed, read.baml_src) == (
        ("prompted",),
        {"format": "json"},
        1,
        0,
        "baml_src",
    )
    assert read.require[0].model_dump(exclude_defaults=True) == {"score": "intent", "min": 0.9}
    assert (read.require[0].against, read.require[0].where, read.inconclusive) == ("baseline", {}, "fail")
    assert read.compare == Comparing(score="step", margin=0.02, confidence=0.95)
    assert load(tmp_path, changed("outputs: [prompted]\n", "")).outputs == ("prompted",)


def test_a_byte_order_mark_is_no_part_of_a_suite(tmp_path: Path) -> None:
    assert load(tmp_path, b"\xef\xbb\xbf" + BASE.encode()) == load(tmp_path, BASE)
    wrong = changed("formats:", "formatts:").encode()
    assert refusal(tmp_path, b"\xef\xbb\xbf" + wrong) == refusal(tmp_path, wrong)


def test_a_suite_can_be_read_back_from_what_a_run_keeps(tmp_path: Path) -> None:
    read = load(tmp_path, BASE)
    assert Suite.model_validate(read.model_dump(mode="json")) == read


@pytest.mark.parametrize(("inside", "root"), [("formats", ""), ("datasets", ""), ("elsewhere", "evals/deep")])
def test_the_project_is_the_folder_above_with_formats_or_datasets(tmp_path: Path, inside: str, root: str) -> None:
    (tmp_path / "evals" / "deep").mkdir(parents=True)
    (tmp_path / inside).mkdir()
    path = tmp_path / "evals" / "deep" / "which.yaml"
    path.write_text(BASE)
    found = load_suite(path)
    assert (found.name, found.root) == ("which" if root else "deep/which", tmp_path / root)


@pytest.mark.parametrize("name", ["skill-routing-conversations", "hfhfhfhfhfhfhfhfhfhf", "AIzaA"])
def test_a_name_that_only_begins_like_a_key_is_a_name(tmp_path: Path, name: str) -> None:
    assert load(tmp_path, changed("dataset: mail", f"dataset: {name}")).agents[0].dataset == name


# ---------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("formats:", "formatts:", f"s.yaml:4: key 'formatts' not found (did you mean 'formats'?); there are: {KEYS}"),
        (
            "label: haiku",
            "lable: h",
            f"s.yaml:8: models.1: key 'lable' not found (did you mean 'label'?); there are: {MODEL_KEYS}",
        ),
        (
            "score: intent",
            "socre: intent",
            "s.yaml:11: require.0: key 'socre' not found (did you mean 'score'?); "
            "there are: against, confidence, margin, max, max_ratio, min, score, where, within",
        ),
        (
            "dataset: mail",
            "data: mail",
            "s.yaml:3: agents.0: key 'data' not found (did you mean 'dataset'?); "
            "there are: arguments, dataset, distractors, environment, examples, functions, "
            "min_steps, sample, tags, tasks, text, thread",
        ),
        (
            "{max_tokens: 512}",
            "{}, price: {promt: 1}",
            "s.yaml:8: models.1.price: key 'promt' not found (did you mean 'prompt'?); there are: cached, completion, prompt",
        ),
        ("description: Does it matter?\n", "", "s.yaml:1: description: missing"),
        ("dataset: mail, ", "", "s.yaml:3: agents.0.dataset: missing"),
        ("id: anthropic/claude, ", "", "s.yaml:8: models.1.id: missing"),
        ("functions: [Mail]", "functions: []", "s.yaml:3: agents.0.functions: wanted the names of functions, got []"),
        (
            "[prompted]",
            "[promted]",
            "s.yaml:5: outputs.0: output 'promted' not found (did you mean 'prompted'?); "
            "there are: native, native_bare, prompted, tool, tool_auto",
        ),
        ("[prompted]", "prompted", "s.yaml:5: outputs: wanted a list, got 'prompted'"),
        ("it matter?", "it", "s.yaml:1: description: 'Does it' is no question; a suite asks one, ending in '?'"),
        ("Does it matter?", "''", "s.yaml:1: description: '' is no question; a suite asks one, ending in '?'"),
        (
            "baseline: {format: json}",
            "baseline: {formt: json}",
            "s.yaml:9: baseline: key 'formt' not found (did you mean 'format'?); "
            "there are: control, edit, format, function, model, output",
        ),
        (", min: 0.9", "", "s.yaml:11: require.0: needs min or max, or one of margin, within, max_ratio"),
        ("min: 0.9", "min: 2", "s.yaml:11: require.0: intent lies from 0 to 1, so its min and max do too"),
        (
            "min: 0.9",
            "min: 0, where: {modle: x}",
            "s.yaml:11: require.0.where: key 'modle' not found (did you mean 'model'?); "
            "there are: control, edit, format, function, model, output",
        ),
        ("[json, xml_json]", "[json, json]", "s.yaml:4: formats: 'json' is named twice"),
        ("- openai/gpt", "- x/haiku", "s.yaml:1: models: 'haiku' is named twice; give each a label of its own"),
        ("[Mail]", "[Mail, Mail]", "s.yaml:3: agents.0.functions: 'Mail' is named twice"),
        ("outputs: [prompted]", "formats: [json]", "s.yaml:5: isn't YAML: key 'formats' is written twice"),
        ("{label: haiku,", "{label: haiku, label: h,", "s.yaml:8: isn't YAML: key 'label' is written twice"),
        ("- openai/gpt", "- 3", "s.yaml:7: models.0: wanted keys with values, got 3"),
        ("{max_tokens: 512}", "{stream: true}", "s.yaml:8: models.1.params: 'stream' can't be set here"),
        ("outputs: [prompted]", "params: {n: 3}", "s.yaml:5: params: 'n' can't be set here"),
        ("outputs: [prompted]", "repeats: 0", "s.yaml:5: repeats: Input should be greater than or equal to 1, got 0"),
        ("[Mail]}", "[Mail], examples: [a, b, a]}", "s.yaml:3: agents.0.examples: 'a' is named twice"),
        ("[Mail]}", "[Mail], sample: 0}", "s.yaml:3: agents.0.sample: Input should be greater than or equal to 1, got 0"),
    ],
)
def test_a_mistake_is_said_with_line_value_and_choices(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert refusal(tmp_path, changed(old, new)) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "s.yaml: is empty; a suite needs description, agents, formats and models"),
        ("# nothing yet\n", "s.yaml: is empty; a suite needs description, agents, formats and models"),
        ("- a\n", "s.yaml:1: wanted keys with values, got ['a']"),
        ("formats: [json\n", "s.yaml:2: isn't YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\n\tb: 2\n", "s.yaml:2: isn't YAML: found character '\\t' that cannot start any token"),
        (b"description: caf\xe9?\n", "s.yaml: isn't UTF-8"),
        ("a: !!python/object:os.system {}\n", "s.yaml:1: isn't YAML: could not determine a constructor for the tag"),
    ],
    ids=["empty", "comment", "list", "bracket", "tab", "latin-1", "python"],
)
def test_what_isnt_a_suite_at_all(tmp_path: Path, text: str | bytes, message: str) -> None:
    assert refusal(tmp_path, text).startswith(message)


def test_a_file_that_isnt_there_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "formats.yaml").write_text(BASE)
    with pytest.raises(SuiteError, match=r"format\.yaml: can't be read: No such file or directory; there are: formats$"):
        load_suite(tmp_path / "format.yaml")


# ---------------------------------------------------------------------------------------------- gates and comparisons


GATES: dict[str, dict[str, object]] = {
    "score: step, min: 0.9": {"min": 0.9},
    "score: step, min: 0.5, max: 0.9, confidence: 0.9": {"min": 0.5, "max": 0.9, "confidence": 0.9},
    "score: step, margin: 0.02, against: recorded": {"margin": 0.02, "against": "recorded"},
    "score: step, within: 0.05, confidence: 0.9, where: {format: json}": {
        "within": 0.05, "confidence": 0.9, "where": {"format": "json"},
    },
    "score: prompt_tokens, max_ratio: 1.1": {"score": "prompt_tokens", "max_ratio": 1.1},
    "score: cost, max: 0.25": {"score": "cost", "max": 0.25},
    "score: tokens, max: 900, min: 2": {"score": "tokens", "max": 900, "min": 2},
    "score: harm, max: 0": {"score": "harm", "max": 0},
    "score: of_my_own, margin: 0.5": {"score": "of_my_own", "margin": 0.5},
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), GATES.items(), ids=GATES)
def test_a_gate_reads_the_same_in_a_suite_and_on_the_command_line(tmp_path: Path, text: str, said: dict[str, object]) -> None:
    (gate,) = requirements([text])
    assert gate.model_dump(exclude_defaults=True) == {"score": "step", **said}
    assert load(tmp_path, changed("{score: intent, min: 0.9}", "{" + text + "}")).require == (gate,)


KINDS = "needs min or max, or one of margin, within, max_ratio"
RATIO = f"max_ratio is for {', '.join(MEASURES)}; margin and within are for scores, not for"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("score: step", KINDS),
        ("score: step, confidence: 0.9", KINDS),
        ("score: step, min: 0.5, margin: 0.1", f"{KINDS}, not margin and min and max"),
        ("score: step, within: 0.1, margin: 0.1", f"{KINDS}, not margin and within"),
        ("score: step, max_ratio: 1.1", f"{RATIO} 'correct'"),
        ("score: tokens, margin: 0.1", f"{RATIO} 'tokens'"),
        ("score: cost, within: 0.1", f"{RATIO} 'cost'"),
        ("score: harm, margin: 0.1", "forbidden is held by max: too few cases have a forbidden step picked to compare"),
        ("score: harm, within: 0.1", "forbidden is held by max: too few cases have a forbidden step picked to compare"),
        ("score: step, max: 1.01", "correct lies from 0 to 1, so its min and max do too"),
        ("score: step, min: -0.5", "correct lies from 0 to 1, so its min and max do too"),
        ("score: step, min: 0.5, against: recorded", "min and max compare with nothing, so against says nothing"),
        ("score: step, margin: 0", "margin: Input should be greater than 0, got 0"),
        ("score: step, margin: 1", "margin: Input should be less than 1, got 1"),
        ("score: step, within: 2", "within: Input should be less than 1, got 2"),
        ("score: tokens, max_ratio: 0", "max_ratio: Input should be greater than 0, got 0"),
        ("score: tokens, max_ratio: .inf", "max_ratio: Input should be a finite number, got inf"),
        ("score: step, min: .nan", "min: Input should be a finite number, got nan"),
        ("score: step, min: 0.9, confidence: 0.5", "confidence: Input should be greater than 0.5, got 0.5"),
        ("score: step, min: 0.9, confidence: 1", "confidence: Input should be less than 1, got 1"),
        ("score: step, margin: 0.1, against: main", "against: value 'main' not found; there are: baseline, recorded"),
        ("min: 0.9", "score: missing"),
    ],
)  # fmt: skip
def test_a_gate_that_says_nothing_or_two_things_is_refused(tmp_path: Path, text: str, message: str) -> None:
    said = refusal(tmp_path, changed("{score: intent, min: 0.9}", "{" + text + "}"))
    place, _, named = said.partition(": require.0")
    assert (place, named) == ("s.yaml:11", f".{message}" if message.split(":")[0] in Requirement.model_fields else f": {message}")
    with pytest.raises(SuiteError) as error:
        requirements([text])
    assert str(error.value) == f"--require {text!r}: {message}"


@pytest.mark.parametrize("text", ["score: step, min: 0.9}", "score: [", "score: step, score: intent, min: 0.5", "{", "a: b: c"])
def test_what_isnt_a_gate_is_quoted_with_an_example(text: str) -> None:
    with pytest.raises(SuiteError) as error:
        requirements([text])
    assert str(error.value) == f"--require {text!r} isn't a gate such as 'score: correct, min: 0.9'"


@pytest.mark.parametrize("text", ["step", "step, min: 0.9", "socre: step"])
def test_an_unknown_key_of_a_gate_is_said_with_the_known_ones(text: str) -> None:
    key = text.partition(",")[0].partition(":")[0]
    with pytest.raises(SuiteError, match=rf"^--require '{text}': key '{key}' not found.*; there are: against, confidence, "):
        requirements([text])


def test_how_variants_are_compared_and_what_inconclusive_means_are_the_suites_own(tmp_path: Path) -> None:
    keys = "compare: {score: intent, margin: 0.05, confidence: 0.9}\nundecided: pass"
    read = load(tmp_path, changed("outputs: [prompted]", keys))
    assert read.compare == Comparing(score="intent", margin=0.05, confidence=0.9)
    assert read.inconclusive == "pass"
    assert Suite.model_validate(read.model_dump(mode="json")) == read


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("compare: {margin: 0}", "compare.margin: Input should be greater than 0, got 0"),
        ("compare: {margin: 1}", "compare.margin: Input should be less than 1, got 1"),
        ("compare: {confidence: 0.4}", "compare.confidence: Input should be greater than or equal to 0.5, got 0.4"),
        ("compare: {confidence: 95}", "compare.confidence: Input should be less than 1, got 95"),
        ("compare: {discordance: 0}", "compare.discordance: Input should be greater than 0, got 0"),
        ("compare: {detect: 2}", "compare.detect: Input should be less than or equal to 1, got 2"),
        (
            "compare: {scroe: step}",
            "compare: key 'scroe' not found (did you mean 'score'?); there are: confidence, detect, discordance, margin, score",
        ),
        ("compare: step", "compare: wanted keys with values, got 'step'"),
        ("undecided: ignore", "undecided: value 'ignore' not found; there are: fail, pass"),
    ],
)  # fmt: skip
def test_mistakes_in_how_variants_are_compared(tmp_path: Path, keys: str, message: str) -> None:
    assert refusal(tmp_path, changed("outputs: [prompted]", keys)) == f"s.yaml:5: {message}"


# ---------------------------------------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{max_tokens: 512}", f"{{}}, api_key: {SECRET}", f"s.yaml:8: models.1.api_key {LOOKS}"),
        ("{max_tokens: 512}", "{}, api_key: hunter2", f"s.yaml:8: models.1.api_key {LOOKS}"),
        ("{max_tokens: 512}", "{OPENAI_API_KEY: hunter2}", f"s.yaml:8: models.1.params.OPENAI_API_KEY {LOOKS}"),
        ("{max_tokens: 512}", f"{{user: '{SECRET}'}}", f"s.yaml:8: models.1.params.user {LOOKS}"),
        ("{max_tokens: 512}", f"{{}}, {SECRET}: x", f"s.yaml:8: models.1.<hidden> {LOOKS}"),
        (
            "{max_tokens: 512}",
            "{headers: {Authorization: Bearer hunter2}}",
            f"s.yaml:8: models.1.params.headers.Authorization {LOOKS}",
        ),
        ("- openai/gpt", f"- {SECRET}", f"s.yaml:7: models.0 {LOOKS}"),
        ("- openai/gpt", f"- {{id: x, api_key_env: {SECRET}}}", f"s.yaml:7: models.0.api_key_env {LOOKS}"),
        ("outputs: [prompted]", f"{SECRET}: 1", f"s.yaml:1: <hidden> {LOOKS}"),
        ("outputs: [prompted]", "params: {x: [a, {password: hunter2}]}", f"s.yaml:5: params.x.1.password {LOOKS}"),
        ("outputs: [prompted]", f"{SECRET}: 1\n{SECRET}: 2", "s.yaml:6: isn't YAML: a key is written twice"),
        ("outputs: [prompted]", "api_key: hunter2\napi_key: hunter2", "s.yaml:6: isn't YAML: key 'api_key' is written twice"),
        ("Does it matter?", f"Does {SECRET} matter?", f"s.yaml:1: description {LOOKS}"),
    ],
)
def test_a_key_is_refused_and_never_repeated(tmp_path: Path, old: str, new: str, message: str) -> None:
    said = refusal(tmp_path, changed(old, new))
    assert said == message
    assert "hunter2" not in said
    assert SECRET[3:] not in said


@pytest.mark.parametrize(
    "secret",
    ["sk-ant-api03-" + "x" * 20, "gsk_" + "A1" * 10, "xai-" + "b" * 20, "hf_" + "c" * 20, "ghp_" + "d" * 20, "AIzaSy" + "e" * 20],
)
def test_the_keys_of_many_providers_are_known(tmp_path: Path, secret: str) -> None:
    assert refusal(tmp_path, changed("{max_tokens: 512}", f"{{user: '{secret}'}}")) == f"s.yaml:8: models.1.params.user {LOOKS}"


def test_the_variable_of_a_key_may_be_named(tmp_path: Path) -> None:
    read = load(tmp_path, changed("- openai/gpt", "- {id: openai/gpt, api_key_env: MY_API_KEY, api_base: 'http://localhost:1'}"))
    assert read.models[0].api_key_env == "MY_API_KEY"


# ---------------------------------------------------------------------------------------------- lines


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("formats",), 4),
        (("formats", 1), 4),
        (("agents", 0, "functions"), 3),
        (("models", 1, "id"), 8),
        (("models", 7), 6),
        (("no",), 1),
        ((), 1),
    ],
)
def test_a_line_is_that_of_the_key_or_of_the_nearest_above(tmp_path: Path, keys: tuple[str | int, ...], line: int) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(BASE)
    assert load_suite(path).where(*keys) == f"{path}:{line}"
