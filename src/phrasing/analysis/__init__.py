"""Results to tables and answers: variants held against baselines, what may be said of them, and requirements.

Owns comparisons and their verdicts, gates and their results, the figures and data that reports are made of, ``Run``, which reads
a run folder, and its tables as DataFrames: pandas is imported here alone. No text, chart or page is made here. Begin with
``run``; a new column of the tables that users see belongs into ``dataframes``.

May import: stats, suite, score, project, runs.
"""

__all__ = [
    "compare",
    "conversations",
    "dataframes",
    "figures",
    "gates",
    "latency",
    "locate",
    "report_data",
    "run",
    "same_answers",
    "steps_and_runs",
    "tables",
    "trial_columns",
    "usage",
    "verdict",
]
