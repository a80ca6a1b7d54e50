"""An HTTP server that slow and silent clients cannot fill: waitress, with bounds on connections and on
patience.

Waitress hands a request to a thread only when it has all of it, so that a slow client holds a connection and
no thread. What it lacks is an end to that: it waits two minutes after the last byte, and at its limit accepts
nobody.
"""

import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_THREADS = 8
_CONNECTIONS = 256
"""Each may hold three descriptors, and a process often has 1,024."""
_PATIENCE_S = 20.0
"""How long a client may send or take nothing while it is its turn."""
_LEAST_RATE = 10_000
"""Bytes a second below which a client uses its patience up: a tenth of a slow mobile connection."""
_HEADER_BYTES = 65_536


class _Connection(HTTPChannel):  # type: ignore[misc] # waitress has no types
    """A client, who has until `deadline` to go on.

    Each request and each answer sets the deadline anew, and bytes that pass at a fair rate keep it away.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.deadline = time.monotonic() + _PATIENCE_S
        super().__init__(*arguments, **options)

    def recv(self, buffer_size: int) -> bytes:
        """Read from the client."""
        data: bytes = super().recv(buffer_size)
        self._passed(len(data))
        return data

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Write to the client; the number of bytes that it took."""
        sent: int = super().send(data, do_close=do_close)
        self._passed(sent)
        return sent

    def received(self, data: bytes) -> bool:
        """Take bytes of a request; the first of each refill the patience, blank lines do not."""
        if self.request is None and data.strip():
            self._refill()
        return bool(super().received(data))

    def write_soon(self, data: Any) -> int:
        """Take a part of an answer; the first of each refills the patience."""
        if not self.total_outbufs_len:
            self._refill()
        return int(super().write_soon(data))

    @property
    def waits_for_us(self) -> bool:
        """Whether it has sent a request and there is nothing yet for it to take."""
        return bool(self.requests) and not self.total_outbufs_len

    def end(self) -> None:
        """Close the connection at the next turn of the loop, whatever the client does.

        The socket is shut down, since waitress closes it only when it can be written to, which that of a
        client who takes nothing never can.
        """
        self.will_close = True
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def _refill(self) -> None:
        self.deadline = time.monotonic() + _PATIENCE_S

    def _passed(self, size: int) -> None:
        self.deadline = min(self.deadline + size / _LEAST_RATE, time.monotonic() + _PATIENCE_S)


class _Server(TcpWSGIServer):  # type: ignore[misc] # waitress has no types
    """Accepts everybody; beyond the bound, the client whose patience ends first must go."""

    channel_class = _Connection

    def handle_accept(self) -> None:
        """Let a client in, and another out if there are too many."""
        super().handle_accept()
        if len(self.active_channels) > _CONNECTIONS and (idle := self._waiting_for_clients()):
            min(idle, key=lambda connection: connection.deadline).end()

    def maintenance(self, now: float) -> None:
        """End connections whose client is too slow; waitress calls this once a second."""
        for connection in self._waiting_for_clients():
            if connection.deadline < time.monotonic():
                connection.end()

    def _waiting_for_clients(self) -> list[_Connection]:
        channels = list(self.active_channels.values())
        return [each for each in channels if not each.waits_for_us and not each.will_close]


def make_server(application: "WSGIApplication", listening: socket.socket, most_bytes: int) -> TcpWSGIServer:
    """A server of `application` on a socket that listens; `run` serves until a KeyboardInterrupt.

    A body of more than `most_bytes` is refused with 413, headers of more than 64 KiB with 431. A client that
    needs more than 20 s for a request, or to take an answer, is cut off, unless 10 kB a second pass.
    """
    settings = Adjustments(
        sockets=[listening],
        threads=_THREADS,
        ident=None,
        connection_limit=2 * _CONNECTIONS,  # reached where that many requests wait for a thread
        cleanup_interval=1,
        asyncore_use_poll=True,  # select() takes no descriptor above 1,023
        max_request_header_size=_HEADER_BYTES,
        max_request_body_size=most_bytes,
        inbuf_overflow=_HEADER_BYTES,
        log_socket_errors=False,
    )
    where = (listening.family, listening.type, listening.proto, listening.getsockname())
    return _Server(application, _sock=listening, adj=settings, sockinfo=where, bind_socket=False)
