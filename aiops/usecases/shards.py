"""Many items dealt out in shards to who does the work; what goes wrong with one item costs that item only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from aiops.ports import Mapper

Item = TypeVar("Item")
Result = TypeVar("Result")
Answer = tuple[int, "list[Any] | Exception"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shard(Generic[Item, Result]):
    """What a worker gets at once.

    Attributes:
        items: What is worked on.
        work: Gives the results of some items, in their order; a function of a module, or a ``partial`` of one.
        failed: Gives the result of an item that cannot be worked on, from the reason; the same.
    """

    items: tuple[Item, ...]
    work: Callable[[Sequence[Item]], list[Result]]
    failed: Callable[[Item, str], Result]


def share_out(shards: Iterable[Shard[Item, Result]], mapper: Mapper) -> Iterator[list[Result]]:
    """Yield the results of each shard, in the order of the shards, as soon as those before are there.

    Where work raises, or its worker dies, each item is worked on alone; if that does not help, the result says why.
    Items of a shard whose worker died come last, one by one.
    """
    handed_out: dict[int, Shard[Item, Result]] = {}
    died: list[Shard[Item, Result]] = []
    for index, found in _in_order(mapper.map(_worked, _noted(shards, handed_out))):
        shard = handed_out.pop(index)
        if isinstance(found, Exception):
            died += [replace(shard, items=(item,)) for item in shard.items]
        else:
            yield found
    for index, found in _in_order(mapper.map(_worked, died)):
        shard = died[index]
        yield [shard.failed(shard.items[0], str(found))] if isinstance(found, Exception) else found


def _worked(shard: Shard[Item, Result]) -> list[Result]:
    """Work on a shard, in a worker."""
    try:
        return shard.work(shard.items)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong with one item, the others are to be done
        if len(shard.items) == 1:
            return [shard.failed(shard.items[0], f"{type(error).__name__}: {error}")]
        return [result for item in shard.items for result in _worked(replace(shard, items=(item,)))]


def _noted(
    shards: Iterable[Shard[Item, Result]], handed_out: dict[int, Shard[Item, Result]]
) -> Iterator[Shard[Item, Result]]:
    for index, shard in enumerate(shards):
        handed_out[index] = shard
        yield shard


def _in_order(results: Iterable[Answer]) -> Iterator[Answer]:
    early: dict[int, list[Any] | Exception] = {}
    following = 0
    for index, result in results:
        early[index] = result
        while following in early:
            yield following, early.pop(following)
            following += 1
