"""Files that are written whole and are used only if their checksum is right.

A file has three lines (magic, identity, digest), and then the payload.

The magic names the kind of file and its format, the identity what the payload was computed from. The digest
is the SHA-256 of the payload or, with a key, an HMAC of identity and payload: then only a process that has
the key can make a file that is used. A kill or a full disk leaves the previous file or none, and the digest
finds what a power cut or a broken disk has damaged. This module does not look into the payload, and imports
no torch.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path

from trainer.atomic_files import write_file
from trainer.bounded_reading import read_bounded
from trainer.errors import ChecksumError

_LONGEST_HEAD = 1024


@dataclass(frozen=True)
class ChecksummedFormat:
    """One kind of checksummed file, and the sentences about a file that cannot be used."""

    magic: bytes
    """Without a line break. Its last figure is the format: raise it with any change of the payload."""
    largest: int
    """Most bytes of a file that is read."""
    other_identity: str
    """Says that the payload was computed from something else."""
    wrong_digest: str
    """Says that the file is damaged or forged."""

    def write(
        self,
        path: Path,
        identity: str,
        payload: bytes | Sequence[bytes | memoryview],
        key: bytes | None = None,
        *,
        durable: bool = True,
        mode: int | None = None,
    ) -> None:
        """Put `payload`, or its parts in order, at `path`, in one step. `durable` and `mode` as in
        `write_file`; raises OSError.
        """
        parts = [payload] if isinstance(payload, bytes) else payload
        digest = _digest(identity, parts, key)
        head = b"\n".join([self.magic, identity.encode(), digest, b""])
        write_file(path, head, *parts, durable=durable, mode=mode)

    def read(self, path: Path, identity: str, key: bytes | None = None) -> bytes:
        """The payload that was written for `identity` with `key`.

        Raises ChecksumError if the file is damaged, of another identity or of another kind, FileNotFoundError
        if there is none, and OSError if it cannot be read.
        """
        content = read_bounded(path, self.largest)
        return content[self.payload_start(content, identity, key) :]

    def payload_start(self, content: bytes | mmap, identity: str, key: bytes | None = None) -> int:
        """Where the payload begins in the content of such a file. Raises ChecksumError as `read` does."""
        magic, *rest = content[:_LONGEST_HEAD].split(b"\n", 3)
        if magic != self.magic:
            raise ChecksumError(f"it does not begin with {self.magic.decode().rstrip()!r}")
        if len(rest) < 3:
            raise ChecksumError("it is damaged: it ends in its head")
        owner, digest, _ = rest
        if owner != identity.encode():
            raise ChecksumError(self.other_identity)
        start = sum(len(field) + 1 for field in (magic, owner, digest))
        if not hmac.compare_digest(digest, _digest(identity, [memoryview(content)[start:]], key)):
            raise ChecksumError(self.wrong_digest)
        return start


def _digest(identity: str, parts: Sequence[bytes | memoryview], key: bytes | None) -> bytes:
    """The digest (hex). Without a key it covers the payload alone, as in files of versions before keys."""
    signed = hashlib.sha256() if key is None else hmac.new(key, identity.encode(), "sha256")
    for part in parts:
        signed.update(part)
    return signed.hexdigest().encode()
