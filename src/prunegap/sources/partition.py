"""Which example goes to train, validation or test, and the check that every group is in train and test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from prunegap.data.split import (
    Chosen,
    content_hash_split,
    random_split,
    stratified_holdout,
    utkface_paper_split,
)
from prunegap.errors import UserError, did_you_mean
from prunegap.sources.decode import Decoded
from prunegap.sources.rows import Rows

SplitRule = Literal["given", "content_hash", "utkface_paper", "random"]
Indices = npt.NDArray[np.int64]
_SHOWN = 5


@dataclass(frozen=True)
class SplitSettings:
    """How examples are divided; the fields are those of :func:`prunegap.sources.pack.pack`."""

    rule: SplitRule
    test_share: float
    validation_share: float
    seed: int
    salt: str


def partition(rows: Rows, decoded: Decoded, groups: Indices, settings: SplitSettings) -> dict[str, Indices]:
    """Divide the decoded examples.

    Args:
        rows: the source.
        decoded: its decoded examples.
        groups: group of each decoded example.
        settings: how.

    Returns:
        Ascending indices of decoded examples by split: ``train``, ``validation`` (if any), ``test``.

    Raises:
        UserError: an unknown rule, or ``given`` where the source defines no parts.
    """
    is_test = _is_test(rows, decoded, settings)
    rest = np.flatnonzero(~is_test)
    # By content, so that neither other rows nor another place of the same image moves an example.
    trained: list[int] = rest.tolist()
    keys = [decoded.digests[example] for example in trained]
    ties = [_attributes(rows, decoded.row_indices[example]) for example in trained]
    held = stratified_holdout(groups[rest], keys, settings.validation_share, settings.seed, ties)
    parts = {"train": rest[~held], "validation": rest[held], "test": np.flatnonzero(is_test)}
    return {name: indices for name, indices in parts.items() if name != "validation" or len(indices)}


def _is_test(rows: Rows, decoded: Decoded, settings: SplitSettings) -> Chosen:
    if settings.rule == "content_hash":
        return content_hash_split(decoded.digests, settings.test_share, settings.salt)
    # Over all rows of the source, so that one unreadable image or a dropped group moves no other row.
    kept = np.array(decoded.row_indices, dtype=np.int64)
    if settings.rule == "utkface_paper":
        return utkface_paper_split(rows.names, settings.test_share)[kept]
    if settings.rule == "random":
        ties = [_attributes(rows, row) for row in range(len(rows))]
        return random_split(rows.keys or rows.names, settings.test_share, settings.seed, ties)[kept]
    if settings.rule != "given":
        raise UserError(f"unknown split '{settings.rule}'{did_you_mean(settings.rule, get_args(SplitRule))}")
    if rows.part is None:
        raise UserError("split 'given': this source defines no train and test; use content_hash or random")
    return np.array([part == "test" for part in rows.part], dtype=np.bool_)[kept]


def _attributes(rows: Rows, row: int) -> str:
    return "\0".join(values[row] for values in rows.columns.values())


def require_every_group(parts: Mapping[str, Indices], groups: Indices, names: Sequence[str]) -> None:
    """Check that every group has examples in train and in test.

    Raises:
        UserError: names the groups, their counts and what to do.
    """
    train, test = (np.bincount(groups[parts[split]], minlength=len(names)) for split in ("train", "test"))
    lacking = [
        f"'{name}' (train {train[group]}, test {test[group]})"
        for group, name in enumerate(names)
        if not train[group] or not test[group]
    ]
    if not names:
        raise UserError("no examples are left; check drop_groups and the bad rows")
    if lacking:
        more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
        raise UserError(
            "every group needs examples in train and test, these lack them: "
            f"{', '.join(lacking[:_SHOWN])}{more}; "
            "leave them out with drop_groups, or choose another group_by or split"
        )
