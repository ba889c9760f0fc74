"""Items made in a thread of their own before they are asked for: reading, working and writing
overlap, as numpy and Arrow let others run meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterable[Item], count: int) -> Iterator[Item]:
    """The same items, up to ``count`` of them made ahead; what making them raises comes in its
    place."""
    made = iter(items)

    def make() -> list[Item]:
        return list(islice(made, 1))

    with ThreadPoolExecutor(1) as thread:
        waiting: deque[Future[list[Item]]] = deque(thread.submit(make) for _ in range(count))
        while found := waiting.popleft().result():
            waiting.append(thread.submit(make))
            yield found[0]
