"""From a tree of YAML to the leaves that it sets: nested and dotted spellings of a key are the same key."""

from collections.abc import Iterable

from search.config.leaves import did_you_mean, format_value, sections_of
from search.config.reader import Node
from search.errors import MOST_TOLD, Problem


def flatten(root: Node, known: Iterable[str]) -> tuple[list[tuple[str, Node]], list[Problem]]:
    """Return the known leaves that a mapping sets, in its order, and what is wrong with its keys.

    A leaf's node is taken whole, be it a mapping or a list. A section that is null sets nothing.
    """
    keys = frozenset(known)
    walk = _Walk(keys, sections_of(keys))
    walk.enter("", root)
    return list(walk.found.items()), walk.problems


class _Walk:
    def __init__(self, leaves: frozenset[str], sections: frozenset[str]) -> None:
        self.leaves = leaves
        self.sections = sections
        self.found: dict[str, Node] = {}
        self.problems: list[Problem] = []

    def enter(self, prefix: str, section: Node) -> None:
        for name, node in section.value.items():
            self._visit(f"{prefix}{name}", node)

    def _visit(self, key: str, node: Node) -> None:
        if key in self.leaves:
            self._claim(key, node)
        elif key not in self.sections:
            self._tell(node, self._unknown(key))
        elif isinstance(node.value, dict):
            self.enter(f"{key}.", node)
        elif node.value is not None:
            shown = "a list" if isinstance(node.value, list) else format_value(node.value)
            self._tell(node, f"{key} is {shown}; it is a section with {', '.join(self._children(key))}")

    def _claim(self, key: str, node: Node) -> None:
        first = self.found.setdefault(key, node)
        if first is not node:
            self._tell(node, f"the key {key} is given twice, first at {first.place}; remove one")

    def _unknown(self, key: str) -> str:
        whole = next((leaf for leaf in self.leaves if key.startswith(f"{leaf}.")), None)
        if whole is not None:
            return f"{key} cannot be set by itself; give {whole} as a whole"
        if len(self.problems) >= MOST_TOLD:
            return f"unknown key {key}"  # nobody is told, and a look for one that is alike takes long
        return f"unknown key {key}; {did_you_mean(key, self.leaves | self.sections)}"

    def _children(self, section: str) -> list[str]:
        prefix = f"{section}." if section else ""
        names = (leaf[len(prefix) :].partition(".")[0] for leaf in self.leaves if leaf.startswith(prefix))
        return sorted(set(names))

    def _tell(self, node: Node, message: str) -> None:
        self.problems.append(Problem(node.place, message))
