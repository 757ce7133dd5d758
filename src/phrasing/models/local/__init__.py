"""The embedded models: their weights from Python packages, and llama.cpp's server in a process of its own.

Begin with ``provider``.
"""

__all__ = ["catalogue", "weights"]
