"""Boosted regression trees for a quantile: grown by LightGBM, kept and read as plain arrays.

An answer of the live service needs one row, for which a call of the library costs a hundred times the work. Arrays are
also data: nothing has to be unpickled.
"""

from __future__ import annotations

import zlib
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from aiops.errors import ConfigError, DataError, FitFailedError
from aiops.forecasting.boosted_features import Features
from aiops.series import FloatArray
from aiops.series.compiled import compiled

# Hardly anything here matters: 7 to 31 leaves, 120 to 250 rounds and any weights came out within a few percent.
_SETTINGS: Final[dict[str, Any]] = {
    "objective": "quantile",
    "num_leaves": 7,
    "learning_rate": 0.08,
    "min_data_in_leaf": 60,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "max_bin": 63,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
_ROUNDS: Final = 120

_Places = NDArray[np.int32]
# Of the fields of ``Trees``, as they are packed.
_KINDS: Final = ("<i4", "<i4", "<f8", "|b1", "<i4", "<i4", "<f8")


class Trees(NamedTuple):
    """A sum of binary trees, one after the other in flat arrays.

    Attributes:
        roots: First node of each tree, ``[trees]``; ``~i`` for a tree that is leaf i alone.
        feature: Which feature a node asks about, ``[nodes]``.
        threshold: A value up to this goes left, ``[nodes]``.
        missing_left: Whether an unknown value goes left, ``[nodes]``.
        left: Next node, or ``~i`` for leaf i, ``[nodes]``.
        right: The same.
        leaves: What each leaf adds, ``[leaves]``.
    """

    roots: _Places
    feature: _Places
    threshold: FloatArray
    missing_left: NDArray[np.bool_]
    left: _Places
    right: _Places
    leaves: FloatArray


class TreeStore(Protocol):
    """Keeps trees for the next process. It may forget any of them at any time, and never fails."""

    def get(self, name: str) -> Trees | None:
        """Return what was put under a name; None if it is not there any more."""
        ...

    def put(self, name: str, trees: Trees) -> None:
        """Keep trees under a name that says what they were grown from."""
        ...


def grow(rows: Features, target: FloatArray, level: float) -> Trees:
    """Fit trees to a quantile of ``target``: the same bits from the same rows, in one thread.

    Args:
        rows: Shape ``[n, features]``; NaN is unknown.
        target: Shape ``[n]``, finite.
        level: In (0, 1).

    Raises:
        FitFailedError: If LightGBM gives up.
        ConfigError: If it is not installed.
    """
    try:
        import lightgbm
    except (ImportError, OSError) as error:  # the library of OpenMP is the system's
        raise ConfigError(
            f"the forecaster boosted needs LightGBM ({error}): install aiops[train] or aiops[serve]"
        ) from error

    try:
        grown = lightgbm.train({**_SETTINGS, "alpha": level}, lightgbm.Dataset(rows, target), num_boost_round=_ROUNDS)
        return read_trees(grown.dump_model()["tree_info"])
    except lightgbm.basic.LightGBMError as error:
        raise FitFailedError(f"LightGBM could not fit the {level:g} quantile of {len(target)} rows: {error}") from error


def predict(trees: Trees, rows: Features) -> FloatArray:
    """Return the sum of the trees for each row, shape ``[n]``."""
    return np.asarray(compiled(_sum)(trees, rows), dtype=np.float64)


def pack(trees: Trees) -> bytes:
    """Return trees as bytes; ``unpack`` reads them back, bit by bit.

    Three counts (roots, nodes, leaves), then one array after the other, little-endian, compressed by zlib.
    """
    counts = np.array([len(trees.roots), len(trees.feature), len(trees.leaves)], dtype="<u4")
    arrays = (np.asarray(each, dtype=kind) for each, kind in zip(trees, _KINDS, strict=True))
    return zlib.compress(b"".join(each.tobytes() for each in (counts, *arrays)))


def unpack(content: bytes, features: int) -> Trees:
    """Read what ``pack`` wrote, for rows of so many features.

    Raises:
        DataError: If ``content`` is broken, or walking through it would not end at a leaf.
    """
    try:
        plain = zlib.decompress(content)
        roots, nodes, leaves = np.frombuffer(plain, dtype="<u4", count=3).tolist()
        arrays, at = [], 12
        for kind, count in zip(_KINDS, (roots, *[nodes] * 5, leaves), strict=True):
            arrays.append(np.frombuffer(plain, dtype=kind, count=count, offset=at).astype(kind.lstrip("<")))
            at += arrays[-1].nbytes
    except (ValueError, zlib.error) as error:
        raise DataError(f"no trees: {error}") from error
    trees = Trees(*arrays)
    if at != len(plain) or not is_sound(trees, features):
        raise DataError("no trees: a node leads nowhere")
    return trees


def is_sound(trees: Trees, features: int) -> bool:
    """Return whether every walk through the trees, for rows of so many features, ends at a finite leaf."""
    nodes, leaves = len(trees.feature), len(trees.leaves)
    own = np.arange(nodes)
    return (
        all(len(each) == nodes for each in (trees.threshold, trees.missing_left, trees.left, trees.right))
        and bool(((trees.feature >= 0) & (trees.feature < features)).all())
        and bool(((trees.roots >= -leaves) & (trees.roots < nodes)).all())
        # What follows a node comes after it, so a walk ends.
        and all(
            bool((((side > own) & (side < nodes)) | ((side < 0) & (side >= -leaves))).all())
            for side in (trees.left, trees.right)
        )
        and bool(np.isfinite(trees.leaves).all())
    )


def read_trees(dumped: list[dict[str, Any]]) -> Trees:
    """Return the trees of ``tree_info`` in what LightGBM dumps of a model."""
    roots: list[int] = []
    nodes: list[list[Any]] = []
    leaves: list[float] = []
    for tree in dumped:
        roots.append(_place(tree["tree_structure"], nodes, leaves))
    columns = list(zip(*nodes, strict=True)) or [()] * 5
    feature, threshold, missing_left, left, right = columns
    return Trees(
        roots=np.array(roots, dtype=np.int32),
        feature=np.array(feature, dtype=np.int32),
        threshold=np.array(threshold, dtype=np.float64),
        missing_left=np.array(missing_left, dtype=np.bool_),
        left=np.array(left, dtype=np.int32),
        right=np.array(right, dtype=np.int32),
        leaves=np.array(leaves, dtype=np.float64),
    )


def _place(node: dict[str, Any], nodes: list[list[Any]], leaves: list[float]) -> int:
    """Append a node and all below it; return its place."""
    if "leaf_value" in node:
        leaves.append(node["leaf_value"])
        return ~(len(leaves) - 1)
    place = len(nodes)
    # Without unknown values in training LightGBM reads one as 0.
    missing_left = node["default_left"] if node["missing_type"] == "NaN" else node["threshold"] >= 0.0
    nodes.append([node["split_feature"], node["threshold"], missing_left, 0, 0])
    nodes[place][3] = _place(node["left_child"], nodes, leaves)
    nodes[place][4] = _place(node["right_child"], nodes, leaves)
    return place


def _sum(trees: Trees, rows: Features) -> FloatArray:
    """Compiled."""
    found = np.zeros(len(rows))
    for i in range(len(rows)):
        for root in trees.roots:
            at = root
            while at >= 0:
                value = rows[i, trees.feature[at]]
                left = trees.missing_left[at] if np.isnan(value) else value <= trees.threshold[at]
                at = trees.left[at] if left else trees.right[at]
            found[i] += trees.leaves[~at]
    return found
