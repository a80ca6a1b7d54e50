"""The files that ship: complete, equal to the defaults, and resolvable."""

import subprocess
import sys
from pathlib import Path

import pytest

from search.config.files.reader import ConfigSource, Node, parse_mapping, plain_value, read_source
from search.config.files.shipped import CONFIGS
from search.config.flat_keys import flatten
from search.config.leaves import leaf_values
from search.config.resolve import resolve
from search.config.safe_ranges import read_policy
from search.config.schema import LEAVES, TRIAL_LEAVES
from search.errors import Location

STUDIES = sorted((CONFIGS / "studies").glob("*.yaml"))


def test_base_sets_every_setting_that_is_not_a_studys_own_to_its_default() -> None:
    entries, problems = parse_mapping(read_source(CONFIGS / "base.yaml", "base.yaml"))
    found, unknown = flatten(Node(entries, Location("base.yaml")), LEAVES)
    assert problems + unknown == []
    expected = {
        key: leaf.default
        for key, leaf in LEAVES.items()
        if key != "study.name" and not key.startswith("data.")
    }
    assert {key: LEAVES[key].check(plain_value(node)) for key, node in found} == expected


def test_base_comments_every_setting() -> None:
    lines = (CONFIGS / "base.yaml").read_text().splitlines()
    entries, _ = parse_mapping(read_source(CONFIGS / "base.yaml", "base.yaml"))
    found, _ = flatten(Node(entries, Location("base.yaml")), LEAVES)
    assert [key for key, node in found if " # " not in lines[node.location.line - 1]] == []


def test_the_defaults_are_safe() -> None:
    policy = read_policy(CONFIGS / "safe_ranges.yaml")
    resolved = resolve(CONFIGS / "studies" / "sp500-return.yaml")
    defaults = {key: leaf.default for key, leaf in TRIAL_LEAVES.items() if not leaf.required}
    assert set(policy.ranges) <= set(defaults)
    assert resolved.clamps == ()


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
@pytest.mark.parametrize("policy", ["safe_ranges.yaml", "safe_ranges.conservative.yaml"])
def test_a_bundled_study_resolves_under_both_policies(path: Path, policy: str) -> None:
    resolved = resolve(path, policy=CONFIGS / policy)
    assert resolved.file.study.name == path.stem
    assert resolved.space
    assert set(leaf_values(resolved.trial_config, TRIAL_LEAVES)) <= set(resolved.settings)


def test_the_holdout_study_shows_its_two_clamps() -> None:
    resolved = resolve(CONFIGS / "studies" / "sp500-holdout.yaml")
    assert [(clamp.key, clamp.effective) for clamp in resolved.clamps] == [
        ("models.gru.learning_rate", {"low": 1e-5, "high": 1e-2, "log": True}),
        ("models.gru.hidden_size", {"choices": [16, 32, 64]}),
    ]


def test_the_recommended_studies_differ_in_their_data_and_batches_alone() -> None:
    demo, *others = (
        resolve(CONFIGS / "studies" / f"{name}-volatility.yaml") for name in ("sp500", "nasdaq", "wti")
    )
    own = {"study.name", "models.gru.batch_size", "data.source", "data.features", "data.target"}
    for other in others:
        unlike = {key for key, setting in demo.settings.items() if other.settings[key].value != setting.value}
        assert {key for key in unlike if not key.startswith("data.target.")} <= own


def test_the_recommended_ranges_are_safe_and_decide_all_that_they_search() -> None:
    resolved = resolve(CONFIGS / "studies" / "sp500-volatility.yaml")
    assert resolved.clamps == ()
    assert resolved.trial_config.training.schedule == "cosine"
    assert resolved.trial_config.data.split.method == "walk_forward"
    assert {feature.transform for feature in resolved.trial_config.data.features} > {
        "log_return",
        "abs_log_return",
        "log_parkinson",
    }


def test_the_readme_shows_the_recommended_recipe() -> None:
    shown = (CONFIGS.parent / "README.md").read_text().partition("```yaml\n")[2].partition("```")[0]
    readme = resolve(ConfigSource("README.md", shown))
    recommended = resolve(CONFIGS / "studies" / "sp500-volatility.yaml")
    assert readme.space == recommended.space
    for key, setting in recommended.settings.items():
        assert key == "data.features" or readme.settings[key].value == setting.value


def test_resolving_imports_neither_torch_nor_optuna_nor_pandas() -> None:
    heavy = "{'torch', 'optuna', 'mlflow', 'pandas', 'numpy', 'sqlalchemy'}"
    code = f"import sys, search.config.resolve; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
