"""Files in JSON: read as strictly as YAML, with the line of what is wrong."""

import json
from pathlib import Path

import pytest

from search.config.files.reader import parse_mapping, plain_value, read_source
from search.config.resolve import resolve
from search.errors import ConfigError

STUDY = {
    "study": {"name": "demo"},
    "data": {
        "source": "sample:sp500",
        "time": "Date",
        "features": ["Close"],
        "target": {"column": "Close", "transform": "log_return", "kind": "return"},
        "split": {"train_until": "2010-12-31", "validation_until": "2014-12-31"},
    },
}
HOSTILE = {
    "study": 'a: b # c "q" \\ \u2028\u0085\u2029 😀 é \ud7ff',
    "numbers": [1, -1, 1e-5, 1.5e300, 0.1, 2**53],
    "look-alikes": ["1e3", "null", "true", "0o17", "~", "", "2010-12-31", "\t"],
    "nothing": None,
    "yes": True,
}


def _problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        resolve(path)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_json_is_read_back_as_it_was_written(
    tmp_path: Path, ascii_only: bool, indent: int | str | None
) -> None:
    path = tmp_path / "hostile.json"
    path.write_text(json.dumps(HOSTILE, ensure_ascii=ascii_only, indent=indent), encoding="utf-8")
    entries, problems = parse_mapping(read_source(path, "hostile.json"))
    assert {key: plain_value(node) for key, node in entries.items()} == HOSTILE
    assert problems == []


def test_a_study_in_json_is_the_study_in_yaml(tmp_path: Path) -> None:
    for name in ("study.json", "study.yaml"):
        (tmp_path / name).write_text(json.dumps(STUDY, indent=1))
    one, other = (resolve(tmp_path / name) for name in ("study.json", "study.yaml"))
    assert one.file == other.file
    assert one.settings["study.name"].origin == f"{tmp_path / 'study.json'}:3"


def test_every_problem_is_reported_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = STUDY | {"models": {"gru": {"lerning_rate": 1, "dropout": "much"}}}
    Path("study.json").write_text(json.dumps(wrong, indent="\t"))
    first, second = _problems(Path("study.json"))
    lines = Path("study.json").read_text().splitlines()
    for told, name in ((first, "lerning_rate"), (second, "dropout")):
        line = next(number for number, text in enumerate(lines, start=1) if name in text)
        assert told.startswith(f"study.json:{line}: ")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "study.json:1: not JSON at column 1: Expecting value"),
        ('{"study": {\n"name": demo}}', "study.json:2: not JSON at column 9: Expecting value"),
        ("study: {name: demo}\n", "study.json:1: not JSON at column 1: Expecting value"),
        ('{"a": 1,\n"a": 2}', "study.json:2: the key a is given twice, first at study.json:1; remove one"),
        ('{"a": "\\ud83d"}', "study.json:1: half of a surrogate pair is not text"),
        ("[" * 100_000, "study.json:1: nested more than 32 levels deep"),
    ],
)
def test_what_is_no_json_is_refused_at_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("study.json").write_text(text)
    assert any(told.startswith(sentence) for told in _problems(Path("study.json")))
