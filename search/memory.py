"""Recognises that memory is short: Python, its libraries and the loader each report it differently."""

import errno
import resource
from collections.abc import Iterator

_SIGNS = (
    "failed to map segment from shared object",  # the loader, within an ImportError or OSError
    "cannot allocate memory",
    "can't allocate memory",  # PyTorch
)
_NO_THREAD = "can't start new thread"
_SIGN_UNDER_A_LIMIT = "could not find/load shared object file"
"""llvmlite's message for every loader error; without a memory limit the file may really be missing."""


_MIN_BYTES = 2_800 << 20
"""Bytes of address space that PyTorch, SciPy and the compiler of the kernels need before any data, measured
on two cores. With less, some of them raise errors, and OpenBLAS hangs or ends the process."""
_COMMANDS = frozenset({"run", "worker", "check", "train", "verify", "refit", "predict", "doctor"})
"""`check` and `doctor` need less, but should say the same about a machine as `run`."""


def require_memory(command: str | None) -> None:
    """Raise MemoryError if the limit is too low for the libraries that a command loads."""
    limit = memory_limit()
    if command in _COMMANDS and limit is not None and limit < _MIN_BYTES:
        raise MemoryError


def memory_limit() -> int | None:
    """Bytes of address space that this process may have (`ulimit -v`); None: no limit."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def memory_shortage(error: BaseException) -> str | None:
    """A sentence for an error that is due to too little memory or too few threads; None for other errors."""
    limit = memory_limit()
    signs = _SIGNS if limit is None else (*_SIGNS, _NO_THREAD, _SIGN_UNDER_A_LIMIT)
    if limit is None and any(_NO_THREAD in _text(each) for each in _chain(error)):
        return "this process may start no more threads; raise the limit (ulimit -u), or end other programs"
    if not any(_is_sign(each, signs) for each in _chain(error)):
        return None
    if limit is None:
        return (
            "there is too little memory; take fewer rows or columns, a smaller model or fewer workers, or a "
            "machine that has more"
        )
    return (
        f"there is too little memory: this process may have {limit / 1e9:.1f} GB (ulimit -v "
        f"{limit // 1024}), and training needs {_MIN_BYTES / 1e9:.1f} GB or more; raise the limit: ulimit -v "
        "unlimited"
    )


def _is_sign(error: BaseException, signs: tuple[str, ...]) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return any(sign in _text(error) for sign in signs)


def _text(error: BaseException) -> str:
    return str(error).lower() if isinstance(error, ImportError | OSError | RuntimeError) else ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and its causes, once each."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
