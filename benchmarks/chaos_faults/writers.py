"""Commands that write what people keep, an exported file and a model, killed at each step of the writing.

After each kill the target has what it had before or what the command writes, whole. The command succeeds when
it is run again, and leaves nothing beside the target.
"""

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.chaos_faults.audit import Findings
from benchmarks.chaos_faults.faulty_worker import Moment, Order
from benchmarks.chaos_faults.moments import FILES, SAVE
from benchmarks.chaos_faults.study import Scene
from benchmarks.chaos_faults.workers import ChaosWorkers, crew_of, last_words

_LEFTOVERS = ".ballast-*.part"


@dataclass(frozen=True)
class Writer:
    """A command, the steps of its writing, and how its target is read; `before` is what lies there first."""

    moments: tuple[Moment, ...]
    arguments: tuple[str, ...]
    target: str
    content: Callable[[Path], object]
    before: tuple[str, ...]

    def order(self, scene: Scene, arguments: tuple[str, ...], dies: Moment | None = None) -> Order:
        """What a process is started with; files are named in the scene's folder."""
        named = tuple(argument.format(folder=scene.folder, study=scene.name) for argument in arguments)
        return replace(crew_of(scene, command=named), dies=dies)


def _file(path: Path) -> object:
    return path.read_bytes()


def _model(path: Path) -> object:
    """The weights; raises where the folder is not a whole model."""
    from trainer.inference.model_folder import load_model

    load_model(path)
    told = json.loads((path / "model.json").read_text(encoding="utf-8"))
    return (path / "weights.safetensors").read_bytes(), sorted(told)


_EXPORT_SECOND = ("export", "{study}", "--trial", "1", "-o", "{folder}/best.yaml")
_EXPORT_FIRST = ("export", "{study}", "--trial", "0", "-o", "{folder}/first.yaml")
EXPORTING = Writer(FILES, _EXPORT_SECOND, "best.yaml", _file, (*_EXPORT_FIRST[:-1], "{folder}/best.yaml"))
SAVING = Writer(
    SAVE,
    ("train", "{folder}/best.yaml", "--save", "{folder}/model"),
    "model",
    _model,
    ("train", "{folder}/first.yaml", "--save", "{folder}/model"),
)


def strike(writer: Writer, scene: Scene, faults: int, random: np.random.Generator) -> tuple[int, Findings]:
    """Kill the command `faults` times in a study that has ended; how often it died, and what was wrong."""
    found = Findings()
    with ChaosWorkers(scene, crew_of(scene)) as crew:
        crew.hire()
        crew.finish()
    for exported in (_EXPORT_SECOND, _EXPORT_FIRST):
        _done(writer.order(scene, exported), scene)
    target = scene.folder / writer.target
    struck = 0
    for moment in _steps(writer.moments, faults, random):
        _done(writer.order(scene, writer.before), scene)
        old = writer.content(target)
        struck += _ended(writer.order(scene, writer.arguments, moment), scene) == -signal.SIGKILL
        left = _content(writer, target)
        _done(writer.order(scene, writer.arguments), scene)
        if left not in (old, new := writer.content(target)):
            found.wrong["lost"].append(f"killed when {moment.name}: {target.name} is neither old nor new")
        if old == new:
            found.wrong["wrong values"].append(f"{target.name} is the same before and after")
        if leftovers := [path.name for path in scene.folder.glob(_LEFTOVERS)]:
            found.wrong["left running"].append(f"killed when {moment.name}: {leftovers} are left")
    return struck, found


def _steps(moments: tuple[Moment, ...], faults: int, random: np.random.Generator) -> Iterator[Moment]:
    for number in range(faults):
        yield moments[number] if number < len(moments) else moments[random.integers(len(moments))]


def _content(writer: Writer, target: Path) -> object:
    """What a kill has left; a sentence where it is not whole."""
    try:
        return writer.content(target)
    except Exception as error:  # whatever a reader says of it, it is not what stood there
        return f"not whole: {error}"


def _ended(order: Order, scene: Scene) -> int:
    with ChaosWorkers(scene, order) as crew:
        member = crew.hire(order.dies)
        member.process.join()
        code = member.process.exitcode
    assert code is not None, "it has ended"
    return code


def _done(order: Order, scene: Scene) -> None:
    if (code := _ended(order, scene)) != 0:
        raise RuntimeError(f"{' '.join(order.command)} ended with {code}: {last_words(scene)}")
