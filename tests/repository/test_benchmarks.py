"""The benchmarks run: each at a small size, because nobody else would notice that one doesn't any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from benchmarks import archive, importing, large_runs, pages, pipeline

MEASURED: dict[str, Callable[[], Iterator[str]]] = {
    "pipeline": pipeline.measure,
    "a file of traces": lambda: archive.measure(200),
    "logs to a dataset": lambda: importing.measure(1),
    "large runs": lambda: large_runs.measure(40, 80),
    "pages": lambda: pages.measure(200),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURED)
def test_a_benchmark_gives_a_table(name: str) -> None:
    lines = [line for line in MEASURED[name]() if line.startswith("|")]
    heads = sum(line.startswith("| ---") for line in lines)
    assert 0 < 2 * heads < len(lines)
    assert not any("nan" in line for line in lines)
