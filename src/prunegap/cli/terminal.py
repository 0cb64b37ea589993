"""What a person sees while a run goes on: steps, the time left (a bar, lines where no terminal shows one), tables."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from prunegap.progress import NO_EPOCHS

T = TypeVar("T")
PATIENCE = 1.0  # seconds until a bar
FIRST_LINE, BETWEEN_LINES = 10.0, 30.0  # seconds until the first line, and from one to the next


class Terminal:
    """Writes to standard error what a run is doing."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def narrate(self, step: str, outcome: str, seconds: float | None = None) -> None:
        """Say what became of a step; on a terminal its beginning is left to the progress bar."""
        if outcome == "running":
            return
        sign = "[green]✓[/]" if outcome.startswith("done") else "[dim]·[/]"
        took = "" if seconds is None else f" [dim]{seconds:.1f} s[/]"
        said = "" if outcome == "done" else f" [dim]{outcome}[/]"
        self.console.print(f"{sign} {step}{said}{took}", highlight=False, soft_wrap=True)

    def progress(self, work: Iterable[T], total: int, label: str, epochs: range = NO_EPOCHS) -> Iterable[T]:
        """Yield the items of ``work`` behind a bar that appears once the work takes more than a second.

        Where no terminal shows it, as in the log of a container, it says a line every half minute.
        """
        if self.console.is_terminal:
            return self._barred(work, total, label)
        return self._told(work, total, label, epochs)

    def _told(self, work: Iterable[T], total: int, label: str, epochs: range) -> Iterator[T]:
        began = time.monotonic()
        due = began + FIRST_LINE
        for done, item in enumerate(work, 1):
            yield item
            now = time.monotonic()
            if now >= due and done < total:
                due = now + BETWEEN_LINES
                left = in_words((now - began) / done * (total - done))
                line = f"{label}: {_place(done, total, epochs)}, about {left} left"
                self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _barred(self, work: Iterable[T], total: int, label: str) -> Iterator[T]:
        began = time.monotonic()
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        bar = Progress(*columns, console=self.console, transient=True)
        task = bar.add_task(label, total=total)
        try:
            for item in work:
                yield item
                bar.advance(task)
                if not bar.live.is_started and time.monotonic() - began > PATIENCE:
                    bar.start()
        finally:
            bar.stop()


def _place(done: int, total: int, epochs: range) -> str:
    return f"epoch {epochs[done * len(epochs) // total] + 1} of {epochs.stop}" if epochs else f"{done} of {total}"


def in_words(seconds: float) -> str:
    """Return a time as a person says it, in two units at most: ``40 s``, ``3 min``, ``2 h 5 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
