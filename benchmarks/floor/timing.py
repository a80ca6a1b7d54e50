"""CPU time of tasks that take turns, so that whatever else the machine does meets all of them."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from typing import TypeVar

from threadpoolctl import threadpool_limits

Key = TypeVar("Key")


@dataclass(frozen=True)
class Task:
    """`run(times)` does it so often in a row, as makes its time well above the clock's grain."""

    run: Callable[[int], object]
    times: int = 1
    within: Callable[[], AbstractContextManager[None]] = nullcontext
    """Around the run; what it takes itself does not count."""

    def seconds(self) -> float:
        """CPU seconds of this process for doing it once, the mean of `times`."""
        with self.within():
            began = time.process_time()
            self.run(self.times)
            return (time.process_time() - began) / self.times


@contextmanager
def one_thread() -> Iterator[None]:
    """All that multiplies matrices in this process on one thread."""
    import_module("torch")
    # Where Numba takes its products from: not loaded by now, it would escape the limit.
    import_module("scipy.linalg.cython_blas")
    with threadpool_limits(1):
        yield


def repeated(act: Callable[[], object]) -> Callable[[int], None]:
    """What a task runs, from what is to be done once."""

    def run(times: int) -> None:
        for _ in range(times):
            act()

    return run


def best(tasks: Mapping[Key, Task], rounds: int) -> dict[Key, float]:
    """The least seconds of each task over `rounds` rounds, after one that warms up (caches, compilers)."""
    measured = [{key: task.seconds() for key, task in tasks.items()} for _ in range(1 + rounds)][1:]
    return {key: min(seconds[key] for seconds in measured) for key in tasks}
