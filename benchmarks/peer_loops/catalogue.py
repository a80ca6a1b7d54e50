"""Who competes: the name, the file, the options and the packages of each."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.peer_loops import ballast
from benchmarks.peer_loops.stopwatch import Measured
from benchmarks.peer_loops.work import Trained, heard

INSTALL = 'pip install -c constraints.txt -e ".[test,peers]", or make peers'


@dataclass(frozen=True)
class Peer:
    """A competitor: a module of this package, or the command `ballast run` where that is None."""

    name: str
    module: str | None = None
    options: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    def command(self, folder: Path, seed: int) -> list[str]:
        """The command line of one run in `folder`, which holds the work."""
        if self.module is None:
            return ballast.command(folder, seed, *self.options)
        module = f"benchmarks.peer_loops.{self.module}"
        return [sys.executable, "-m", module, str(folder), "--seed", str(seed), *self.options]

    def trained(self, folder: Path, seed: int, measured: Measured) -> list[Trained]:
        """The trials of a run that has ended."""
        return ballast.trained(folder, seed) if self.module is None else heard(measured.printed)

    def missing(self) -> list[str]:
        """Packages that are not installed."""
        return [package for package in self.needs if find_spec(package) is None]


_LIGHTNING = ("lightning", "optuna_integration")
EXPERT = "expert"
EXPERTS = Peer("expert, 2 processes", "expert", ("--workers", "2"))
PEERS: Sequence[Peer] = (
    Peer(EXPERT, "expert"),
    Peer("dataloader", "dataloader"),
    Peer("lightning", "pruned_lightning", needs=_LIGHTNING),
    Peer("lightning, 1 thread", "pruned_lightning", ("--threads", "1"), _LIGHTNING),
    Peer("autogru", "autogru", needs=("neuralforecast",)),
    Peer("ray, 2 actors", "ray_tune", needs=("ray",)),
    Peer("ray, 2 actors reused", "ray_tune", ("--reuse",), ("ray",)),
    EXPERTS,
    Peer("ballast, 1 worker"),
    Peer("ballast, 2 workers", options=("--workers", "2")),
    Peer("ballast, torch", options=("--set", "training.kernel=torch")),
)
