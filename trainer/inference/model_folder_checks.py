"""Checks, before training, whether a model folder can be written to a path."""

import logging
import os
from pathlib import Path
from shlex import quote

from trainer.atomic_files import clean_up_leftovers, temporary_folder
from trainer.errors import ModelFolderError

log = logging.getLogger("ballast.files")

MODEL, WEIGHTS, ONNX = "model.json", "weights.safetensors", "model.onnx"


def require_writable_model_folder(folder: Path) -> None:
    """Raise ModelFolderError unless a model folder can be written to `folder` without losing other files.

    Leftovers of killed commands beside it are removed or completed, with a warning.
    """
    try:
        place = folder.resolve()
        if not os.path.isdir(place.parent):
            parent = place.parent if folder.is_symlink() else folder.parent
            raise ModelFolderError(
                f"cannot write {folder}: there is no folder {parent}; make it: mkdir -p {quote(str(parent))}"
            )
        clean_up_beside(place)
        _require_only_a_model(folder)
        _require_movable(folder, place)
        with temporary_folder(place.parent):
            pass
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        raise write_error(folder, error) from None


def clean_up_beside(place: Path) -> None:
    """Remove or complete what killed saves left beside a model folder, with a warning for each."""
    for sentence in clean_up_leftovers(place.parent):
        log.warning("%s", sentence)


def _require_only_a_model(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ModelFolderError(
            f"cannot write {folder}: it is a file; name a folder: --save {quote(f'{folder}-model')}"
        )
    if folder.is_dir():
        others = sorted({entry.name for entry in folder.iterdir()} - {MODEL, WEIGHTS, ONNX})
        if others:
            raise ModelFolderError(
                f"cannot write {folder}: it holds {others[0]!r}, which is no part of a model; name another "
                f"folder: --save {quote(str(folder / 'model'))}"
            )


def _require_movable(folder: Path, place: Path) -> None:
    """Raise ModelFolderError for a folder that is writable but cannot be renamed, as a replacement must
    be.
    """
    if os.path.ismount(place) or Path.cwd().is_relative_to(place):
        raise ModelFolderError(
            f"cannot write {folder}: it is the current folder or a mount, which cannot be replaced; name a "
            f"folder in it: --save {quote(str(folder / 'model'))}"
        )
    if place.exists() and not os.access(place, os.W_OK):
        raise ModelFolderError(f"cannot write {folder}: it is read-only; choose another place with --save")


def write_error(folder: Path, error: OSError | RuntimeError) -> ModelFolderError:
    """The error for a folder that cannot be written."""
    reason = error.strerror if isinstance(error, OSError) else error
    return ModelFolderError(f"cannot write {folder}: {reason}; choose another place with --save")
