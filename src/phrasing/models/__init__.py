"""One request in, one completion or one ``CompletionError`` out.

Owns how a model is asked: who asks it, with which key, at what price, how often and how fast, and what an answer or an error
means. ``hosted`` and ``local`` are providers; ``client`` asks whichever a model has. A hosted model is asked by one of two lanes,
``direct`` (over ``wire``) or ``litellm``. Begin with ``provider``.

May import: suite, tokenizers.
"""

__all__ = ["client", "keys", "local", "prices", "provider"]
