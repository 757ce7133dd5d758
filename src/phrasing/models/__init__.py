"""One request in, one completion or one ``CompletionError`` out.

Owns how a model is asked: who asks it (``provider``, the place to begin), keys, prices, limits and retries, and what an answer or
an error means. ``litellm`` and ``local`` are providers, and ``client`` asks whichever a model has.

May import: suite, tokenizers.
"""

__all__ = ["client", "local", "prices", "provider"]
