"""The place of a model folder: whether a model can be put there, which is found out before it is trained."""

import logging
import os
from pathlib import Path
from shlex import quote

from trainer.atomic_files import clean_up_leftovers, temporary_folder
from trainer.errors import ModelFolderError

log = logging.getLogger("ballast.files")

MODEL, WEIGHTS, ONNX = "model.json", "weights.safetensors", "model.onnx"


def require_writable_model_folder(folder: Path) -> None:
    """Raise ModelFolderError unless a model folder can be put there without losing anything else.

    What a killed command left beside it is removed, or put in its place, and a warning says so.
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
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead to each other
        raise write_error(folder, error) from None


def clean_up_beside(place: Path) -> None:
    """Settle what killed saves left beside a model folder, and warn of each."""
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
    """A folder that is replaced is renamed: not all that can be written can be."""
    if os.path.ismount(place) or Path.cwd().is_relative_to(place):
        raise ModelFolderError(
            f"cannot write {folder}: it is the current folder or a mount, which cannot be replaced; name a "
            f"folder in it: --save {quote(str(folder / 'model'))}"
        )
    if place.exists() and not os.access(place, os.W_OK):
        raise ModelFolderError(f"cannot write {folder}: it is read-only; choose another place with --save")


def write_error(folder: Path, error: OSError | RuntimeError) -> ModelFolderError:
    """The sentence on a folder that cannot be written."""
    reason = error.strerror if isinstance(error, OSError) else error
    return ModelFolderError(f"cannot write {folder}: {reason}; choose another place with --save")
