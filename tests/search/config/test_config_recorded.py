"""A study resolved again from what the store keeps of it, on a machine without its files."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from search.config.files.passwords import masked_set, masked_yaml
from search.config.files.shipped import CONFIGS
from search.config.resolve import resolve, resolve_recorded
from search.config.resolved_study import ResolvedStudy
from search.errors import ConfigError
from search.record.row_mapping import without_password

Resolve = Callable[..., ResolvedStudy]

SPACE = """\
space:
  models.gru.learning_rate: {low: 1e-5, high: 1e-1, log: true}
  models.gru.hidden_size: {choices: [16, 32, 64, 256]}
study.enqueue: [{models.gru.learning_rate: 0.5, models.gru.hidden_size: 32}]
"""


def again(resolved: ResolvedStudy, folder: Path | None = None) -> ResolvedStudy:
    """The study from its sources, which have been JSON in the store meanwhile."""
    return resolve_recorded(json.loads(json.dumps(resolved.sources)), folder=folder)


def assert_same(found: ResolvedStudy, resolved: ResolvedStudy) -> None:
    """Equal in everything but the password of the store, and in where the folder is seen from."""
    settings = {key: without_password(setting) for key, setting in resolved.settings.items()}
    storage = resolved.file.storage.model_copy(update={"url": settings["storage.url"].value})
    file = resolved.file.model_copy(update={"storage": storage})
    found_storage = found.file.storage.model_copy(update={"url": found.settings["storage.url"].value})
    found = replace(found, file=found.file.model_copy(update={"storage": found_storage}))
    assert found == replace(resolved, settings=settings, file=file, folder=found.folder)
    assert found.fingerprints() == resolved.fingerprints()


def test_a_study_comes_back_from_its_sources_without_its_files(make: Resolve) -> None:
    policy = "models.gru.learning_rate: {low: 1e-6, high: 1e-3, why: w, source: s}\n"
    resolved = make(
        SPACE, "models.gru.dropout=0.9", "study.trials=7", base="study.pruner: none\n", policy=policy
    )
    for name in ("study.yaml", "base.yaml", "policy.yaml"):
        Path(name).unlink()
    found = again(resolved)
    assert_same(found, resolved)
    assert found.settings["models.gru.learning_rate"].origin == "study.yaml:9"
    assert found.enqueued == ({"models.gru.learning_rate": 1e-3, "models.gru.hidden_size": 32},)
    assert found.sources == resolved.sources


def test_a_chain_of_policies_comes_back_whole(make: Resolve, tmp_path: Path) -> None:
    path = CONFIGS / "safe_ranges.conservative.yaml"
    (tmp_path / "study.yaml").write_text(make(SPACE).sources["study"]["text"])
    resolved = resolve(tmp_path / "study.yaml", policy=path)
    assert [source["shown"] for source in resolved.sources["policy"]] == [
        str(path),
        str(CONFIGS / "safe_ranges.yaml"),
    ]
    assert again(resolved).policy == resolved.policy


def test_relative_data_is_read_where_the_study_was_started_or_in_the_folder_given(
    make: Resolve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved = make("data.source: prices.csv\n", study=_WITHOUT_SOURCE)
    monkeypatch.chdir("/")
    assert again(resolved).folder == tmp_path.resolve()
    moved = again(resolved, Path("/elsewhere"))
    assert (moved.folder, moved.settings) == (Path("/elsewhere"), resolved.settings)


_WITHOUT_SOURCE = """\
study: {name: demo}
data:
  time: Date
  features: [Close]
  target: {column: Close, transform: log_return, kind: return}
  split: {train_until: 2010-12-31, validation_until: 2014-12-31}
"""


def test_the_texts_are_kept_letter_for_letter(make: Resolve) -> None:
    resolved = make("# café, with a comment for bob@example.org \\ and more\r\nstudy.seed: 3\r\n")
    assert resolved.sources["study"]["text"] == Path("study.yaml").read_bytes().decode()
    assert resolved.sources["base"] == {
        "shown": "configs/base.yaml",
        "text": (CONFIGS / "base.yaml").read_text(),
    }


PASSWORD = "s3cr%21 t'p\\w@rd:ü#{x}&y"
"""With a blank, both quotes' enemies, an @, a colon, a comment's sign and brackets."""
URL = f"postgresql://ada:{PASSWORD}@db.example:5432/ballast"
QUOTED = json.dumps(URL)
SINGLE = "'" + URL.replace("'", "''") + "'"
ESCAPED = '"' + "".join(f"\\u{ord(c):04x}" for c in URL) + '"'
PLAIN = "postgresql://ada:s3cr%21p@w/rd@db.example:5432/ballast"

SPELLINGS = {
    "dotted": f"storage.url: {QUOTED}\n",
    "nested": f"storage:\n  patience: 5m\n  url: {QUOTED}   # the real one\n  files: here\n",
    "inline": f"storage: {{patience: 5m, url: {QUOTED}, files: here}}\n",
    "inline first": f"storage: {{url: {SINGLE}, files: here}}\n",
    "single quotes": f"storage: {{'url': {SINGLE}}}\n",
    "escapes": f'"storage": {{"url": {ESCAPED}}}\n',
    "plain": f"storage.url: {PLAIN}\n",
    "on its own line": f"storage:\n  url:\n    {PLAIN}\n",
    "block": f"storage:\n  url: |-\n    {URL}\n  files: here\n",
    "folded": "storage:\n  url: >-\n    postgresql://ada:s3cr%21\n    t'pw@db/ballast\n\n  files: x\n",
    "over lines": 'storage:\n  url: "postgresql://ada:s3cr%21\\\n    tpw@db/ballast"\n  files: x\n',
    "in a parameter": "storage.url: 'postgresql://db/ballast?user=ada&password=s3cr%21 tpw&a=b'\n",
    "comment": "storage.url: postgresql://db/ballast # was postgresql://ada:s3cr%21@db\n",
    "user with an at": "storage.url: postgresql://ada@corp:s3cr%21@db.example:5432/ballast\n",
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_no_password_of_a_study_file_is_kept(make: Resolve, spelling: str) -> None:
    resolved = make(f"{spelling}study.seed: 3\n")
    kept = json.dumps(resolved.sources, ensure_ascii=False)
    assert not [part for part in ("s3cr", "tpw", "t'p", "ü", "0073\\\\u0033") if part in kept]
    found = again(resolved)
    assert_same(found, resolved)
    assert found.file.storage.url == without_password(resolved.settings["storage.url"]).value
    assert found.settings["study.seed"].origin == resolved.settings["study.seed"].origin


SETS = {
    "plain": [f"storage.url={PLAIN}"],
    "double quotes": [f"storage.url={QUOTED}"],
    "single quotes": [f"storage.url = {SINGLE}"],
    "escapes": [f"storage.url={ESCAPED}"],
    "inline": [f"storage={{url: {QUOTED}, patience: 5m, files: here}}"],
    "block": [f"storage.url=|-\n  {URL}"],
    "parameter": ["storage.url=postgresql://db/ballast?user=ada&password=s3cr%21&a=b"],
}


@pytest.mark.parametrize("sets", SETS.values(), ids=SETS)
def test_no_password_of_the_command_line_is_kept_or_shown_as_an_origin(
    make: Resolve, sets: list[str]
) -> None:
    resolved = make("", *sets)
    origins = [override.origin for setting in resolved.settings.values() for override in setting.overrides]
    kept = json.dumps([resolved.sources, origins], ensure_ascii=False)
    assert not [part for part in ("s3cr", "t'p", "ü", "0073\\\\u0033") if part in kept]
    assert_same(again(resolved), resolved)


def test_no_password_of_a_store_that_comes_before_the_file_is_kept(make: Resolve) -> None:
    resolved = make("storage.url: sqlite:///other.db\n").stored_at(URL, "--store")
    assert "s3cr" not in json.dumps(resolved.sources)
    found = again(resolved)
    assert found.settings["storage.url"].overrides[-1].origin == "--store"
    assert_same(found, resolved)


def test_an_error_about_a_set_does_not_tell_the_password_beside_it(make: Resolve) -> None:
    with pytest.raises(ConfigError) as caught:
        make("", f"storage={{url: {QUOTED}, patience: soon}}")
    assert "storage.patience is the text 'soon'" in str(caught.value)
    assert "s3cr" not in str(caught.value)


@pytest.mark.parametrize("text", [*SPELLINGS.values(), *(f"a={text}" for (text,) in SETS.values())])
def test_what_is_masked_is_masked_once(text: str) -> None:
    once = masked_yaml(text)
    assert masked_yaml(once) == once
    assert once.count("\n") == text.count("\n")


@pytest.mark.parametrize(
    "text",
    ["storage.url=*a@b", "storage.url=&a [*a, 'u://a:b@c']", "storage.url='open", "no equals u://a:s3cr@b"],
)
def test_text_that_is_no_setting_is_masked_without_an_error(text: str) -> None:
    assert "s3cr" not in masked_set(text)
    assert masked_set(masked_set(text)) == masked_set(text)


def test_a_study_on_record_of_before_keeps_its_clip_and_its_safe_range(make: Resolve) -> None:
    rows = ("data.target.window=21", "data.target.horizon=21")
    for asked in ((), ("data.target.clip=0.8",)):
        now = make("", *rows, *asked)
        older = resolve_recorded({key: value for key, value in now.sources.items() if key != "defaults"})
        assert older.settings["data.target.clip"].value == 0.1
        assert older.settings["data.target.clip_follows_spread"].value is None
        assert older.is_older
        assert resolve_recorded(older.sources).settings == older.settings
        assert resolve_recorded(now.sources).settings == now.settings
        assert not now.is_older
