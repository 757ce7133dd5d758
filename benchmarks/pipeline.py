"""Everything between a case and a request, and between an answer and a result: cells a second on one core, stage by stage.

The cells are the shipped ones: every case of ``deploy`` and ``calculator`` under every format that makes text, each asked by two
functions, so that a rendering serves two cells as it does in a run. The answer is that of an agent that picks the first
acceptable step, half of the time in a fence.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from phrasing.plan.resolve import Plan, resolve
from phrasing.prompts import formats, template
from phrasing.prompts.yaml import _line, dump
from phrasing.records import Result
from phrasing.runs import runner, store
from phrasing.score.builtin import score
from phrasing.suite.file import SuiteFile
from phrasing.suite.schema import Suite
from phrasing.tokenizers import tokenizer
from phrasing.types import Completion, Request, Usage

SUITE = {
    "description": "How fast?",
    "agents": [
        {"dataset": "deploy", "functions": ["DetermineNextStepDeploy", "DetermineNextStepDeployTerse"]},
        {"dataset": "calculator", "functions": ["DetermineNextStepCalculator", "DetermineNextStepCalculatorTerse"]},
    ],
    "models": [{"label": "none", "id": "openai/none"}],
    "params": {"max_tokens": 100},
}


def measure() -> Iterator[str]:
    yield "| formats | cells | cells a second, one core | prompt tokens, mean |"
    yield "| --- | ---: | ---: | ---: |"
    for chosen in (["xml_yaml", "xml_json", "json", "messages_text"], ["xml_yaml"], ["xml_json"]):
        resolved = _resolve(chosen)
        cells, seconds, mean = _run(resolved)
        yield f"| {', '.join(chosen)} | {cells} | {cells / seconds:,.0f} | {mean:,.0f} |"
    yield ""
    yield "Writing the events of both datasets as text, each once, with nothing remembered (best of five):"
    yield ""
    yield "| emitter | times compact JSON |"
    yield "| --- | ---: |"
    yield from _emitters(_resolve(["xml_yaml"]))
    yield ""
    yield "Where the time of a cell goes, each stage called by itself (xml_yaml):"
    yield ""
    yield "| stage | µs a call | calls a cell | library |"
    yield "| --- | ---: | ---: | --- |"
    yield from _stages(_resolve(["xml_yaml"]))


def _emitters(resolved: Plan) -> Iterator[str]:
    bodies = [e.data for agent in resolved.agents.values() for thread in agent.threads.values() for e in thread.events]
    plain = {"sort_keys": False, "allow_unicode": True}
    emitters: dict[str, Callable[[Any], object]] = {
        "compact JSON (`json`)": formats.json_text,
        "our YAML (`prompts.yaml`)": dump,
        "PyYAML, C emitter": lambda body: yaml.dump(body, Dumper=yaml.CSafeDumper, **plain),
        "PyYAML, pure Python": lambda body: yaml.dump(body, Dumper=yaml.SafeDumper, **plain),
    }
    json_seconds = 0.0
    for name, emit in emitters.items():
        times = []
        for _ in range(5):
            _line.cache_clear()
            start = time.perf_counter()
            for body in bodies:
                emit(body)
            times.append(time.perf_counter() - start)
        seconds = min(times)
        json_seconds = json_seconds or seconds
        yield f"| {name} | {seconds / json_seconds:.1f} |"


def _resolve(chosen: list[str]) -> Plan:
    return resolve(SuiteFile(Path("evals/benchmark.yaml"), Path(), Suite.model_validate({**SUITE, "formats": chosen})))


def _run(resolved: Plan) -> tuple[int, float, float]:
    """Run the grid with a model that answers at once; the plan's own checks have rendered everything, so forget that first."""
    answers = {trial.id: _answer(resolved, trial, i) for i, trial in enumerate(resolved.trials)}
    queue = iter(resolved.trials)

    async def complete(request: Request) -> Completion:
        return answers[next(queue).id]

    _forget(resolved)
    total: list[Result] = []
    with tempfile.TemporaryDirectory() as folder, store.Store(Path(folder)) as writer:
        start = time.perf_counter()
        asyncio.run(runner.run(resolved, writer, complete, jobs=1, report=total.append))
        seconds = time.perf_counter() - start
    return len(total), seconds, sum(result.tokens.total for result in total) / len(total)


def _forget(resolved: Plan) -> None:
    """Empty what earlier calls left behind, but keep the tokenizer: loading it is start-up, not a cell."""
    tokenizer._estimate.cache_clear()
    tokenizer.count_text("")
    resolved.render._remembered.cache_clear()


def _answer(resolved: Plan, trial: Any, i: int) -> Completion:
    step = resolved.case(trial).expect[0]
    function = resolved.parser(trial).function
    args = {name: step.args.get(name, "x") for name in function.steps[step.intent].fields}
    text = json.dumps({"intent": step.intent, **args})
    return Completion(
        text=f"```json\n{text}\n```" if i % 2 else text, finish_reason="stop", usage=Usage(prompt=1, completion=1), latency=0.0
    )


def _stages(resolved: Plan) -> Iterator[str]:
    trials = resolved.trials
    first = [trial for trial in trials if not trial.variant.function.endswith("Terse")]
    made = [resolved.prompt(trial) for trial in trials]
    requests = [resolved.request(trial, prompt) for trial, prompt in zip(trials, made, strict=True)]
    answers = [_answer(resolved, trial, i) for i, trial in enumerate(trials)]
    parsed = [resolved.parser(t).parse(a, t.variant.output) for t, a in zip(trials, answers, strict=True)]
    threads = [(resolved.formats[t.variant.format], resolved.agents[t.dataset].threads[t.case]) for t in first]
    templates = [resolved.agents[t.dataset].templates[t.variant.function] for t in trials]
    renderings = [resolved.render(t.dataset, t.case, t.variant.format) for t in trials]
    with tempfile.TemporaryDirectory() as folder, store.Store(Path(folder)) as writer:
        results: list[Result] = []

        async def complete(request: Request) -> Completion:
            return answers[len(results)]

        asyncio.run(runner.run(resolved, writer, complete, jobs=1, report=results.append))
        stages: list[tuple[str, Callable[[int], object], int, float, str]] = [
            ("render", lambda i: formats.render(*threads[i]), len(threads), 0.5, "jinja2, our YAML"),
            ("compose", lambda i: template.compose(templates[i], renderings[i], "prompted"), len(trials), 1, "ours"),
            ("request and key", lambda i: resolved.request(trials[i], made[i]).key, len(trials), 1, "json, hashlib"),
            ("keep the prompt", lambda i: writer.put(made[i]), len(trials), 1, "json, hashlib"),
            ("count", lambda i: tokenizer.count(made[i]), len(trials), 1, "tiktoken"),
            ("parse", lambda i: resolved.parser(trials[i]).parse(answers[i], "prompted"), len(trials), 1, "baml_py, pydantic"),
            ("score", lambda i: score(resolved.case(trials[i]), parsed[i]), len(trials), 1, "ours"),
            ("append", lambda i: writer.append(results[i]), len(trials), 1, "pydantic, one write"),
        ]
        assert len(requests) == len(results)
        for name, call, times, share, library in stages:
            _forget(resolved)
            start = time.perf_counter()
            for i in range(times):
                call(i)
            yield f"| {name} | {(time.perf_counter() - start) / times * 1e6:.0f} | {share:g} | {library} |"
