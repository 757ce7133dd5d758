"""What a provider says while something takes long: a line for whoever waits, such as "loading the model".

A provider calls ``tell`` from ``open``, or from what ``open`` gave. Who listens is named by ``told_to`` around both, for this
task and all that it starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str], object]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def tell(line: str) -> None:
    """Say what is being done, in a few words without a full stop. Where nobody listens, nothing happens."""
    if listener := _listener.get():
        listener(line)


@contextmanager
def told_to(listener: Listener) -> Iterator[None]:
    """Let ``listener`` be told. It may be called from another thread."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
