"""A file of traces, counted in four formats by two tokenizers, against the same work bare.

Bare is what one would write by hand: each format's own function on plain dicts, then tiktoken, as it comes, with
``encode_ordinary`` of each text, in as many processes; reading the file, checks, sums and the start of processes are no part of
it. The ledger can be quicker than that because its tokens are tiktoken's by a quicker pattern (``vocabularies``). Both take the
same file in turn, several rounds, or one where that takes minutes. ``python -m benchmarks.archive 100000`` counts that many
traces; ``make bench`` a tenth of them.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import tiktoken

from phrasing.costs import trace_files
from phrasing.costs.token_totals import Counted, TokenTotals
from phrasing.prompts import formats
from phrasing.suite import dataset
from phrasing.tokenizers import tokenizer, vocabulary

JOB = trace_files.Job(Path("formats"), ("messages", "xml_yaml", "xml_json", "json"), ("o200k_base", "cl100k_base"))
ROUNDS, LONG = 3, 50_000
"""How often both are measured in turn; with so many traces a round takes minutes, and one is enough."""
SAMPLE = 1000
"""Traces of which each stage is timed by itself."""

TEXT = """
the deploy backend staging production tag release candidate branch commit author review approve failed passed pending
service region cluster node memory latency error timeout retry queue worker session invoice customer order refund ticket
priority assigned waiting please could you check whether last night build was green before we ship it to users and tell me
what changed since then because somebody asked for numbers
"""
WORDS = TEXT.split()
TOOLS = ("list_git_tags", "search_orders", "get_customer", "deploy_backend", "run_tests", "fetch_logs")


def measure(size: int = 10_000) -> Iterator[str]:
    """Measure with a file of so many traces."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "traces.jsonl"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in islice(written(), size))
        workers = os.cpu_count() or 1
        rounds = [(_ledger(path), _bare(path, workers)) for _ in range(ROUNDS if size < LONG else 1)]
        mean = rounds[0][0]["tokens"] / size
        yield (
            f"{size:,} traces of {mean:,.0f} tokens ({path.stat().st_size / 1e6:.0f} MB), {len(JOB.formats)} formats × "
            f"{len(JOB.tokenizers)} tokenizers, {workers} processes, {len(rounds)} round{'s' * (len(rounds) > 1)}:"
        )
        yield ""
        yield "| | seconds, median | traces a second | CPU seconds, median |"
        yield "| --- | ---: | ---: | ---: |"
        for name, times in (
            ("`phrasing tokens --file`, with the start of processes", [ledger for ledger, _ in rounds]),
            ("bare rendering and bare tiktoken", [bare for _, bare in rounds]),
        ):
            seconds, cpu = (statistics.median(one[key] for one in times) for key in ("seconds", "cpu"))
            yield f"| {name} | {seconds:.1f} | {size / seconds:,.0f} | {cpu:.1f} |"
        yield ""
        for what, key in (("Speed over bare speed", "seconds"), ("The same by CPU time", "cpu")):
            yield f"{what}, by round: {', '.join(f'{bare[key] / ledger[key]:.2f}' for ledger, bare in rounds)}."
        peak = max(ledger["peak"] for ledger, _ in rounds)
        yield f"Memory of all processes together at most {peak / 1e6:.0f} MB."
        yield ""
        yield "Where the time of a trace goes, in one process:"
        yield ""
        yield "| stage | µs | bare |"
        yield "| --- | ---: | ---: |"
        with path.open("rb") as lines:
            yield from _stages(list(islice(lines, SAMPLE)))


def written() -> Iterator[str]:
    """Write traces for ever, always the same ones: a request, calls of tools with their results, now and then a word more."""
    rng = random.Random(0)
    for number in range(sys.maxsize):
        events: list[dict[str, Any]] = [{"type": "user_input", "data": _words(rng, 15, 60)}]
        for _ in range(rng.randrange(4, 9)):
            tool = rng.choice(TOOLS)
            tags = rng.choices(WORDS, k=rng.randrange(4))
            events.append({"type": tool, "data": {"query": _words(rng, 2, 8), "limit": rng.randrange(50), "tags": tags}})
            events.append({"type": f"{tool}_result", "data": _result(rng)})
        if rng.random() < 0.4:
            events.append({"type": "user_input", "data": _words(rng, 5, 30)})
        yield json.dumps({"id": f"t{number}", "group": f"g{number // 3}", "events": events})


def _result(rng: random.Random) -> Any:
    kind = rng.random()
    if kind < 0.6:
        return {"status": "ok", "total": rng.randrange(99), "items": [_record(rng) for _ in range(rng.randrange(1, 5))]}
    if kind < 0.9:
        return "\n".join(f"{rng.randrange(24):02}:{rng.randrange(60):02}:01 INFO {_words(rng, 8, 9)}" for _ in range(7))
    return {"error": {"code": rng.randrange(400, 600), "message": _words(rng, 6, 7)}}


def _record(rng: random.Random) -> dict[str, Any]:
    return {
        "id": f"{rng.choice('abcdef')}-{rng.randrange(10**6)}",
        "name": _words(rng, 3, 4),
        "count": rng.randrange(5000),
        "ratio": round(100 * rng.random(), 2),
        "active": rng.random() < 0.5,
        "owner": None if rng.random() < 0.2 else f"user{rng.randrange(999)}@example.com",
        "at": f"2025-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}T{rng.randrange(24):02}:{rng.randrange(60):02}:00Z",
    }


def _words(rng: random.Random, least: int, below: int) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randrange(least, below)))


# ---------------------------------------------------------------------------------------------- the ledger


def _ledger(path: Path) -> dict[str, float]:
    """Count the file in a process of its own, which starts others: seconds, CPU seconds and memory of all, tokens of a prompt."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.archive", "--count", str(path)], check=True, capture_output=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _count(path: Path) -> dict[str, float]:
    peak = 0

    def watch() -> None:
        nonlocal peak
        while True:
            children = [child.pid for child in multiprocessing.active_children()]
            peak = max(peak, sum(_memory(pid) for pid in (os.getpid(), *children) if pid))
            time.sleep(0.1)

    threading.Thread(target=watch, daemon=True).start()
    start = time.perf_counter()
    found = trace_files.count_file(path, JOB)
    seconds = time.perf_counter() - start
    sums = found.totals.columns.values()
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(one.ru_utime + one.ru_stime for one in used)
    return {"seconds": seconds, "cpu": cpu, "peak": peak, "tokens": sum(one.total for one in sums) / len(sums)}


def _memory(pid: int) -> int:
    """Give the bytes that a process holds now, those it shares with others too."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # it has ended, or this isn't Linux
        return 0


# ---------------------------------------------------------------------------------------------- bare


def _bare(path: Path, workers: int) -> dict[str, float]:
    """Render and encode the file in so many processes: seconds and CPU seconds of that, without reading and starting."""
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        wall, cpu = map(sum, zip(*pool.map(_bare_block, trace_files.read_blocks(path)), strict=True))
    return {"seconds": wall / workers, "cpu": cpu}


def _bare_block(block: trace_files.Block) -> tuple[float, float]:
    functions, encodings = _tools()
    threads = [{"events": _with_roles(line)} for line in block.lines]
    start, began = time.perf_counter(), time.process_time()
    for thread in threads:
        for function in functions:
            for text in _texts(function(thread)):
                for encoding in encodings:
                    len(encoding.encode_ordinary(text))
    return time.perf_counter() - start, time.process_time() - began


@lru_cache(maxsize=1)
def _tools() -> tuple[list[formats.Function], list[Any]]:
    os.environ["TIKTOKEN_CACHE_DIR"] = str(vocabulary.shipped())
    return (
        [formats.load(JOB.folder, name).function for name in JOB.formats],
        [tiktoken.get_encoding(name) for name in JOB.tokenizers],
    )


def _with_roles(line: bytes) -> list[dict[str, Any]]:
    trace = trace_files.read_trace(line)
    assert trace
    inferred = dataset.roles([(event["type"], event["role"], event["call"]) for event in trace.events], frozenset())
    return [event | {"role": role, "call": call} for event, (role, call, _) in zip(trace.events, inferred, strict=True)]


def _texts(rendering: Any) -> list[str]:
    if isinstance(rendering, str):
        return [rendering]
    calls = [call["function"] for message in rendering for call in message.get("tool_calls", ())]
    contents = [message["content"] for message in rendering if message["content"]]
    return [*contents, *(call[key] for call in calls for key in ("name", "arguments"))]


# ---------------------------------------------------------------------------------------------- stages


def _stages(lines: Sequence[bytes]) -> Iterator[str]:
    """Time each stage by itself, the best of three: what the ledger does, and what of it is bare work."""
    loaded = [formats.load(JOB.folder, name) for name in JOB.formats]
    tokenizers = [tokenizer.open_tokenizer(name) for name in JOB.tokenizers]
    _, encodings = _tools()
    threads = [_with_roles(line) for line in lines]
    renderings = [[formats.render_events(format, thread) for format in loaded] for thread in threads]
    prompts = [[trace_files.prompt_of(rendering) for rendering in row] for row in renderings]
    texts = [[text for rendering in row for text in _texts(rendering)] for row in renderings]
    counted = [
        {
            (format.name, one.name): Counted(one.count(prompt), 0)
            for format, prompt in zip(loaded, row, strict=True)
            for one in tokenizers
        }
        for row in prompts
    ]
    tally = TokenTotals(trace_files.format_baselines(JOB))
    read = _best(_with_roles, lines)
    rendered = _best(trace_files._open(JOB)._rendered, threads)
    functions = _best(lambda thread: [format.function({"events": thread}) for format in loaded], threads)
    count = _best(lambda row: [one.count(trace_files.prompt_of(r)) for r in row for one in tokenizers], renderings)
    encode = _best(lambda row: [encoding.encode_ordinary(text) for text in row for encoding in encodings], texts)
    tallied = _best(lambda row: tally.add(row, cluster=None, events=9), counted)
    for name, ours, bare in (
        ("read, check and infer roles", read, 0.0),
        ("render", functions, functions),
        ("check that no format changed the thread, and what it made", rendered - functions, 0.0),
        ("count", count, encode),
        ("add up", tallied, 0.0),
    ):
        yield f"| {name} | {ours:.0f} | {f'{bare:.0f}' if bare else ''} |"


def _best(call: Callable[[Any], object], arguments: Iterable[Any]) -> float:
    """Time calls: microseconds each."""
    listed = list(arguments)
    times = []
    for _ in range(3):
        start = time.process_time()
        for argument in listed:
            call(argument)
        times.append(time.process_time() - start)
    return min(times) / len(listed) * 1e6


if __name__ == "__main__":
    if sys.argv[1] == "--count":
        print(json.dumps(_count(Path(sys.argv[2]))))
    else:
        for line in measure(int(sys.argv[1])):
            print(line, flush=True)
