"""A file that is whole or is not used: written aside, put in its place at once, sealed by a digest.

A kill or a full disk leaves the file of before, or none. What a power cut or a broken disk leaves is found by
the digest. With a key, only who knows the key can make a file that is used. Knows nothing of what is in the
file, and needs no torch.
"""

import hashlib
import hmac
from pathlib import Path

from trainer.atomic_files import clean_up_leftovers, write_file
from trainer.bounded_reading import read_bounded
from trainer.errors import CheckpointError

_MAGIC = b"ballast checkpoint 3"
"""The last figure is the format: raise it with any change to what is saved or to what a trial computes."""

_LARGEST = 2**34
"""Bytes of a file: those of a trial of 45 folds and a million weights each have 1 GB."""


def write_checksummed(path: Path, identity: str, payload: bytes, key: bytes | None = None) -> None:
    """Put `payload` at `path`, which belongs to `identity` from now on; OSError if it cannot be written."""
    head = b"\n".join([_MAGIC, identity.encode(), _digest(identity, payload, key), b""])
    # The digest tells a checkpoint that a power cut has damaged; waiting for the disk costs every epoch.
    write_file(path, head, payload, durable=False)


def read_checksummed(path: Path, identity: str, key: bytes | None = None) -> bytes:
    """What was written for `identity` with `key`.

    Raises CheckpointError where the file is damaged, another's or not a checkpoint, FileNotFoundError where
    there is none, and OSError where it cannot be read.
    """
    magic, *rest = read_bounded(path, _LARGEST).split(b"\n", 3)
    if magic != _MAGIC:
        raise CheckpointError(f"it does not begin with {_MAGIC.decode()!r}")
    if len(rest) < 3:
        raise CheckpointError("it is damaged: it ends in its head")
    owner, digest, payload = rest
    if owner != identity.encode():
        raise CheckpointError(
            "it is of another configuration, seed, table or version of torch, numba or scipy"
        )
    if not hmac.compare_digest(digest, _digest(identity, payload, key)):
        raise CheckpointError("it is damaged, or no worker of this study wrote it: its digest is wrong")
    return payload


def _digest(identity: str, payload: bytes, key: bytes | None) -> bytes:
    """Without a key that of the payload alone, as before there were keys."""
    if key is None:
        return hashlib.sha256(payload).hexdigest().encode()
    signed = hmac.new(key, identity.encode(), "sha256")
    signed.update(payload)
    return signed.hexdigest().encode()


def remove_checksummed(path: Path) -> None:
    """Remove the file, and what a kill may have left beside it."""
    path.unlink(missing_ok=True)
    clean_up_leftovers(path.parent)
