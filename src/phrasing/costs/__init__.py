"""What prompts cost before a model is asked.

Owns the tables behind ``phrasing tokens``: tokens by segment, event, case, length, turn and model, prices with and without a
prompt cache, changes against an earlier state, and counting whole files of threads. Begin with ``estimate`` for a plan,
``archive`` for a file. Counting itself is in ``tokenizers``.

May import: suite, prompts, tokenizers, models, stats, importers, plan, runs, analysis.
"""
