"""BAML's own ``test`` blocks as cases.

``blocks`` reads them, ``assertions`` makes labels of their conditions, ``thread_text`` events of their threads; ``tests`` is the
importer. Begin there.
"""

__all__ = ["tests"]
