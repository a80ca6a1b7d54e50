"""What `run` and `check` are asked: one study with its options, resolved alike by both."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from search.cli.options import store_url

if TYPE_CHECKING:
    from search.config.resolved_study import ResolvedStudy
    from storage.engine import Store


@dataclass(frozen=True)
class StudyOptions:
    """A study file and the options of the command line that decide what becomes of it."""

    path: Path
    sets: Sequence[str] = ()
    trials: str | None = None
    timeout: str | None = None
    name: str | None = None
    warm_starts: Sequence[Path] = ()
    policy: Path | None = None
    store: str | None = None
    strict: bool = False

    def resolve(self, defaults: int) -> "tuple[ResolvedStudy, str | None]":
        """The study in its store, and the address of its MLflow, if it has one. `defaults` is that of a study
        on record, else `search.config.resolved_study.DEFAULTS_VERSION`.
        """
        from search.config.resolve import resolve
        from search.tracking.mlflow_uri import resolve_mlflow_uri

        found = resolve(
            self.path, self._all_sets(), policy=self.policy, warm_starts=self.warm_starts, defaults=defaults
        )
        url = self.url_of(found)
        if url != found.file.storage.url:
            found = found.stored_at(url, "BALLAST_STORE" if self.store is None else "--store")
        return resolve_mlflow_uri(found)

    def url_of(self, resolved: "ResolvedStudy") -> str:
        """Where the store of the study is."""
        return store_url(self.store, resolved.file.storage.url)

    def resolve_again(self, store: "Store", name: str) -> "tuple[ResolvedStudy, str | None] | None":
        """The same with the defaults of the study of this name on record; None where they are those of
        today.
        """
        from search.config.resolved_study import DEFAULTS_VERSION
        from search.record.continuation import recorded_defaults_version

        defaults = recorded_defaults_version(store, name)
        return None if defaults == DEFAULTS_VERSION else self.resolve(defaults)

    def run_command(self) -> str:
        """`ballast run` with the same options."""
        from search.config.files.passwords import masked_set
        from storage.commands import ballast_command

        return ballast_command(
            "run",
            self.path,
            set=[masked_set(text) for text in self.sets],
            trials=self.trials,
            timeout=self.timeout,
            name=self.name,
            warm_start=self.warm_starts,
            policy=self.policy,
            strict=self.strict,
            store=self.store,
        )

    def _all_sets(self) -> list[str]:
        """The short options are `--set` by another name, and are recorded as such; a name is always text."""
        text = None if self.name is None else json.dumps(self.name, ensure_ascii=False)
        short = {"study.trials": self.trials, "study.timeout": self.timeout, "study.name": text}
        return [*self.sets, *(f"{key}={value}" for key, value in short.items() if value is not None)]
