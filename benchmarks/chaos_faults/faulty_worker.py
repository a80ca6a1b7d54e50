"""The real worker, in a process that kills itself when one function of it is called for the n-th time.

Nothing of this is in the product: the function is replaced in this process alone. Workers are forked from a
server that has imported everything, since hundreds of them are started.
"""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial, wraps
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, Literal

from optuna.trial import TrialState

from search import process_identity as worker
from search.cli.main import main
from search.study import liveness
from search.workers import loop, objective


@dataclass(frozen=True)
class Moment:
    """Right before or after the `nth` call of `target`, `module:name` or `module:class.name`.

    With `state`, only calls count that have it among their arguments, or in a message among them.
    """

    name: str
    target: str
    when: Literal["before", "after"] = "before"
    nth: int = 1
    state: str | None = None

    def concerns(self, arguments: tuple[Any, ...]) -> bool:
        """Whether a call counts."""
        if self.state is None:
            return True
        told = [getattr(argument, "state", argument) for argument in arguments]
        return any(isinstance(one, TrialState) and one.name == self.state for one in told)


@dataclass(frozen=True)
class Order:
    """What a worker is started with."""

    command: tuple[str, ...]
    url: str
    log: Path
    dies: Moment | None = None
    asked: Moment | None = None
    """When it sends itself a SIGTERM."""
    machine: str | None = None
    """What it takes its machine for; None: this one. Others know of it by its heartbeat alone."""
    locked_s: float | None = None
    """SQLite's busy timeout; None: the product's."""
    other_clock: bool = False
    """Whether libfaketime gives it one that jumps."""


WARM = ("search.workers.progress", "search.workers.join", "trainer.training.loop", "trainer.kernels.fused")
"""What a worker imports later, for seconds."""
_FLUSH_S = 0.05
_RECOVER_S = 1.0
_INTERVAL_S, _MISSES = 0.1, 10
"""A second without a beat, where the product waits for a minute."""


def obey(order: Order) -> None:
    """Be a `ballast` process, with the product's waiting times cut down to those of small trials."""
    said = os.open(order.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.environ["BALLAST_STORE"] = order.url
    if order.locked_s is not None:
        os.environ["BALLAST_SQLITE_TIMEOUT"] = str(order.locked_s)
    if order.other_clock:
        # libfaketime 0.9.10 takes its offset off the monotonic deadline of clock_nanosleep, which then fails.
        vars(time).update(sleep=partial(select.select, [], [], []))
    objective._FLUSH_S = _FLUSH_S
    loop._RECOVER_S = _RECOVER_S
    if order.machine is not None:
        hasty = partial(liveness.Heartbeat, interval=_INTERVAL_S, misses=_MISSES)
        vars(loop).update(Heartbeat=hasty)
        worker.host_identity = partial(str, order.machine)
    for moment, number in ((order.asked, signal.SIGTERM), (order.dies, signal.SIGKILL)):
        if moment is not None:
            arm(moment, number)
    sys.argv = ["ballast", *order.command]
    main()


def arm(moment: Moment, number: signal.Signals) -> None:
    """Let this process send itself a signal when the moment comes."""
    owner, name = place(moment)
    genuine: Callable[..., Any] = getattr(owner, name)
    calls = count(1)

    @wraps(genuine)
    def deadly(*arguments: Any, **named: Any) -> Any:
        is_it = moment.concerns((*arguments, *named.values())) and next(calls) == moment.nth
        if is_it and moment.when == "before":
            os.kill(os.getpid(), number)
        answer = genuine(*arguments, **named)
        if is_it and moment.when == "after":
            os.kill(os.getpid(), number)
        return answer

    setattr(owner, name, deadly)


def place(moment: Moment) -> tuple[Any, str]:
    """The module or class that a moment's target belongs to, and the target's name there.

    Raises AttributeError where the product has no such function.
    """
    module, _, path = moment.target.partition(":")
    *owners, name = path.split(".")
    owner: Any = import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    if not hasattr(owner, name):
        raise AttributeError(f"{owner} has no {name}: the product has changed, and this fault with it")
    return owner, name


def written(order: Order) -> str:
    """An order that is no one's victim, as an argument of this module's command line."""
    return json.dumps({**asdict(order), "log": str(order.log), "dies": None, "asked": None})


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    obey(replace(Order(**told), command=tuple(told["command"]), log=Path(told["log"])))
