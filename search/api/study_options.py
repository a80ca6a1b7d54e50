"""A study and the options of `run` and `check`, which both resolve in the same way."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.api.stores import store_url

if TYPE_CHECKING:
    from search.config.files.reader import ConfigSource
    from search.config.resolved_study import ResolvedStudy
    from storage.engine import Store


@dataclass(frozen=True)
class StudyOptions:
    """A study and the options that a command or a call gave with it."""

    study: "Path | ConfigSource"
    """Its file, or its text where a program gave a dict."""
    sets: Sequence[str] = ()
    trials: str | None = None
    timeout: str | None = None
    name: str | None = None
    warm_starts: Sequence[Path] = ()
    policy: Path | None = None
    store: str | None = None
    strict: bool = False
    data: Any = None
    """A frame in place of `data.source`; None: there is none."""
    _found: "dict[int, tuple[ResolvedStudy, str | None]]" = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """What `resolve` returned, by version of the defaults."""

    def resolve(self, defaults: int) -> "tuple[ResolvedStudy, str | None]":
        """The resolved study in its store, and the address of its MLflow, if it has one. `defaults` is the
        version of a recorded study's defaults, else `search.config.resolved_study.DEFAULTS_VERSION`. Only
        the first call reads files.
        """
        if defaults not in self._found:
            self._found[defaults] = self._resolve(defaults)
        return self._found[defaults]

    def headline(self) -> str:
        """`study NAME in STORE`, told before the modules that a run needs are imported, which takes 1 s."""
        from search.config.resolved_study import DEFAULTS_VERSION
        from storage.commands import masked_url

        resolved, _ = self.resolve(DEFAULTS_VERSION)
        return f"study {resolved.file.study.name} in {masked_url(self.url_of(resolved))}"

    def _resolve(self, defaults: int) -> "tuple[ResolvedStudy, str | None]":
        from search.tracking.mlflow_uri import resolve_mlflow_uri

        if self.data is None:
            found = self._resolved((), defaults)
        else:
            found = self._resolved((self._keep_frame(defaults),), defaults)
        url = self.url_of(found)
        found = found.with_frames_found(url)
        if url != found.file.storage.url:
            found = found.stored_at(url, "BALLAST_STORE" if self.store is None else "--store")
        return resolve_mlflow_uri(found)

    def _resolved(self, more: Sequence[str], defaults: int, *, wildcards: bool = True) -> "ResolvedStudy":
        from search.config.resolve import resolve

        return resolve(
            self.study,
            (*self._all_sets(), *more),
            policy=self.policy,
            warm_starts=self.warm_starts,
            defaults=defaults,
            wildcards=wildcards,
        )

    def _keep_frame(self, defaults: int) -> str:
        """Keep the frame beside the store, and return the `data.source=…` that names its file.

        The folder depends on the study, so the study is resolved once with a placeholder for the file's name.
        """
        from search.api.frames import keep_frame, parquet_bytes
        from search.store_files import frame_file

        found = self._resolved(("data.source=frame.parquet",), defaults, wildcards=False)
        content = parquet_bytes(self.data, found.trial_config.data.time_columns[0])
        digest = hashlib.sha256(content).hexdigest()
        path = frame_file(self.url_of(found), found.file.storage.files, digest)
        keep_frame(content, path)
        return f"data.source={json.dumps(str(path), ensure_ascii=False)}"

    def url_of(self, resolved: "ResolvedStudy") -> str:
        """The URL of the store of the study."""
        return store_url(self.store, resolved.file.storage.url)

    def resolve_again(self, store: "Store", name: str) -> "tuple[ResolvedStudy, str | None] | None":
        """As `resolve`, with the defaults of the recorded study of this name; None if those are today's."""
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
            self.study if isinstance(self.study, Path) else "STUDY.yaml",
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
        """All settings as `--set` texts. Short options are recorded as `--set`; a name is always text."""
        text = None if self.name is None else json.dumps(self.name, ensure_ascii=False)
        short = {"study.trials": self.trials, "study.timeout": self.timeout, "study.name": text}
        return [*self.sets, *(f"{key}={value}" for key, value in short.items() if value is not None)]
