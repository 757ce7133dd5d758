"""The statistics of a large run: from the table of cases to verdicts, in time and memory, in a process of its own.

10 variants (one is the baseline) with 100,000 results each, in conversations of 4; 2,000 bootstrap draws for every ratio.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

CASES, VARIANTS, GROUP = 100_000, 10, 4

MEASURE = """
import resource, time
import numpy as np, pandas as pd
from phrasing.analysis import tables as aggregate, compare
from phrasing.suite.schema import Comparing

cases, variants, group = {cases}, {variants}, {group}
rng = np.random.default_rng(1)
hard = np.repeat(rng.normal(size=cases // group), group) + rng.normal(size=cases)
variant = np.repeat([f"F,none,format-{{i}},prompted,m" for i in range(variants)], cases)
right = (np.tile(hard, variants) + rng.normal(size=variants * cases) < 1).astype(float)
prompt = rng.lognormal(6, 0.2, size=variants * cases).round()
number = np.tile(np.arange(cases), variants)
table = pd.DataFrame({{
    "variant": variant, "dataset": "big",
            "case": np.char.mod("case-%d", number), "cluster": np.char.mod("group-%d", number // group),
    "error": None, "intent": right, "args": np.nan, "step": right, "strict": 1.0, "harm": np.nan,
    "tokens": prompt, "prompt_tokens": prompt, "answer_tokens": prompt / 10, "cost": prompt / 1e6,
}}).astype({{"variant": "category", "dataset": "category", "case": "category", "cluster": "category"}})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
start = time.perf_counter()
per_variant = aggregate.by_variant(aggregate.per_case(table))
cased = time.perf_counter()
first, *others = per_variant
pairs = {{(name, first): aggregate.pair(per_variant[name], per_variant[first]) for name in others}}
paired = time.perf_counter()
found = compare.compare(pairs, Comparing())
done = time.perf_counter()
assert len(found.contrasts) == variants - 1 and all(len(c.ratios) == 4 for c in found.contrasts)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(cased - start, paired - cased, done - paired, before, peak)
"""


def measure() -> Iterator[str]:
    script = MEASURE.format(cases=CASES, variants=VARIANTS, group=GROUP)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    cased, paired, compared, before, peak = map(float, done.stdout.split())
    total = cased + paired + compared
    yield f"{CASES:,} results × {VARIANTS} variants in {CASES // GROUP:,} groups, 2,000 bootstrap draws "
    yield f"of 4 ratios of {VARIANTS - 1} variants:"
    yield ""
    yield "| stage | seconds | share |"
    yield "| --- | ---: | ---: |"
    for name, seconds in (("average repeats to cases", cased), ("pair", paired), ("compare", compared), ("all", total)):
        yield f"| {name} | {seconds:.1f} | {seconds / total:.0%} |"
    yield ""
    yield f"Memory at most {peak:,.0f} MB, of which {before:,.0f} MB before the statistics begin (the table itself)."
