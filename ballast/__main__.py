"""`ballast` and `python -m ballast`: the command line.

`search` is a common word, and another package of that name may be imported in its place. So the file that
finds this out is loaded from where it lies, and not by its name.
"""

import os
from importlib.util import module_from_spec, spec_from_file_location

_START = os.path.join(
    os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "search", "cli", "start.py"
)


def main() -> None:
    """Run the command line."""
    spec = spec_from_file_location("ballast.start", _START)
    assert spec is not None
    assert spec.loader is not None
    start = module_from_spec(spec)
    spec.loader.exec_module(start)
    start.start()


if __name__ == "__main__":
    main()
