"""What a result was made from: equal identities, equal results; and in words what differs between two of them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from prunegap.digests import UNKNOWN


@dataclass(frozen=True)
class Identity:
    """Everything that decides a result.

    Attributes:
        parameters: those that can change it, as plain JSON values.
        inputs: digest of each input artifact, by name.
        outside: digest of what was read from outside, by what a person calls it (``images.csv``).
        code: digest or version of the code that made it, by what a person calls it (``prunegap's code``, ``torch``).
    """

    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    outside: Mapping[str, str] = field(default_factory=dict[str, str])
    code: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def digest(self) -> str:
        """sha256 over all of it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def behind(self) -> dict[str, str]:
        """Digest of every input, and one of all code, by name."""
        code = hashlib.sha256(json.dumps(dict(self.code), sort_keys=True).encode()).hexdigest()
        return {**self.inputs, "code": code}

    @property
    def not_looked_at(self) -> Sequence[str]:
        """Names of what lies outside and cannot be looked at now."""
        return [name for name, digest in self.outside.items() if digest == UNKNOWN]

    def changes_since(
        self, made: "Identity", *, keep_code: bool = False, usual: Mapping[str, Any] | None = None
    ) -> list[str]:
        """Return the names of what differs from what an older result was made from; none if that still holds.

        Args:
            made: the identity of the older result.
            keep_code: take what other code made. It may not have known a parameter that we have: then it did as that
                parameter's default says.
            usual: defaults of the parameters.
        """
        parameters = {**(usual or {}), **made.parameters} if keep_code else made.parameters
        sections: list[tuple[Mapping[str, Any], Mapping[str, Any], str]] = [
            (made.outside, self.outside, "{}"),
            (made.inputs, self.inputs, "{}"),
            (parameters, self.parameters, "parameter {}"),
        ]
        if not keep_code:
            sections.append((made.code, self.code, "{}"))
        return [
            text.format(name)
            for before, now, text in sections
            for name in dict.fromkeys([*before, *now])
            if before.get(name) != now.get(name) and UNKNOWN not in (before.get(name), now.get(name))
        ]
