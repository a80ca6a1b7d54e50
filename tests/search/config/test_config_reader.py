"""YAML in: YAML 1.2 scalars, places, and everything that is refused."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.config.files.reader import MAX_BYTES, parse, parse_mapping, parse_scalar, plain_value, read_source
from search.errors import ConfigError, Location


def problems_of(text: str) -> list[str]:
    try:
        _, problems = parse(text, Location("f.yaml", 1))
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 100000.0),
        ("-.5", -0.5),
        ("+12", 12),
        ("017", 17),
        ("0o17", 15),
        ("0xff", 255),
        ("12.", 12.0),
        ("-.inf", -math.inf),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("2010-12-31", "2010-12-31"),
        ("e5", "e5"),
        (".", "."),
        ("1e", "1e"),
    ],
)
def test_a_plain_scalar_is_read_as_yaml_1_2_says(text: str, value: Any) -> None:
    assert parse_scalar(text) == value
    assert type(parse_scalar(text)) is type(value)


def test_nan_is_a_number_that_later_checks_refuse() -> None:
    found = parse_scalar(".nan")
    assert isinstance(found, float)
    assert math.isnan(found)


def test_a_quoted_number_is_text() -> None:
    node, problems = parse("a: '1'\nb: \"1e-3\"\nc: |\n  3\n", Location("f", 1))
    assert plain_value(node) == {"a": "1", "b": "1e-3", "c": "3\n"}
    assert problems == []


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_that_python_prints_is_read_back(value: float) -> None:
    assert parse_scalar(repr(value)) == value


def test_each_value_knows_the_line_of_its_key() -> None:
    node, _ = parse("a:\n  b: 1\n  c:\n    - x\n    - y\n", Location("f.yaml", 1))
    inner = node.value["a"].value
    assert str(inner["b"].location) == "f.yaml:2"
    assert str(inner["c"].location) == "f.yaml:3"
    assert [str(item.location) for item in inner["c"].value] == ["f.yaml:4", "f.yaml:5"]


def test_a_duplicate_key_is_reported_with_both_lines() -> None:
    assert problems_of("a:\n  x: 1\n  y: 2\n  x: 3\n") == [
        "f.yaml:4: the key x is given twice, first at f.yaml:2; remove one"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a:\n\tb: 1", r"^f.yaml:2: not YAML at column 1: .*indent with spaces, not tabs$"),
        ("a: 1\nb: [1,\n", r"^f.yaml:3: not YAML at column 1: while parsing a flow node"),
        ("a: b: c", r"^f.yaml:1: not YAML at column 5: mapping values are not allowed"),
        ("a: &x 1", r"the anchor &x is not supported; write the value out"),
        ("a: *x", r"the alias \*x is not followed; write the value out"),
        ("<<: {a: 1}", r"merge keys \(<<\) are not supported"),
        ("a: !!python/object/apply:os.system [ls]", r"the tag .*os.system is not supported"),
        ("a: !!int '3'", r"the tag .*int is not supported"),
        ("a: 1\n---\na: 2", r"^f.yaml:2: a second document starts here"),
        ("a: 1\n1: x", r"^f.yaml:2: the key 1 is not a name"),
        ("null: x", r"the key None is not a name"),
        ("? [a, b]\n: x", r"the key \['a', 'b'\] is not a name"),
        ('a: "\\UFFFFFFFF"', r"an escape sequence is not a character"),
        ('a: "\\uD800"', r"half of a surrogate pair"),
        ("a: 1\nb: \x00", r"^f.yaml:2: not YAML: the character #x0000 is not allowed"),
        ("a: " + "9" * 5000, r"the number 9+… is too large"),
        ("[" * 4000, r"nested more than 32 levels deep"),
        ("%YAML 9.9\n---\na: 1", r"not YAML at column 1"),
    ],
)
def test_what_is_not_plain_data_is_refused_with_its_line(text: str, message: str) -> None:
    assert re.search(message, problems_of(text)[0])


def test_an_alias_bomb_is_refused_without_being_followed() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40)]
    assert len(problems_of("\n".join(lines))) == 40 + 2 * 39


def test_a_cycle_is_refused() -> None:
    assert any("alias *a is not followed" in problem for problem in problems_of("a: &a [*a]"))


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("# only a comment\n")
    assert parse_mapping(read_source(path, "empty.yaml")) == ({}, [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"- a\n- b\n", "^s.yaml:1: the file holds a list where sections"),
        (b"hello\n", "^s.yaml:1: the file holds the single value 'hello'"),
        (b"a: 1\nb: \xff\n", "^s.yaml:2: byte 0xff is not UTF-8"),
        (b"a: " + b"x" * MAX_BYTES, "^s.yaml: the file has more than 1000000 bytes"),
    ],
)
def test_a_file_that_is_no_mapping_of_text_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        parse_mapping(read_source(path, "s.yaml"))


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    entries, problems = parse_mapping(read_source(path, "s.yaml"))
    assert {key: plain_value(node) for key, node in entries.items()} == {"a": 1, "b": 2}
    assert problems == []
    assert str(entries["b"].location) == "s.yaml:2"


def test_a_missing_file_names_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "volatility.yaml").touch()
    with pytest.raises(ConfigError, match=r"there is no such file; did you mean .*volatility\.yaml\?"):
        parse_mapping(read_source(tmp_path / "volatilty.yaml", "volatilty.yaml"))


def test_a_missing_folder_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the folder .*nowhere does not exist either"):
        parse_mapping(read_source(tmp_path / "nowhere" / "a.yaml", "a.yaml"))
    with pytest.raises(ConfigError, match="this is a folder; name a YAML file in it"):
        parse_mapping(read_source(tmp_path, "folder"))
