"""An answer becomes a step, and a step becomes scores.

Owns parsing with the answer's form, the built-in and users' scorers, labels held against the steps that there are, agreement of
two readers, the no-model baselines, and how sure a model was. Begin with ``parse`` for answers, ``builtin`` for scores and
``matchers`` for what labels accept; what scores are called stands in ``phrasing.scores``.

May import: stats, suite, baml, prompts.
"""

__all__ = ["agreement", "bag_of_words", "builtin", "labels", "log_odds", "matchers", "no_model", "parse", "user", "weak_labels"]
