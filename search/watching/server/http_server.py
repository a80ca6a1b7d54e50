"""An HTTP server that slow and silent clients cannot block: waitress, with limits on connections and on
waiting.

Waitress gives a request to a thread only when all of it has arrived, so a slow client occupies a connection
but no thread. Waitress waits two minutes after the last byte, and accepts no client at its limit of
connections; this server ends slow connections sooner.
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
_MAX_WAIT_S = 20.0
"""How long the server waits for a client that should send or receive."""
_LEAST_RATE = 10_000
"""Bytes per second below which the time of a client runs out: a tenth of a slow mobile connection."""
_HEADER_BYTES = 65_536
_SEND_BUFFER = 131_072
"""Bytes of an answer that the kernel holds for a client. By default it takes megabytes, so that many clients
that receive nothing would make the server copy gigabytes.
"""


class _Connection(HTTPChannel):  # type: ignore[misc] # waitress has no types
    """A client that must send or receive before `deadline`.

    Each request and each answer restarts the deadline; bytes at _LEAST_RATE or faster move it on.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.deadline = time.monotonic() + _MAX_WAIT_S
        self._is_put_off = False
        super().__init__(*arguments, **options)

    def recv(self, buffer_size: int) -> bytes:
        """Read from the client."""
        data: bytes = super().recv(buffer_size)
        self._passed(len(data))
        return data

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Write to the client; return the number of bytes that it took."""
        sent: int = super().send(data, do_close=do_close)
        self._passed(sent)
        return sent

    def received(self, data: bytes) -> bool:
        """Take bytes of a request; the first ones of each request restart the deadline, blank lines do
        not.
        """
        if self.request is None and data.strip():
            self._restart()
        return bool(super().received(data))

    def write_soon(self, data: Any) -> int:
        """Take a part of an answer; the first part of each answer restarts the deadline."""
        if not self.total_outbufs_len:
            self._restart()
        return int(super().write_soon(data))

    def service(self) -> None:
        """Answer the next request, or put it off until the client has taken the answer before.

        Waitress would answer on until 16 MB wait to be sent, and then the thread would wait for the client.
        """
        with self.outbuf_lock:
            self._is_put_off = self.total_outbufs_len > 0
        if not self._is_put_off:
            super().service()

    def handle_write(self) -> None:
        """Send what waits, and go on with a request that was put off when all is sent."""
        super().handle_write()
        with self.outbuf_lock:
            goes_on = self._is_put_off and not self.total_outbufs_len
            self._is_put_off = self._is_put_off and not goes_on
        if goes_on:
            self.server.add_task(self)

    @property
    def waits_for_answer(self) -> bool:
        """Whether it has sent a request and its answer has not begun."""
        return bool(self.requests) and not self.total_outbufs_len

    def end(self) -> None:
        """Close the connection at the next turn of the loop, whatever the client does.

        Waitress closes a socket only when it is writable, and the socket of a client that receives nothing
        never is. Shutting it down makes it so.
        """
        self.will_close = True
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def _restart(self) -> None:
        self.deadline = time.monotonic() + _MAX_WAIT_S

    def _passed(self, size: int) -> None:
        self.deadline = min(self.deadline + size / _LEAST_RATE, time.monotonic() + _MAX_WAIT_S)


class _Server(TcpWSGIServer):  # type: ignore[misc] # waitress has no types
    """Accepts every client; beyond the limit, it ends the connection with the earliest deadline."""

    channel_class = _Connection

    def handle_accept(self) -> None:
        """Accept a client, and end the slowest connection if there are too many."""
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
        return [
            connection
            for connection in channels
            if not connection.waits_for_answer and not connection.will_close
        ]


def make_server(application: "WSGIApplication", listening: socket.socket, most_bytes: int) -> TcpWSGIServer:
    """Return a server of `application` on a listening socket; `run` serves until a KeyboardInterrupt.

    A body of more than `most_bytes` is refused with 413, headers of more than 64 KiB with 431. A client that
    needs more than 20 s to send a request or to receive an answer is cut off, unless at least 10 kB pass each
    second.
    """
    settings = Adjustments(
        sockets=[listening],
        threads=_THREADS,
        ident=None,
        connection_limit=2 * _CONNECTIONS,  # only reached if so many requests wait for a thread
        cleanup_interval=1,
        asyncore_use_poll=True,  # select() takes no descriptor above 1,023
        max_request_header_size=_HEADER_BYTES,
        max_request_body_size=most_bytes,
        inbuf_overflow=_HEADER_BYTES,
        log_socket_errors=False,
    )
    settings.socket_options = [
        *settings.socket_options,
        (socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER),
    ]
    where = (listening.family, listening.type, listening.proto, listening.getsockname())
    return _Server(application, _sock=listening, adj=settings, sockinfo=where, bind_socket=False)
