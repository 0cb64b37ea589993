"""Which example goes to train, validation or test, and the check that every group is in train and test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from prunegap.data.split import (
    Chosen,
    content_hash_split,
    holdout_by_entity,
    random_split,
    stratified_holdout,
    utkface_paper_split,
)
from prunegap.errors import UserError, did_you_mean
from prunegap.sources.decode import Decoded
from prunegap.sources.entities import require_one_side
from prunegap.sources.rows import Rows

SplitRule = Literal["given", "content_hash", "utkface_paper", "random"]
Indices = npt.NDArray[np.int64]
_SHOWN = 5


@dataclass(frozen=True)
class SplitSettings:
    """How examples are divided; the fields are those of :func:`prunegap.sources.pack.pack`, ``by`` its split_by."""

    rule: SplitRule
    test_share: float
    validation_share: float
    seed: int
    salt: str
    by: str | None = None


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
        UserError: an unknown rule, ``given`` where the source defines no parts, or entities that a rule cannot keep
            on one side.
    """
    is_test = _is_test(rows, decoded, settings)
    rest = np.flatnonzero(~is_test)
    trained: list[int] = rest.tolist()
    trained_rows = [decoded.row_indices[example] for example in trained]
    if settings.by is None:
        # By content, so that neither other rows nor another place of the same image moves an example.
        keys = [decoded.digests[example] for example in trained]
        ties = [_attributes(rows, row) for row in trained_rows]
        held = stratified_holdout(groups[rest], keys, settings.validation_share, settings.seed, ties)
    else:
        entities = _entities(rows, trained_rows, settings.by)
        held = holdout_by_entity(groups[rest], entities, settings.validation_share, settings.seed)
    parts = {"train": rest[~held], "validation": rest[held], "test": np.flatnonzero(is_test)}
    return {name: indices for name, indices in parts.items() if name != "validation" or len(indices)}


def _entities(rows: Rows, row_indices: Sequence[int], column: str) -> list[str]:
    """Return what each row is of."""
    values = rows.columns[column]
    return [values[row] for row in row_indices]


def _is_test(rows: Rows, decoded: Decoded, settings: SplitSettings) -> Chosen:
    if settings.by is None:
        return _is_test_alone(rows, decoded, settings)
    entities = _entities(rows, decoded.row_indices, settings.by)
    if settings.rule == "content_hash":
        return content_hash_split(entities, settings.test_share, settings.salt)
    if settings.rule == "random":
        distinct = sorted(set(rows.columns[settings.by]) - {""})
        drawn = random_split(distinct, settings.test_share, settings.seed)
        chosen = {entity for entity, test in zip(distinct, drawn, strict=True) if test}
        return np.array([entity in chosen for entity in entities], dtype=np.bool_)
    if settings.rule == "utkface_paper":
        raise UserError("split 'utkface_paper' goes by file names; with split_by choose content_hash or random")
    is_test = _is_test_alone(rows, decoded, settings)
    require_one_side(settings.by, entities, is_test)
    return is_test


def _is_test_alone(rows: Rows, decoded: Decoded, settings: SplitSettings) -> Chosen:
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
