"""Retries transactions while the store is temporarily unavailable: a server that restarts or fails over, a
lock, a deadlock, a statement that took too long, a full disk, a file system that is read-only for a while.

act ──► result │  ▲ │  └── after 0.1 s, 0.2 s, … 5 s, until `Store.patience` seconds have passed └────► one of
TRANSIENT; any other error is raised at once

The first try may have succeeded: the acknowledgement of a commit can be lost with the connection. A function
that is retried must therefore change nothing when it runs a second time.
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
"""Errors that may pass without a change of the request."""
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")


def retry_transient(
    act: Callable[Concatenate[Store, _Arguments], _Answer],
) -> Callable[Concatenate[Store, _Arguments], _Answer]:
    """Retry a function that is one transaction on a store for up to `store.patience` seconds."""

    @wraps(act)
    def act_patiently(store: Store, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Answer:
        return call_with_retry(lambda: act(store, *args, **kwargs), store)

    return act_patiently


def call_with_retry(act: Callable[[], _Answer], store: Store) -> _Answer:
    """The result of `act`, retried while it raises TRANSIENT errors.

    Raises its last error after `store.patience` seconds (on a monotonic clock), or when `store.give_up`
    returns True.
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
