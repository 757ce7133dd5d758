"""The grid is asked, and what comes back is kept.

Owns the loop over trials, the run folder and recordings, what a run was made of, shards, and stopping early. Begin with
``runner``; ``store`` is the only place that writes a run folder.

May import: suite, score, stats, plan, models.
"""
