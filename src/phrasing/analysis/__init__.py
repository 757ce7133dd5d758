"""Results to tables and answers: variants held against baselines, what may be said of them, and requirements.

Owns the one import of pandas, comparisons and their verdicts, requirements, and ``Run``, which reads a run folder. No text,
chart or page is made here. Begin with ``run``.

May import: suite, score, stats, plan, runs.
"""
