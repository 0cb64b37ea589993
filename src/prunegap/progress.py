"""Progress of long work: whoever shows it (a terminal) sets how; whoever works only says what it goes through."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

T = TypeVar("T")
NO_EPOCHS = range(0)


class Progress(Protocol):
    """Shows how far an iteration has come."""

    def __call__(self, work: Iterable[T], total: int, label: str, epochs: range = NO_EPOCHS) -> Iterable[T]:
        """Yield the items of ``work`` and show progress towards ``total``; ``epochs``: it goes evenly through these."""
        ...


def silent(work: Iterable[T], total: int, label: str, epochs: range = NO_EPOCHS) -> Iterable[T]:  # noqa: ARG001 - the protocol's
    """Show nothing."""
    return work


_shown: ContextVar[Progress] = ContextVar("progress", default=silent)


def track(work: Iterable[T], total: int, label: str, epochs: range = NO_EPOCHS) -> Iterable[T]:
    """Iterate over ``work``, showing progress the way the caller of the program wants it shown."""
    return _shown.get()(work, total, label, epochs)


@contextmanager
def shown_by(progress: Progress) -> Generator[None]:
    """Show all progress inside the block with ``progress``."""
    token = _shown.set(progress)
    try:
        yield
    finally:
        _shown.reset(token)
