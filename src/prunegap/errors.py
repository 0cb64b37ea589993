"""The one error a user can cause: what is wrong, which value, which rule, and what to do."""

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches


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
    """Return ``; did you mean 'x'?`` for the nearest valid name, else the list of valid names.

    Of names that are as near, the one of the same letters wins: ``caeg`` is ``ceag`` and not ``celg``.
    """
    names = sorted(valid)

    def nearness(name: str) -> tuple[float, float]:
        in_order = SequenceMatcher(None, name, word).ratio()
        return in_order, SequenceMatcher(None, sorted(name), sorted(word)).ratio()

    near = get_close_matches(word, names, n=max(1, len(names)), cutoff=0.6)
    return f"; did you mean '{max(near, key=nearness)}'?" if near else f"; valid: {', '.join(names)}"
