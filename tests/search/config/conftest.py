"""Small files to resolve: a writer, and a study that is valid as it stands."""

from collections.abc import Callable
from pathlib import Path

import pytest

from search.config.resolve import resolve
from search.config.resolved_study import ResolvedStudy
from search.errors import ConfigError

STUDY = """\
study: {name: demo}
data:
  source: sample:sp500
  time: Date
  features: [Close]
  target: {column: Close, transform: log_return, kind: return}
  split: {train_until: 2010-12-31, validation_until: 2014-12-31}
"""
"""Seven lines; what a test appends starts on line 8."""

Resolve = Callable[..., ResolvedStudy]
Refuse = Callable[..., list[str]]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Resolve STUDY with more text, beside an own base and policy file where a test gives them."""
    monkeypatch.chdir(tmp_path)

    def make(
        more: str = "", *sets: str, study: str = STUDY, base: str | None = None, policy: str | None = None
    ) -> ResolvedStudy:
        Path("study.yaml").write_text(study + more)
        for name, text in (("base.yaml", base), ("policy.yaml", policy)):
            if text is not None:
                Path(name).write_text(text)
        return resolve(
            Path("study.yaml"),
            sets,
            base=None if base is None else Path("base.yaml"),
            policy=None if policy is None else Path("policy.yaml"),
        )

    return make


@pytest.fixture
def refuse(make: Resolve) -> Refuse:
    """Return the problems that resolving ends with, one text each."""

    def refuse(
        more: str = "", *sets: str, study: str = STUDY, base: str | None = None, policy: str | None = None
    ) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            make(more, *sets, study=study, base=base, policy=policy)
        return [str(problem) for problem in caught.value.problems]

    return refuse
