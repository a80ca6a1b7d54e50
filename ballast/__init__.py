"""Searches hyperparameters of GRU forecasters, and does not let itself be fooled while doing so.

    import ballast

    study = ballast.run("study.yaml", set={"study.trials": 40})
    study.export("best.yaml")
    ballast.verify("best.yaml")

Everything is loaded when it is first used, so that the import costs nothing. `ballast` and
`python -m ballast` are the command line.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ballast.packages import require_own_packages

if TYPE_CHECKING:
    __version__: str
    from ballast import errors as errors
    from search.api.calibrate_study import Calibration
    from search.api.calls import (
        calibrate,
        check,
        compare,
        init,
        load_model,
        load_study,
        load_walk_forward,
        refit,
        run,
        train,
        verify,
        walk_forward,
    )
    from search.api.check_study import CheckResult
    from search.api.model import Model
    from search.api.refit_configuration import LiveModel
    from search.api.study import Study
    from search.api.train_configuration import Training
    from search.api.walk_forward_result import WalkForward
    from search.selection.summary import Summary
    from search.selection.verification_report import VerificationReport
    from search.study.comparison import Comparison
    from search.study.replay import Replay

__all__ = [
    "Calibration",
    "CheckResult",
    "Comparison",
    "LiveModel",
    "Model",
    "Replay",
    "Study",
    "Summary",
    "Training",
    "VerificationReport",
    "WalkForward",
    "__version__",
    "calibrate",
    "check",
    "compare",
    "errors",
    "init",
    "load_model",
    "load_study",
    "load_walk_forward",
    "refit",
    "run",
    "train",
    "verify",
    "walk_forward",
]

_PLACES = {
    **dict.fromkeys(
        (
            "calibrate",
            "check",
            "compare",
            "init",
            "load_model",
            "load_study",
            "load_walk_forward",
            "refit",
            "run",
            "train",
            "verify",
            "walk_forward",
        ),
        "search.api.calls",
    ),
    "Calibration": "search.api.calibrate_study",
    "CheckResult": "search.api.check_study",
    "Comparison": "search.study.comparison",
    "Replay": "search.study.replay",
    "LiveModel": "search.api.refit_configuration",
    "Model": "search.api.model",
    "Study": "search.api.study",
    "Summary": "search.selection.summary",
    "Training": "search.api.train_configuration",
    "VerificationReport": "search.selection.verification_report",
    "WalkForward": "search.api.walk_forward_result",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module (PEP 562).

    Raises ShadowedPackage if another package or file has the name of one of ours.
    """
    if name in __all__:
        require_own_packages()
    if name == "errors":
        return import_module("ballast.errors")
    if name == "__version__":
        return import_module("search.version").VERSION
    if name not in _PLACES:
        raise AttributeError(f"module 'ballast' has no attribute {name!r}")
    found = getattr(import_module(_PLACES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return [*__all__]
