"""Waits for a store that is away: a server that restarts or changes places with its standby, a lock, a
dead-lock, a statement that took too long, a full disk, a file system that can only be read for a while.

    act ──► answer
     │  ▲
     │  └── 0.1 s, 0.2 s, … 5 s later, while patience lasts
     └────► one of TRANSIENT; anything else is raised at once

What is tried again may have happened already: a commit whose acknowledgement was lost with the connection.
Whoever is patient has to see to it that a second time changes nothing.
"""

import logging
import time
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from storage.engine import Store
from storage.errors import (
    StoreExhausted,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    StoreTimeout,
    StoreUnreachable,
)

log = logging.getLogger("ballast.store")

TRANSIENT = (StoreUnreachable, StoreLocked, StoreFull, StoreReadOnly, StoreTimeout, StoreExhausted)
"""What may be over in a while without anybody changing the request."""
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")


def retry_transient(
    act: Callable[Concatenate[Store, _Arguments], _Answer],
) -> Callable[Concatenate[Store, _Arguments], _Answer]:
    """Let a function that is one transaction on a store be tried again for `store.patience` seconds."""

    @wraps(act)
    def act_patiently(store: Store, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Answer:
        return call_with_retry(lambda: act(store, *args, **kwargs), store)

    return act_patiently


def call_with_retry(act: Callable[[], _Answer], store: Store) -> _Answer:
    """What `act` answers, as soon as it does.

    Raises what it raised last when `store.patience` seconds (of a clock that does not jump) have passed, or
    `store.give_up` says so.
    """
    began, pause, waited = time.monotonic(), _FIRST_PAUSE_S, False
    while True:
        try:
            answer = act()
        except TRANSIENT as error:
            left = began + store.patience - time.monotonic()
            if left <= 0 or store.give_up():
                raise
            if not waited:
                log.warning("%s; trying again for up to %g s", error, store.patience)
            waited = True
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        else:
            if waited:
                log.info("%s answers again, after %.1f s", store.shown_url, time.monotonic() - began)
            return answer
