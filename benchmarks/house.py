"""Measures the structure of a checkout: rooms, floors, import arrows, circles, lines, length of functions.

Run it with `python -m benchmarks.house`, or with the folder of another checkout to compare two revisions:
`git worktree add ../before REVISION; python -m benchmarks.house ../before`. Nothing of the checkout is
imported. A room is a sub-package of `search` or `trainer`; the modules that lie flat in a package count as
one room. A floor is one more than the highest floor that a room imports; rooms of a circle share one.
"""

import argparse
import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

PACKAGES = ("ballast", "search", "trainer", "storage")


@dataclass(frozen=True)
class Graph:
    """Names that import names: modules, or rooms."""

    imports: Mapping[str, frozenset[str]]

    @property
    def arrows(self) -> int:
        """Pairs of which the first imports the second."""
        return sum(map(len, self.imports.values()))

    def circles(self) -> list[list[str]]:
        """The groups of two or more that import each other, directly or not."""
        reached = {name: self._reach(name) for name in self.imports}
        groups = {
            frozenset(other for other in reached[name] if name in reached[other]) | {name}
            for name in self.imports
            if name in reached[name]
        }
        return sorted(sorted(group) for group in groups if len(group) > 1)

    def floors(self) -> dict[str, int]:
        """The floor of each name, from 1 at the bottom."""
        together = {name: tuple(circle) for circle in self.circles() for name in circle}
        floors: dict[str, int] = {}

        def floor(name: str) -> int:
            if name not in floors:
                circle = together.get(name, (name,))
                below = {other for one in circle for other in self.imports[one]} - set(circle)
                height = 1 + max((floor(other) for other in below), default=0)
                floors.update(dict.fromkeys(circle, height))
            return floors[name]

        for name in self.imports:
            floor(name)
        return floors

    def _reach(self, start: str) -> set[str]:
        found: set[str] = set()
        waiting = list(self.imports[start])
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self.imports[name]
        return found


def modules_of(root: Path) -> dict[str, ast.Module]:
    """The parsed modules of the product's packages in the checkout `root`, by dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = ast.parse(path.read_text())
    return found


def module_graph(modules: Mapping[str, ast.Module]) -> Graph:
    """Which module imports which, at its top or inside a function."""
    return Graph({name: frozenset(_imported(tree, modules)) - {name} for name, tree in modules.items()})


def room_graph(modules: Graph, package: str) -> Graph:
    """Which room of `package` imports which."""
    rooms: dict[str, set[str]] = defaultdict(set)
    folders = {
        name.split(".")[1]
        for name in modules.imports
        if name.startswith(f"{package}.") and name.count(".") > 1
    }
    for name, targets in modules.imports.items():
        room = _room(name, package, folders)
        if room is not None:
            rooms[room] |= {other for target in targets if (other := _room(target, package, folders))} - {
                room
            }
    return Graph({room: frozenset(others) for room, others in rooms.items()})


def function_lengths(trees: Iterable[ast.Module]) -> list[int]:
    """The number of lines of each function and method."""
    return [
        node.end_lineno - node.lineno + 1
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None
    ]


def _room(module: str, package: str, folders: set[str]) -> str | None:
    first, _, rest = module.partition(".")
    if first != package:
        return None
    room = rest.partition(".")[0]
    return room if room in folders else "(flat)"


def _imported(tree: ast.Module, modules: Mapping[str, ast.Module]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in modules:
                    yield inner
                elif node.module in modules:
                    yield node.module


def main() -> None:
    """Print the measures of a checkout."""
    parser = argparse.ArgumentParser(description="Structure of a checkout")
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).parents[1])
    root: Path = parser.parse_args().root
    modules = modules_of(root)
    graph = module_graph(modules)
    print(f"{'package':10} {'rooms':>6} {'floors':>7} {'arrows':>7} {'circles':>8}")
    circles: list[tuple[str, list[str]]] = []
    for package in ("search", "trainer"):
        rooms = room_graph(graph, package)
        floors = max(rooms.floors().values())
        print(f"{package:10} {len(rooms.imports):6} {floors:7} {rooms.arrows:7} {len(rooms.circles()):8}")
        circles += [(package, circle) for circle in rooms.circles()]
    for package, circle in circles:
        print(f"circle in {package}: {', '.join(circle)}")
    for package in ("search", "trainer"):
        counts: dict[str, int] = defaultdict(int)
        folders = {
            name.split(".")[1] for name in modules if name.startswith(f"{package}.") and name.count(".") > 1
        }
        for name in modules:
            if (room := _room(name, package, folders)) is not None and name != package:
                counts[room] += 1
        print(
            f"files in rooms of {package}: " + ", ".join(f"{room} {n}" for room, n in sorted(counts.items()))
        )
    print(
        f"modules: {len(modules)}, imports {graph.arrows}, floors {max(graph.floors().values())}, "
        f"circles {len(graph.circles())}"
    )
    lines = sum(
        len(path.read_text().splitlines()) for package in PACKAGES for path in (root / package).rglob("*.py")
    )
    lengths = function_lengths(modules.values())
    over = sum(length > 40 for length in lengths)
    print(f"files {len(modules)}, lines {lines}")
    print(f"functions {len(lengths)}, median {median(lengths):.0f} lines, {over} over 40")


if __name__ == "__main__":
    main()
