"""Flattens a tree of YAML to dotted keys; nested and dotted spellings of a key are the same key."""

from collections.abc import Iterable

from search.config.files.reader import Node
from search.config.leaves import did_you_mean, format_value, sections_of
from search.errors import MAX_SHOWN_PROBLEMS, Problem


def flatten(root: Node, known: Iterable[str]) -> tuple[list[tuple[str, Node]], list[Problem]]:
    """Return the known leaves that a mapping sets, in its order, and what is wrong with its keys.

    A leaf keeps its node whole, even if that is a mapping or a list. A section that is null sets nothing.
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
            self._add_leaf(key, node)
        elif key not in self.sections:
            self._add_problem(node, self._unknown(key))
        elif isinstance(node.value, dict):
            self.enter(f"{key}.", node)
        elif node.value is not None:
            shown = "a list" if isinstance(node.value, list) else format_value(node.value)
            self._add_problem(
                node, f"{key} is {shown}; it is a section with {', '.join(self._children(key))}"
            )

    def _add_leaf(self, key: str, node: Node) -> None:
        first = self.found.setdefault(key, node)
        if first is not node:
            self._add_problem(node, f"the key {key} is given twice, first at {first.location}; remove one")

    def _unknown(self, key: str) -> str:
        whole = next((leaf for leaf in self.leaves if key.startswith(f"{leaf}.")), None)
        if whole is not None:
            return f"{key} cannot be set by itself; give {whole} as a whole"
        if len(self.problems) >= MAX_SHOWN_PROBLEMS:
            return f"unknown key {key}"  # not shown any more, and a search for a similar key is slow
        return f"unknown key {key}; {did_you_mean(key, self.leaves | self.sections)}"

    def _children(self, section: str) -> list[str]:
        prefix = f"{section}." if section else ""
        names = (leaf[len(prefix) :].partition(".")[0] for leaf in self.leaves if leaf.startswith(prefix))
        return sorted(set(names))

    def _add_problem(self, node: Node, message: str) -> None:
        self.problems.append(Problem(node.location, message))
