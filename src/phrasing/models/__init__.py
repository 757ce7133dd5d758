"""One request in, one completion or one ``CompletionError`` out.

Owns how a model is asked: keys, prices, retries, limits, and what a provider's answer or error means; ``local`` is the embedded
model. Begin with ``client``.

May import: suite, baml, tokenizers.
"""
