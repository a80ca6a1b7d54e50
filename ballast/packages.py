"""Whether `search`, `trainer` and `storage` are those of Ballast: the names are common words.

The file that finds out is loaded from where it lies, and not by its name, as `search` may be another package.
"""

import os
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

_START = os.path.join(
    os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "search", "cli", "start.py"
)


class ShadowedPackage(RuntimeError):
    """Another package is imported in the place of one of ours; the message says which, and what to do."""


def start_module() -> ModuleType:
    """The module `search.cli.start` of this installation."""
    spec = spec_from_file_location("ballast.start", _START)
    assert spec is not None
    assert spec.loader is not None
    start = module_from_spec(spec)
    spec.loader.exec_module(start)
    return start


def require_own_packages() -> None:
    """Raise ShadowedPackage if another package would be imported in the place of one of ours."""
    sentence = start_module().shadowed_package_message()
    if sentence is not None:
        raise ShadowedPackage(sentence)
