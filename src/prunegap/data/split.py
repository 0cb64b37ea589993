"""Dividing examples into parts: which go to test, which are held out of train.

Where chance decides, it is by a rank that the seed and the example alone give. Another example more or less, or
another order, moves no other: save the one of each group that a rounded share may gain or lose.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Chosen = npt.NDArray[np.bool_]


def stratified_holdout(
    groups: Sequence[int] | npt.NDArray[np.int64],
    keys: Sequence[bytes | str],
    share: float,
    seed: int,
    ties: Sequence[str] | None = None,
) -> Chosen:
    """Choose a share of every group.

    Each group gives ``share`` of its examples, rounded: at least one where it has two or more, and never its
    last one.

    Args:
        groups: group of each example.
        keys: what each example is, for instance the digest of its content; decides its rank.
        share: share to hold out, 0 <= share < 1; 0 holds out none.
        seed: another one ranks otherwise.
        ties: what tells examples with one key apart, for instance their labels; None: nothing.

    Returns:
        True for the examples held out.
    """
    group_of = np.asarray(groups, dtype=np.int64)
    held = np.zeros(len(group_of), dtype=np.bool_)
    if share <= 0:
        return held
    ranked = _ranked(keys, seed, ties)
    for group in np.unique(group_of):
        members = ranked[group_of[ranked] == group]
        count = min(max(1, round(share * len(members))), len(members) - 1)
        held[members[:count]] = True
    return held


def holdout_by_entity(
    groups: Sequence[int] | npt.NDArray[np.int64], entities: Sequence[str], share: float, seed: int
) -> Chosen:
    """Choose a share of every group's entities (patients, lesions, people), each with all of its examples.

    An entity with examples in several groups counts for the smallest of them.

    Args:
        groups: group of each example.
        entities: what each example is of; decides its rank.
        share: as in :func:`stratified_holdout`, of the entities.
        seed: another one ranks otherwise.

    Returns:
        True for the examples held out.
    """
    group_of = np.asarray(groups, dtype=np.int64)
    smallest_first = np.argsort(np.bincount(group_of), kind="stable")
    place = np.argsort(smallest_first)
    distinct, entity_of = np.unique(np.asarray(entities, dtype=np.str_), return_inverse=True)
    stratum = np.full(len(distinct), len(place), dtype=np.int64)
    np.minimum.at(stratum, entity_of, place[group_of])
    return stratified_holdout(stratum, distinct.tolist(), share, seed)[entity_of]


def content_hash_split(digests: Sequence[bytes | str], share: float, salt: str) -> Chosen:
    """Choose about ``share`` of the examples by the hash of what they are.

    Equal digests fall on one side, whatever their order and whatever else is in the set; another ``salt``
    gives another split.

    Returns:
        True for the examples of the chosen (test) part.
    """
    ranks = [int.from_bytes(_hash(salt, digest)[:8], "big") for digest in digests]
    return np.array([rank < share * 2**64 for rank in ranks], dtype=np.bool_)


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


def random_split(keys: Sequence[bytes | str], share: float, seed: int, ties: Sequence[str] | None = None) -> Chosen:
    """Choose ``round(share * n)`` of n examples by a rank that their keys and the seed give.

    Args:
        keys: what each example is, for instance its name.
        share: share to choose, 0 <= share <= 1.
        seed: another one ranks otherwise.
        ties: as in :func:`stratified_holdout`.

    Returns:
        True for the examples chosen.
    """
    chosen = np.zeros(len(keys), dtype=np.bool_)
    chosen[_ranked(keys, seed, ties)[: round(share * len(keys))]] = True
    return chosen


def _ranked(keys: Sequence[bytes | str], seed: int, ties: Sequence[str] | None) -> npt.NDArray[np.int64]:
    """Return the indices of the examples in the order in which they are chosen."""
    ranks = [_hash(str(seed), key) for key in keys]
    # Examples that nothing tells apart may take each other's place.
    order = sorted(range(len(keys)), key=lambda row: (ranks[row], ties[row] if ties else ""))
    return np.array(order, dtype=np.int64)


def _hash(salt: str, key: bytes | str) -> bytes:
    return hashlib.sha256(salt.encode() + b"\0" + (key.encode() if isinstance(key, str) else key)).digest()
