"""The statistics of a large run: from the table of cases to verdicts, in time and memory, in a process of its own.

10 arms (one is the baseline) with 100,000 results each, in conversations of 4; 2,000 bootstrap draws for every ratio.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

CASES, ARMS, GROUP = 100_000, 10, 4

MEASURE = """
import resource, time
import numpy as np, pandas as pd
from phrasing.analysis import tables as aggregate, compare
from phrasing.suite.schema import Comparing

cases, arms, group = {cases}, {arms}, {group}
rng = np.random.default_rng(1)
hard = np.repeat(rng.normal(size=cases // group), group) + rng.normal(size=cases)
arm = np.repeat([f"F,none,format-{{i}},prompted,m" for i in range(arms)], cases)
right = (np.tile(hard, arms) + rng.normal(size=arms * cases) < 1).astype(float)
prompt = rng.lognormal(6, 0.2, size=arms * cases).round()
number = np.tile(np.arange(cases), arms)
table = pd.DataFrame({{
    "arm": arm, "dataset": "big", "case": np.char.mod("case-%d", number), "cluster": np.char.mod("group-%d", number // group),
    "error": None, "intent": right, "args": np.nan, "step": right, "strict": 1.0, "harm": np.nan,
    "tokens": prompt, "prompt_tokens": prompt, "answer_tokens": prompt / 10, "cost": prompt / 1e6,
}}).astype({{"arm": "category", "dataset": "category", "case": "category", "cluster": "category"}})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
start = time.perf_counter()
per_arm = aggregate.by_arm(aggregate.per_case(table))
cased = time.perf_counter()
first, *others = per_arm
pairs = {{(name, first): aggregate.pair(per_arm[name], per_arm[first]) for name in others}}
paired = time.perf_counter()
found = compare.compare(pairs, Comparing())
done = time.perf_counter()
assert len(found.contrasts) == arms - 1 and all(len(c.ratios) == 4 for c in found.contrasts)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(cased - start, paired - cased, done - paired, before, peak)
"""


def measure() -> Iterator[str]:
    script = MEASURE.format(cases=CASES, arms=ARMS, group=GROUP)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    cased, paired, compared, before, peak = map(float, done.stdout.split())
    total = cased + paired + compared
    yield f"{CASES:,} results × {ARMS} arms in {CASES // GROUP:,} groups, 2,000 bootstrap draws of 4 ratios of {ARMS - 1} arms:"
    yield ""
    yield "| stage | seconds | share |"
    yield "| --- | ---: | ---: |"
    for name, seconds in (("average repeats to cases", cased), ("pair", paired), ("compare", compared), ("all", total)):
        yield f"| {name} | {seconds:.1f} | {seconds / total:.0%} |"
    yield ""
    yield f"Memory at most {peak:,.0f} MB, of which {before:,.0f} MB before the statistics begin (the table itself)."
