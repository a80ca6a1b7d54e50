"""A PostgreSQL server of one's own, to be stopped, killed and started again; its binaries are pgserver's."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psutil
import psycopg

USER = "ballast"
PASSWORD = "planted-password"
_UNPRIVILEGED = "nobody"
"""Who runs the server when root starts it: PostgreSQL refuses to run as root."""
_START_S = 60.0
_PLAIN = ("--no-sync", "--locale=C", "--encoding=UTF8")

FAST: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off"}
"""Safe against killed processes, not against a power cut: right for tests, wrong for a benchmark. Without
`synchronous_commit` a killed server would forget what it had acknowledged."""


class PostgresServer:
    """A server on 127.0.0.1 with a data folder of its own, and the databases that it is asked for.

    The address stays the same over stops and starts. As a context it starts, and is gone at the end.
    Raises RuntimeError, with the end of the server's log, where it cannot be started.
    """

    def __init__(self, settings: Mapping[str, str] = FAST) -> None:
        """Make the data folder; `settings` go to the server as they are, `{"fsync": "on"}`."""
        self._settings = {"max_connections": "200", "shared_buffers": "32MB", **settings}
        self._folder = Path(tempfile.mkdtemp(prefix="ballast-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        _let_in(_binaries())
        if os.geteuid() == 0:
            shutil.chown(self._folder, _UNPRIVILEGED)
        self._initialise()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, trace: TracebackType | None) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def url(self, database: str = "postgres") -> str:
        """The store URL of a database, with the password."""
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{quote(database, safe='')}"

    def socket_url(self, database: str = "postgres") -> str:
        """The store URL of a database by the server's Unix socket, with the password in the query."""
        query = f"host={quote(str(self._folder))}&port={self.port}&user={USER}&password={PASSWORD}"
        return f"postgresql:///{quote(database, safe='')}?{query}"

    def start(self) -> None:
        """Start the server, and return when it answers."""
        given = [part for key, value in self._settings.items() for part in ("-c", f"{key}={value}")]
        where = ["-D", str(self._data), "-h", "127.0.0.1", "-p", str(self.port), "-k", str(self._folder)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(_binaries() / "postgres"), *where, *given],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                user=_UNPRIVILEGED if os.geteuid() == 0 else None,
                start_new_session=True,  # Ctrl+C in the terminal is for whoever uses the server
            )
        self._wait_for_an_answer()

    def stop(self, *, kill: bool = False) -> None:
        """Stop the server and cut its connections; with `kill` by SIGKILL, as a machine that fails would."""
        if self._process is None:
            return
        if kill:
            postmaster = psutil.Process(self._process.pid)
            for process in [postmaster, *postmaster.children(recursive=True)]:
                process.kill()
        else:
            self._process.send_signal(signal.SIGINT)  # PostgreSQL's "fast shutdown"
        self._process.wait()
        self._process = None

    def create(self, database: str) -> str:
        """Make an empty database; its URL."""
        self.execute(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def drop(self, database: str) -> None:
        """Remove a database, and cut whoever is in it."""
        self.execute(f'DROP DATABASE "{database}" WITH (FORCE)')

    def cut(self, database: str) -> int:
        """Cut every connection to a database; how many there were."""
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            return len(connection.execute(cut, [database]).fetchall())

    def execute(self, statement: str) -> None:
        """Run one statement outside any transaction, as the superuser."""
        execute(self.url(), statement)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def _initialise(self) -> None:
        password = self._folder / "password"
        password.write_text(PASSWORD)
        log_in = ["-U", USER, "--auth=scram-sha-256", f"--pwfile={password}"]
        subprocess.run(
            [str(_binaries() / "initdb"), "-D", str(self._data), *log_in, *_PLAIN],
            check=True,
            capture_output=True,
            cwd=self._folder,
            user=_UNPRIVILEGED if os.geteuid() == 0 else None,
        )

    def _wait_for_an_answer(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_S
        while True:
            try:
                psycopg.connect(self.url()).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    told = self._log.read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"PostgreSQL did not start on port {self.port}: {told}") from None
            time.sleep(0.02)


def execute(url: str, statement: str) -> None:
    """Run one statement outside any transaction."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def _binaries() -> Path:
    found = find_spec("pgserver")  # not imported: it takes a lock and makes folders when it is
    if found is None or found.origin is None:
        raise RuntimeError(
            "pgserver, which brings PostgreSQL, is not there; "
            'run: pip install -c constraints.txt -e ".[test]"'
        )
    return Path(found.origin).parent / "pginstall" / "bin"


def _let_in(folder: Path) -> None:
    """Where root starts the binaries: let the unprivileged user pass through the folders to them."""
    if os.geteuid() == 0:
        for parent in [folder, *folder.parents]:
            if not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o001)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
