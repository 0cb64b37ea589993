"""Parameters of a stage: from one field follow its flag, its form text, its documentation and its checks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from prunegap.stages.numbers import StrictNumbers

NO_EFFECT: dict[str, Any] = {"affects_result": False}


class StageParams(StrictNumbers):
    """Parameters of a stage. A field's bounds, default and description are its flag, form text and documentation.

    A field marked with :data:`NO_EFFECT` changes how a result is computed (where, how often saved), not which;
    it does not count when an artifact is compared with what is asked for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=False)

    def effective(self) -> dict[str, Any]:
        """Return the parameters that decide the result, as plain JSON values."""
        return {
            name: value
            for name, value in self.model_dump(mode="json").items()
            if type(self).model_fields[name].json_schema_extra != NO_EFFECT
        }

    def outside(self) -> Mapping[str, str]:
        """Return a digest of everything that the stage reads besides its inputs, by what a person calls it."""
        return {}

    def admit(self, outputs: Mapping[str, Path]) -> None:
        """Stop a run whose outputs, made now or before and lying at these paths, say that it may not go on.

        Raises:
            UserError: why.
        """

    def code(self) -> Mapping[str, str]:
        """Return a digest of the code that parameters name (a method, a model of one's own), by what it is."""
        return {}
