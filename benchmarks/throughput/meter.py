"""Counts what is sent to a database."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, event

_WRITES = ("INSERT", "UPDATE", "DELETE")


@dataclass
class Meter:
    """Statements, and transactions that wrote something, of the engines that are watched."""

    statements: int = 0
    commits: int = 0
    _writing: set[int] = field(default_factory=set, repr=False)

    def watch(self, *engines: Engine) -> None:
        """Count from now on."""
        for engine in engines:
            event.listen(engine, "before_cursor_execute", self._sent)
            event.listen(engine, "commit", self._committed)

    def _sent(self, connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            self.statements += 1
        if statement.startswith(_WRITES):
            self._writing.add(id(connection))

    def _committed(self, connection: Any) -> None:
        self.commits += id(connection) in self._writing
        self._writing.discard(id(connection))
