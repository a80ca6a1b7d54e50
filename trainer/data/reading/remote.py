"""Downloads a table from a server, through fsspec: `https://`, `http://` and `s3://`.

The bytes go to a temporary file without a name, which ends with the process, so that the digest and the rows
of a table need one download. It is used again for a minute only: a notebook or a service that reads the
address again later gets what the server has then.
"""

import importlib
import mmap
import re
import tempfile
import time
from typing import IO, Any
from urllib.parse import urlsplit

from trainer.bounded_reading import memory
from trainer.config import is_pattern
from trainer.errors import SourceError

INSTALL = 'pip install "ballast-gru[remote]"'
SILENCE = 30.0
"""Longest wait for an answer and between two pieces of it, in seconds."""
LONGEST = 1800.0
"""Longest download, in seconds."""
_USED_AGAIN = 60.0
"""Age in seconds up to which a download is used again."""
_CHUNK = 1 << 20
_PACKAGES = {"https": "aiohttp", "http": "aiohttp", "s3": "s3fs"}
"""What fsspec needs for each kind of address."""


_downloads: dict[str, tuple[float, mmap.mmap]] = {}
"""By address, when its download ended, and its bytes, which the system keeps in the temporary file."""


def read_remote(address: str) -> bytes:
    """The bytes of the file at an address.

    Raises SourceError for an address of another kind, one with a password or a pattern, a missing package, a
    server that refuses, is silent or takes too long, and for more bytes than this machine has memory.
    """
    _require_address(address)
    for known, (at, _) in [*_downloads.items()]:
        if time.monotonic() - at >= _USED_AGAIN:
            del _downloads[known]
    if address not in _downloads:
        with tempfile.TemporaryFile() as file:
            if not _downloaded(address, file):
                return b""
            _downloads[address] = time.monotonic(), mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return _downloads[address][1][:]


def _require_address(address: str) -> None:
    scheme = address.split(":", 1)[0].lower()
    if scheme not in _PACKAGES:
        raise SourceError(
            f"data.source {address!r} cannot be read from there; there are https://, http:// and s3://, else "
            "download the file"
        )
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise SourceError(f"data.source {address!r} is no address: {error}; check it") from None
    if parts.password is not None:
        raise SourceError(
            f"data.source has a password in its address of {parts.hostname}, and would be recorded with it; "
            "download the file"
        )
    if is_pattern(parts.path) or (scheme == "s3" and is_pattern(address)):
        raise SourceError(
            f"data.source {address!r} is a pattern of addresses, and patterns are for files here; name each "
            "one in a list"
        )


def _downloaded(address: str, file: IO[bytes]) -> int:
    """Write the bytes at an address to a file. Returns their number."""
    opened, begun, size, most = _opened(address), time.monotonic(), 0, memory()
    try:
        with opened() as answer:
            while piece := answer.read(_CHUNK):
                size += file.write(piece)
                if size > most:
                    raise SourceError(
                        f"data.source {address!r} has {most / 1e9:.1f} GB or more, the memory of this "
                        "machine; take fewer rows or columns"
                    )
                if time.monotonic() - begun > LONGEST:
                    raise SourceError(
                        f"data.source {address!r} takes longer than {LONGEST:g} s; download the file"
                    )
        file.flush()
    except SourceError:
        raise
    except FileNotFoundError:
        raise SourceError(f"data.source {address!r} does not exist there; check the address") from None
    except TimeoutError:
        raise SourceError(
            f"data.source {address!r} cannot be downloaded: the server was silent for {SILENCE:g} s; try it "
            "again"
        ) from None
    except Exception as error:  # the packages below fsspec have errors of their own
        raise SourceError(
            f"data.source {address!r} cannot be downloaded: {_reason(error)}; check the address and "
            "your rights"
        ) from None
    return size


def _opened(address: str) -> Any:
    """A function that opens an address for reading. Raises SourceError if a package is missing."""
    scheme = address.split(":", 1)[0].lower()
    package = "fsspec"
    try:
        fsspec = importlib.import_module(package)
        package = _PACKAGES[scheme]
        options, how = _s3_options() if scheme == "s3" else _http_options()
        # Not one of earlier: it would belong to the process before a fork.
        files = fsspec.filesystem(scheme, skip_instance_cache=True, **options)
    except ImportError:
        raise SourceError(
            f"data.source {address!r} needs the package {package}, which is not here; install it: {INSTALL}"
        ) from None
    return lambda: files.open(address, "rb", **how)


def _http_options() -> tuple[dict[str, Any], dict[str, Any]]:
    """For the bytes as they lie on the server, also where it calls the packing of a `.csv.gz` an encoding."""
    aiohttp = importlib.import_module("aiohttp")
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=SILENCE, sock_read=SILENCE)
    client = {
        "timeout": timeout,
        "headers": {"Accept-Encoding": "identity"},
        "auto_decompress": False,
        "trust_env": True,  # the proxy of HTTPS_PROXY
    }
    # A stated size spares a request that asks for it; blocks of 0 bytes mean one stream.
    return {"client_kwargs": client}, {"block_size": 0, "size": 1}


def _s3_options() -> tuple[dict[str, Any], dict[str, Any]]:
    waits = {"connect_timeout": SILENCE, "read_timeout": SILENCE, "retries": {"max_attempts": 2}}
    return {"config_kwargs": waits}, {"block_size": 8 * _CHUNK}


def _reason(error: Exception) -> str:
    """The first line of an error, or its kind if it says nothing."""
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return f"the server answers {status} {getattr(error, 'message', '')}".rstrip()
    return re.sub(r"\s+", " ", str(error)).strip()[:200] or type(error).__name__
