"""The grid is asked, and what comes back is kept.

Owns the loop over trials, the run folder and recordings, which earlier answers count, what a run was made of, shards, and
stopping early. Begin with
``runner``; ``store`` is the only place that writes a run folder.

What is done for one trial is a ``procedure``: ``single_step`` asks for one, ``rollouts`` runs an agent to its end and gives a
result for each of its steps. The runner, which knows limits, recordings and the store, is the same for both.

May import: stats, suite, models, score, rollout, plan.
"""

__all__ = [
    "budget",
    "early_stop",
    "hosts",
    "jsonl",
    "lazy",
    "procedure",
    "provenance",
    "replay",
    "run_folders",
    "runner",
    "shards",
    "single_step",
    "steps",
    "store",
]
