"""The studies of the table of verified skill."""

import pytest

from benchmarks.verified import ROOT, STUDIES
from search.config.resolve import resolve


@pytest.mark.parametrize("name", STUDIES)
def test_the_studies_of_the_table_keep_the_rows_after_2014_for_it(name: str) -> None:
    config = resolve(ROOT / "configs" / "studies" / f"{name}.yaml").trial_config.data
    assert config.split.validation_until == "2014-12-31"
    assert any(feature.transform == "log_return" for feature in config.features)  # for HAR with losses
