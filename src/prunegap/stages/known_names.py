"""Parameters that name an extension: checked when they are set, with nothing imported."""

from pydantic import AfterValidator

from prunegap.errors import UserError
from prunegap.extensions import Group, entry_point


def known(group: Group) -> AfterValidator:
    """Return a check that a package, or we, add what a parameter names."""

    def checked(name: str) -> str:
        try:
            entry_point(group, name)
        except UserError as error:
            raise ValueError(str(error)) from None
        return name

    return AfterValidator(checked)
