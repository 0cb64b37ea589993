"""Parts by entity: all examples of one patient, lesion or person on one side, each counted once where it is judged.

Images of one lesion resemble each other: in train and in test they flatter a model, and twice in test they make its
limits too narrow, for those take examples as independent.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from prunegap.data.split import Chosen
from prunegap.errors import UserError

Indices = npt.NDArray[np.int64]
JUDGED = ("validation", "test")


def require_one_side(column: str, entities: Sequence[str], is_test: Chosen) -> None:
    """Check that the source's own parts share no entity.

    Raises:
        UserError: they do; says how many and names one.
    """
    in_test = {entity for entity, test in zip(entities, is_test, strict=True) if test}
    both = sorted(in_test & {entity for entity, test in zip(entities, is_test, strict=True) if not test})
    if both:
        raise UserError(
            f"{len(both)} of {len(set(entities))} values of '{column}' are in train and in test of the given split, "
            f"'{both[0]}' for one; choose split: content_hash, or leave split_by out"
        )


def further_examples(
    parts: Mapping[str, Indices], groups: Indices, entities: Sequence[str], names: Sequence[str]
) -> Indices:
    """Return the judged examples that are not the first of their entity in their group, by name."""
    further: list[int] = []
    for part in JUDGED:
        met: set[tuple[str, int]] = set()
        for example in sorted(map(int, parts.get(part, ())), key=names.__getitem__):
            key = entities[example], int(groups[example])
            if key in met:
                further.append(example)
            met.add(key)
    return np.array(further, dtype=np.int64)
