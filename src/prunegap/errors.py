"""The one error a user can cause: what is wrong, which value, which rule, and what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Something the user can put right. Its message is one line and is printed without a traceback."""


class NotAdmittedError(UserError):
    """A gate stays shut: the verdict was reached, and it is not that the models may be used.

    Attributes:
        verdict: over all of them.
    """

    def __init__(self, message: str, verdict: str) -> None:
        super().__init__(message)
        self.verdict = verdict


def did_you_mean(word: str, valid: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the nearest valid name, else the list of valid names."""
    names = sorted(valid)
    near = get_close_matches(word, names, n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else f"; valid: {', '.join(names)}"
