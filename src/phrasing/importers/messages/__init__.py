"""Messages as model APIs and frameworks write them: read the same wherever a log holds them.

Owns what several log formats share. A module an API: ``openai_chat``, ``openai_responses``, ``anthropic_messages``, and
``langchain``, which writes its messages as those of OpenAI's chat API. ``requests`` finds request, response, tools and name in a
record; ``sent`` gives a request as it was sent; ``model_calls``
reads one call of a model whose API isn't known. None of these is an importer: those are in
``log_formats``. Begin with ``openai_chat``.
"""

__all__ = [
    *("anthropic_messages", "langchain", "message_parts", "model_calls", "openai_chat", "openai_responses"),
    *("preference_pairs", "requests", "sent"),
]
