"""BAML's own ``test`` blocks as cases.

``blocks`` reads them, ``assertions`` makes labels of their conditions, and ``thread_text`` events of the text of their thread;
``tests`` is the importer. Begin there.
"""

__all__ = ["tests"]
