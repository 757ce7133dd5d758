"""A prompt becomes counts of tokens, by segment.

Owns vocabularies, chat templates, how providers show tools, and which part of a prompt each token belongs to. Begin with
``tokenizer``. What the counts of a whole plan add up to is in ``costs``.

May import: nothing of ours.
"""

__all__ = ["sections", "tokenizer", "tool_rules", "vocabulary"]
