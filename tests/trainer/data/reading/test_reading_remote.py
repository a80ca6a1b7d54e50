"""A source on a server is read as a file is: once, bounded, and with one sentence if it fails."""

import gzip
import hashlib
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry

from tests.trainer.data.reading.table_shapes import config_of
from trainer.data.reading import content, remote
from trainer.data.source import read_table, source_sha256
from trainer.errors import SourceError

ROWS = b"Date,Close\n2024-01-02,1.5\n2024-01-03,2.5\n"

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Server:
    """A server on this machine; `asked` are the paths that were fetched."""

    url: str
    answers: dict[str, bytes | Answer]
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(remote, "_downloads", {})
    served = Server("", {})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            answer = served.answers.get(self.path)
            if callable(answer):
                answer(self)
                return
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Length", str(len(answer or b"")))
            self.end_headers()
            self.wfile.write(answer or b"")

        def log_message(self, *_: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
    served.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    yield served
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """The files of `s3://`, which lie in memory: no server of S3 is needed."""

    class Bucket(MemoryFileSystem):  # type: ignore[misc]  # fsspec has no types
        protocol = "s3"
        store: dict[str, object] = {}  # noqa: RUF012
        pseudo_dirs: list[str] = [""]  # noqa: RUF012

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return "/" + path.removeprefix("s3://").strip("/")

    monkeypatch.setattr(remote, "_downloads", {})
    monkeypatch.setitem(_registry, "s3", Bucket)
    files: dict[str, bytes] = {}

    class Files(dict[str, bytes]):
        def __setitem__(self, url: str, data: bytes) -> None:
            Bucket().pipe_file(url, data)
            super().__setitem__(url, data)

    files = Files()
    yield files
    Bucket.store.clear()


def closes(source: str | list[str]) -> list[float]:
    return read_table(config_of(source, "Close", "Date"), folder=Path("/nowhere")).frame["Close"].tolist()


def refusal(source: str) -> str:
    with pytest.raises(SourceError) as error:
        closes(source)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_table_on_a_server_is_read_as_a_file_is(server: Server) -> None:
    server.answers["/p.csv"] = ROWS
    table = read_table(config_of(f"{server.url}/p.csv", "Close", "Date"), folder=Path("/nowhere"))
    assert table.frame["Close"].tolist() == [1.5, 2.5]
    assert table.sha256 == hashlib.sha256(ROWS).hexdigest()
    assert table.place(1) == f"{server.url}/p.csv, line 3"


def test_a_table_is_downloaded_once_for_its_digest_and_its_rows(server: Server) -> None:
    server.answers["/p.csv"] = ROWS
    config = config_of(f"{server.url}/p.csv", "Close", "Date")
    read_table(config, folder=Path())
    assert source_sha256(config, folder=Path()) == hashlib.sha256(ROWS).hexdigest()
    assert server.asked == ["/p.csv"]


def test_an_old_download_is_not_used_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["/p.csv"] = ROWS
    assert closes(f"{server.url}/p.csv") == [1.5, 2.5]
    server.answers["/p.csv"] = ROWS.replace(b"2.5", b"3.5")
    assert closes(f"{server.url}/p.csv") == [1.5, 2.5]
    monkeypatch.setattr(remote, "_USED_AGAIN", 0.0)
    assert closes(f"{server.url}/p.csv") == [1.5, 3.5]


def test_a_query_is_no_pattern_and_needs_no_suffix(server: Server) -> None:
    server.answers["/query?symbol=IBM&datatype=csv"] = ROWS
    assert closes(f"{server.url}/query?symbol=IBM&datatype=csv") == [1.5, 2.5]


def test_files_and_servers_may_stand_in_one_list(server: Server, tmp_path: Path) -> None:
    server.answers["/p.csv"] = ROWS
    (tmp_path / "later.csv").write_bytes(ROWS.replace(b"2024", b"2025"))
    assert closes([f"{server.url}/p.csv", str(tmp_path / "later.csv")]) == [1.5, 2.5, 1.5, 2.5]


@pytest.mark.parametrize("is_told", [True, False], ids=["with Content-Encoding", "without"])
def test_a_packed_table_has_the_digest_of_its_packed_bytes(server: Server, is_told: bool) -> None:
    packed = gzip.compress(ROWS)

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        if is_told:
            request.send_header("Content-Encoding", "gzip")
        request.send_header("Content-Length", str(len(packed)))
        request.end_headers()
        request.wfile.write(packed)

    server.answers["/p.csv.gz"] = answer
    config = config_of(f"{server.url}/p.csv.gz", "Close", "Date")
    table = read_table(config, folder=Path())
    assert table.frame["Close"].tolist() == [1.5, 2.5]
    assert table.sha256 == source_sha256(config, folder=Path()) == hashlib.sha256(packed).hexdigest()


def test_parquet_on_a_server_is_known_by_its_bytes(server: Server, tmp_path: Path) -> None:
    times = pd.to_datetime(["2024-01-02", "2024-01-03"])
    pd.DataFrame({"Date": times, "Close": [1.5, 2.5]}).to_parquet(tmp_path / "p.parquet")
    server.answers["/download"] = (tmp_path / "p.parquet").read_bytes()
    assert closes(f"{server.url}/download") == [1.5, 2.5]


def test_a_download_of_more_bytes_than_this_machine_has_memory_stops(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            while True:
                request.wfile.write(b"2024-01-02,1.5\n" * 4096)
        except OSError:
            pass

    server.answers["/endless.csv"] = endless
    monkeypatch.setattr(content, "memory", lambda: 4 << 20)
    monkeypatch.setattr(remote, "memory", lambda: 4 << 20)
    assert "take fewer rows or columns" in refusal(f"{server.url}/endless.csv")


def test_a_packed_download_is_bounded_when_it_is_unpacked(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers["/bomb.csv.gz"] = gzip.compress(b"0" * (8 << 20))
    monkeypatch.setattr(content, "memory", lambda: 4 << 20)
    assert "unpacks to" in refusal(f"{server.url}/bomb.csv.gz")


def test_a_file_that_is_not_there_is_told_with_its_address(server: Server) -> None:
    assert refusal(f"{server.url}/no.csv") == (
        f"data.source '{server.url}/no.csv' does not exist there; check the address"
    )


@pytest.mark.parametrize(("status", "told"), [(403, "403"), (500, "500"), (401, "401")])
def test_a_refusal_of_the_server_is_told(server: Server, status: int, told: str) -> None:
    server.answers["/p.csv"] = lambda request: request.send_error(status)
    assert told in refusal(f"{server.url}/p.csv")


def test_a_page_in_place_of_a_table_is_told(server: Server) -> None:
    server.answers["/p.csv"] = b"<!DOCTYPE html><html>log in</html>"
    assert "is a web page and no table" in refusal(f"{server.url}/p.csv")


def test_an_empty_answer_is_told(server: Server) -> None:
    server.answers["/p.csv"] = b""
    assert "is empty" in refusal(f"{server.url}/p.csv")


def test_nobody_at_the_address_is_told(server: Server) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/p.csv"
    told = refusal(url)
    assert url in told
    assert "cannot be downloaded" in told


def test_a_name_that_no_server_has_is_told() -> None:
    assert "cannot be downloaded" in refusal("https://no-such-host.invalid/p.csv")


def test_a_connection_that_breaks_is_told(server: Server) -> None:
    def half(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.write(ROWS)

    server.answers["/p.csv"] = half
    assert "cannot be downloaded" in refusal(f"{server.url}/p.csv")


def test_a_silent_server_is_not_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "SILENCE", 0.2)
    server.answers["/p.csv"] = lambda _: time.sleep(5)
    begun = time.monotonic()
    assert "was silent for 0.2 s" in refusal(f"{server.url}/p.csv")
    assert time.monotonic() - begun < 4


def test_a_slow_server_is_not_waited_for_without_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def drops(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            for _ in range(100):
                request.wfile.write(b"1")
                time.sleep(0.05)
        except OSError:
            pass

    monkeypatch.setattr(remote, "LONGEST", 0.3)
    server.answers["/p.csv"] = drops
    begun = time.monotonic()
    assert "takes longer than 0.3 s" in refusal(f"{server.url}/p.csv")
    assert time.monotonic() - begun < 4


def test_an_object_in_a_bucket_is_read(bucket: dict[str, bytes]) -> None:
    bucket["s3://prices/daily/p.csv"] = ROWS
    config = config_of("s3://prices/daily/p.csv", "Close", "Date")
    assert closes("s3://prices/daily/p.csv") == [1.5, 2.5]
    assert source_sha256(config, folder=Path()) == hashlib.sha256(ROWS).hexdigest()


def test_an_object_that_is_not_there_is_told(bucket: dict[str, bytes]) -> None:
    assert (
        refusal("s3://prices/no.csv")
        == "data.source 's3://prices/no.csv' does not exist there; check the address"
    )


def test_an_object_of_more_bytes_than_this_machine_has_memory_is_not_read(
    bucket: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket["s3://prices/p.csv"] = ROWS * 100
    monkeypatch.setattr(remote, "memory", lambda: 1000)
    assert "take fewer rows or columns" in refusal("s3://prices/p.csv")


@pytest.mark.parametrize("source", ["s3://prices/*.csv", "s3://prices/p?.csv", "https://h.invalid/*.csv"])
def test_a_pattern_of_addresses_is_refused(source: str) -> None:
    assert refusal(source) == (
        f"data.source {source!r} is a pattern of addresses, and patterns are for files here; name each one "
        "in a list"
    )


@pytest.mark.parametrize("source", ["ftp://host/p.csv", "file:///etc/passwd", "simplecache::s3://b/p.csv"])
def test_another_kind_of_address_is_refused(source: str) -> None:
    assert refusal(source).endswith("; there are https://, http:// and s3://, else download the file")


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    told = refusal("https://me:secret@host.invalid/p.csv")
    assert "secret" not in told
    assert "password" in told


@pytest.mark.parametrize(
    ("source", "missing"),
    [("https://h.invalid/p.csv", "fsspec"), ("https://h.invalid/p.csv", "aiohttp"), ("s3://b/p.csv", "s3fs")],
)
def test_a_missing_package_is_told_with_the_line_that_installs_it(
    source: str, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("fsspec.implementations.http", "s3fs"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for protocol in ("s3", "https"):
        monkeypatch.delitem(_registry, protocol, raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    assert refusal(source) == (
        f"data.source {source!r} needs the package {missing}, which is not here; install it: "
        'pip install "ballast-gru[remote]"'
    )
