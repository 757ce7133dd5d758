"""The grid is asked, and what comes back is kept.

Owns the loop over trials, the run folder and recordings, which earlier answers count, what a run was made of, shards, and
stopping early. Begin with
``runner``; ``store`` is the only place that writes a run folder.

The runner is handed a ``Procedure``: what is done for one trial. Today that is a single step. An agent that runs in a loop (a
package ``rollout``, below plan and runs) is another one: it gives as many results a trial as it takes steps, and the runner,
which knows limits, recordings and the store, stays as it is.

May import: stats, suite, models, score, plan.
"""

__all__ = ["budget", "early_stop", "hosts", "jsonl", "lazy", "provenance", "replay", "run_folders", "runner", "shards", "store"]
