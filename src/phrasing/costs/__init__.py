"""What prompts cost before a model is asked.

Owns the token report behind ``phrasing tokens``. ``estimate`` counts the prompts of a plan and prices a run, ``trace_files``
counts whole files of threads without a suite; both add up in ``token_totals``, and ``tables`` shows it by segment, event, case
and length. ``event_tokens`` says which part of a prompt belongs to which event. ``prompt_cache`` says what a provider's cache can
keep, ``decision_cost`` what a decision costs with it and without. Counting a text is in ``tokenizers``. Begin with ``estimate``
for a plan, with ``trace_files`` for a file.

May import: stats, suite, prompts, tokenizers, models, importers, project, plan, analysis.
"""

__all__ = ["changes", "decision_cost", "estimate", "prompt_cache", "tables", "token_totals", "trace_files"]
