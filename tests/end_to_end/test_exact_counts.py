"""Our count of a prompt is that of the server which reads it: for every case in every format, and under every output.

(The plain tier tries every case in every second format, by turns, so that each format meets half of the cases.)

The server reads with a model shrunk to one layer of made-up weights, which changes no prompt: the recordings, which are the real
model's, say the same.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import replace
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import Any, get_args

import pytest

from phrasing.baml.project import load_project
from phrasing.models.local import weights
from phrasing.models.local.catalogue import DEFAULT
from phrasing.models.local.provider import Embedded, any_call
from phrasing.models.local.server import Server
from phrasing.models.provider import open_tokenizers, tool_rule
from phrasing.plan.resolve import Plan, resolve
from phrasing.prompts import formats
from phrasing.runs import run_folders, store
from phrasing.suite.file import load_suite
from phrasing.suite.functions import split
from phrasing.suite.schema import ModelSpec, Suite
from phrasing.tokenizers.tokenizer import Tokenizer, count_text, open_tokenizer
from phrasing.types import Mode, Output, Request, Trial, digest
from support.paths import REPOSITORY
from support.tiers import THOROUGH
from support.tiny_model import shrink

EVALS = REPOSITORY / "evals"
SUITES = sorted(EVALS.glob("*.yaml"))
RECORDED = [EVALS / f"{name}.yaml" for name in run_folders.recorded(REPOSITORY / run_folders.RECORDINGS)]
MODEL = f"local/{DEFAULT}"
pytestmark = pytest.mark.model

SAMPLED: set[Output] = {"native", "native_bare", "tool_auto"}
"""Outputs that send what ``prompted`` or ``tool`` sends, but for the tools or for keys that are no part of the prompt."""

CONTROLS = ("xml_yaml_again", "xml_yaml_renamed")
"""Formats that are others under another name, or with other tags."""

LONG_THREADS = "nightdesk"
"""The dataset whose threads are all long: the server would read them for as long as all others together."""

OTHERS, ALIKE, LONG, BY_CLIENT = 40, 4, 13, 100
"""Of the trials of an agent's other functions one in so many is asked, of outputs in ``SAMPLED``, and of ``LONG_THREADS``. Of all
that is asked, one in so many goes the way that a run's requests go, through litellm.
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shrink(weights.resolve(DEFAULT), tmp_path_factory.mktemp("tiny") / "tiny.gguf")


@pytest.fixture(scope="module")
def server(tiny: Path) -> Iterator[Server]:
    with Server(tiny, context=32_768, threads=1) as running:
        yield running


@pytest.fixture(scope="module")
def tokenizer(tiny: Path) -> Iterator[Tokenizer]:
    with ExitStack() as stack:
        yield from open_tokenizers([f"local/{tiny}"], stack)


@pytest.fixture(scope="module")
def everything() -> Plan:
    """Every dataset with every function that a suite gives it, in every format, under every output."""
    files = [load_suite(path) for path in SUITES]
    functions: dict[str, dict[str, None]] = {}
    for file in files:
        for agent in file.suite.agents:
            asked = [name for name in agent.names if not split(name).added]  # those have tools of a list that one suite names
            functions.setdefault(agent.dataset, {}).update(dict.fromkeys(asked))
    known = load_project(REPOSITORY / "baml_src").functions
    agents = []
    for dataset, names in functions.items():
        steps = [{intent for intent, step in known[split(name).name].steps.items() if step.text_field} for name in names]
        agents.append({"dataset": dataset, "functions": list(names), "text": min(set.intersection(*steps))})
    suite = {
        "description": "Does every count agree?",
        "agents": agents,
        "formats": [name for name in formats.available(REPOSITORY / "formats") if name not in CONTROLS],
        "outputs": get_args(Mode),
        "models": [MODEL],
        "params": {"max_tokens": 1},
    }
    return resolve(replace(files[0], suite=Suite.model_validate(suite)))


def body(request: Request) -> str:
    """Write a request as it reaches the server. (A sample goes through the client, and must be counted alike.)"""
    sent: dict[str, Any] = {"model": "any", "messages": request.messages, **request.params}
    if request.tools:
        sent["tools"] = request.tools
        if request.params["tool_choice"] == "required":
            sent["json_schema"] = any_call(request.tools)
    if request.response_format:
        sent["response_format"] = request.response_format
    return json.dumps(sent)


def chosen(resolved: Plan) -> Iterator[Trial]:
    """Give the trials to ask, those that begin alike one after the other: the server reads a common beginning once.

    A case that a format renders alike under ``prompted`` and ``tool`` is asked under one of them, by turns.
    """
    texts = {name: i for i, (name, format) in enumerate(resolved.render.formats.items()) if format.path.suffix == ".j2"}
    cases = {case: i for i, case in enumerate(dict.fromkeys((trial.dataset, trial.case) for trial in resolved.trials))}
    places = {name: i for i, name in enumerate(resolved.render.formats)}

    def left_out(trial: Trial) -> bool:
        if not THOROUGH and (cases[trial.dataset, trial.case] // 2 + places[trial.variant.format]) % 2:
            return True
        turn = cases[trial.dataset, trial.case] + texts.get(trial.variant.format, 0)
        return trial.variant.format in texts and trial.variant.output == ("prompted", "tool")[turn % 2]

    first = {name: next(iter(agent.templates)) for name, agent in resolved.agents.items()}
    ordered = sorted(
        resolved.trials, key=lambda trial: (trial.dataset, trial.variant.function, trial.variant.output, trial.variant.format)
    )
    for i, trial in enumerate(trial for trial in ordered if not left_out(trial)):
        one_in = (
            (1 if trial.variant.function == first[trial.dataset] else OTHERS)
            * (ALIKE if trial.variant.output in SAMPLED else 1)
            * (LONG if trial.dataset == LONG_THREADS else 1)
        )
        if i % one_in == 0:
            yield trial


@contextmanager
def connected(server: Server, number: int) -> Iterator[Callable[[str], int]]:
    """Give what asks the server for the number of tokens in a prompt, over so many connections."""
    free: SimpleQueue[HTTPConnection] = SimpleQueue()

    def ask(sent: str) -> int:
        connection = free.get()
        connection.request("POST", "/v1/chat/completions", sent.encode(), {"Content-Type": "application/json"})
        answer = connection.getresponse().read()
        free.put(connection)
        return int(json.loads(answer)["usage"]["prompt_tokens"])

    with ExitStack() as stack:
        for _ in range(number):
            free.put(stack.enter_context(closing(HTTPConnection(server.url.removeprefix("http://"), timeout=60))))
        yield ask


def test_every_count_is_the_servers(server: Server, tokenizer: Tokenizer, everything: Plan) -> None:
    wrong: dict[str, tuple[int, int]] = {}
    seen: Counter[tuple[str, str, str, str]] = Counter()
    trials, ours = chosen(everything), dict[str, int]()
    with connected(server, 3) as ask, ThreadPoolExecutor(3) as pool:
        while some := list(islice(trials, 300)):
            prompts = [everything.prompt(trial) for trial in some]
            sent = [body(everything.request(trial, prompt)) for trial, prompt in zip(some, prompts, strict=True)]
            answers = {text: pool.submit(ask, text) for text in sent}
            for trial, prompt, text in zip(some, prompts, sent, strict=True):
                read = digest([prompt.messages, prompt.tools])
                if read not in ours:
                    ours[read] = tokenizer.count(prompt).total
                seen[trial.dataset, trial.case, trial.variant.format, trial.variant.output] += 1
                if answers[text].result() != ours[read]:
                    wrong[trial.id] = (answers[text].result(), ours[read])
    assert wrong == {}
    every = {(trial.dataset, trial.case, trial.variant.format, trial.variant.output) for trial in everything.trials}
    assert seen.keys() <= every
    assert {(format, output) for _, _, format, output in every} == {cell[2:] for cell in seen if cell[0] == LONG_THREADS}
    short, seen_short = ({cell for cell in cells if cell[0] != LONG_THREADS} for cells in (every, seen))
    wanted, found = ({cell[:3] for cell in cells if cell[3] not in SAMPLED} for cells in (short, seen_short))
    assert {cell[:2] for cell in wanted} <= {cell[:2] for cell in found}
    assert len(found) >= len(wanted) * (1 if THOROUGH else 0.4)
    for output in SAMPLED:
        asked, there = (sum(cell[3] == output for cell in cells) for cells in (seen_short, short))
        assert asked >= there / ALIKE / (1.1 if THOROUGH else 2.5)


def test_what_a_run_sends_is_counted_alike(server: Server, tokenizer: Tokenizer, everything: Plan) -> None:
    async def ask() -> dict[str, tuple[int | None, int]]:
        found = {}
        embedded = Embedded(serve=lambda id: nullcontext(server))
        async with embedded.open(ModelSpec(label="tiny", id=MODEL), {}) as complete:
            for trial in list(chosen(everything))[::BY_CLIENT]:
                prompt = everything.prompt(trial)
                answer = await complete(everything.request(trial, prompt))
                found[trial.id] = (answer.usage.prompt, tokenizer.count(prompt).total)
        return found

    found = asyncio.run(ask())
    assert len(found) > 50
    assert {name: pair for name, pair in found.items() if pair[0] != pair[1]} == {}


def test_the_rule_without_the_model_writes_tools_as_its_template_does(tokenizer: Tokenizer, everything: Plan) -> None:
    by_rule = open_tokenizer("o200k_base").under(tool_rule(ModelSpec(label="tiny", id=MODEL)))
    seen = set()
    for trial in everything.trials:
        cell = (trial.dataset, trial.variant.function)
        if trial.variant.output != "tool" or cell in seen:
            continue
        seen.add(cell)
        prompt = everything.prompt(trial)
        assert prompt.tools
        shown = tokenizer.tokenize(prompt).pieces[0].text
        lines = [piece.text for piece in by_rule.tokenize(prompt).pieces if piece.kind == "schema"]
        assert "".join(lines) in shown
        counts = by_rule.count(prompt)
        assert (counts.schema_, counts.spread) == (count_text(shown), 0)
    assert len(seen) > 10


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.relative_to(EVALS).with_suffix("").as_posix())
def test_recordings_of_the_real_model_agree(tokenizer: Tokenizer, path: Path) -> None:
    file = load_suite(path)
    results = store.results(REPOSITORY / run_folders.RECORDINGS / file.name)
    resolved = resolve(file)
    wrong, agreed = {}, 0
    for trial in resolved.trials:
        result = results[trial.id]
        if resolved.models[trial.variant.model].id != MODEL or result.completion is None:
            continue
        mine = tokenizer.count(resolved.prompt(trial)).total
        if result.completion.usage.prompt != mine:
            wrong[trial.id] = (result.completion.usage.prompt, mine)
        agreed += 1
    assert wrong == {}
    assert agreed > 0
