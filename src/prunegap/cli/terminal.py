"""What a person sees while a run goes on: steps, progress bars with the time left, tables. Quiet when piped."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")
PATIENCE = 1.0


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

    def progress(self, work: Iterable[T], total: int, label: str) -> Iterable[T]:
        """Yield the items of ``work`` behind a bar that appears once the work takes more than a second."""
        return self._barred(work, total, label) if self.console.is_terminal else work

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
