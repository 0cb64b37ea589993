"""Parameters that name something: checked when they are set."""

from collections.abc import Callable
from functools import partial

from pydantic import AfterValidator

from prunegap.errors import UserError
from prunegap.extensions import Group, entry_point


def known(group: Group) -> AfterValidator:
    """Return a check that a package, or we, add what a parameter names; nothing is imported."""
    return known_to(partial(entry_point, group))


def known_to(find: Callable[[str], object]) -> AfterValidator:
    """Return a check that ``find`` knows what a parameter names: it raises UserError where it does not."""

    def checked(name: str) -> str:
        try:
            find(name)
        except UserError as error:
            raise ValueError(str(error)) from None
        return name

    return AfterValidator(checked)
