"""A file that is whole or is not used: written aside, put in its place at once, sealed by a digest.

A kill or a full disk leaves the file of before, or none. What a power cut or a broken disk leaves is found by
the digest. Knows nothing of what is in the file, and needs no torch.
"""

import hashlib
from pathlib import Path

from trainer.atomic_files import settle_leftovers, write_file
from trainer.errors import CheckpointError

_MAGIC = b"ballast checkpoint 3"
"""The last figure is the format: raise it with any change to what is saved or to what a trial computes."""


def write(path: Path, identity: str, payload: bytes) -> None:
    """Put `payload` at `path`, which belongs to `identity` from now on; OSError if it cannot be written."""
    digest = hashlib.sha256(payload).hexdigest()
    head = b"\n".join([_MAGIC, identity.encode(), digest.encode(), b""])
    # The digest tells a checkpoint that a power cut has damaged; waiting for the disk costs every epoch.
    write_file(path, head, payload, durable=False)


def read(path: Path, identity: str) -> bytes:
    """What was written for `identity`.

    Raises CheckpointError where the file is damaged, another's or not a checkpoint, FileNotFoundError where
    there is none, and OSError where it cannot be read.
    """
    magic, *rest = path.read_bytes().split(b"\n", 3)
    if magic != _MAGIC:
        raise CheckpointError(f"it does not begin with {_MAGIC.decode()!r}")
    if len(rest) < 3:
        raise CheckpointError("it is damaged: it ends in its head")
    owner, digest, payload = rest
    if owner != identity.encode():
        raise CheckpointError(
            "it is of another configuration, seed, table or version of torch, numba or scipy"
        )
    if digest != hashlib.sha256(payload).hexdigest().encode():
        raise CheckpointError("it is damaged: its digest is not that of what it holds")
    return payload


def forget(path: Path) -> None:
    """Remove the file, and what a kill may have left beside it."""
    path.unlink(missing_ok=True)
    settle_leftovers(path.parent)
