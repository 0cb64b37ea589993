"""Dividing examples into parts: which go to test, which are held out of train."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Chosen = npt.NDArray[np.bool_]


def stratified_holdout(groups: Sequence[int] | npt.NDArray[np.int64], share: float, seed: int) -> Chosen:
    """Choose a share of every group.

    Each group gives ``share`` of its examples, rounded: at least one where it has two or more, and never its
    last one.

    Args:
        groups: group of each example.
        share: share to hold out, 0 <= share < 1; 0 holds out none.
        seed: of the choice.

    Returns:
        True for the examples held out.
    """
    group_of = np.asarray(groups, dtype=np.int64)
    held = np.zeros(len(group_of), dtype=np.bool_)
    if share <= 0:
        return held
    shuffled = np.random.default_rng(seed).permutation(len(group_of))
    for group in np.unique(group_of):
        members = shuffled[group_of[shuffled] == group]
        count = min(max(1, round(share * len(members))), len(members) - 1)
        held[members[:count]] = True
    return held


def content_hash_split(digests: Sequence[bytes | str], share: float, salt: str) -> Chosen:
    """Choose about ``share`` of the examples by the hash of what they are.

    Equal digests fall on one side, whatever their order and whatever else is in the set; another ``salt``
    gives another split.

    Returns:
        True for the examples of the chosen (test) part.
    """
    salted = [
        hashlib.sha256(salt.encode() + b"\0" + (digest.encode() if isinstance(digest, str) else digest)).digest()
        for digest in digests
    ]
    return np.array([int.from_bytes(digest[:8], "big") < share * 2**64 for digest in salted], dtype=np.bool_)


def utkface_paper_split(names: Sequence[str], share: float = 0.2, seed: int = 1357) -> Chosen:
    """Choose the test part as "Balancing Act" does on UTKFace (arXiv 2310.20673, its released code).

    The names are sorted and permuted by ``RandomState(seed)``; the first ``share`` of them is test.

    Returns:
        True for the test examples, in the order of ``names`` as given.
    """
    by_name = np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)
    order = np.random.RandomState(seed).permutation(len(names))
    chosen = np.zeros(len(names), dtype=np.bool_)
    chosen[by_name[order[: int(share * len(names))]]] = True
    return chosen


def random_split(count: int, share: float, seed: int) -> Chosen:
    """Choose ``round(share * count)`` examples at random; True for those."""
    chosen = np.zeros(count, dtype=np.bool_)
    chosen[np.random.default_rng(seed).permutation(count)[: round(share * count)]] = True
    return chosen
