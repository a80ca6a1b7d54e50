"""Suggested commands: whatever name, path or URL is in them, a shell gives it back as it was."""

import shlex
from pathlib import Path

import pytest

from storage.commands import PASSWORD_NOTE, ballast_command, mask_passwords

STRANGE = (
    "plain",
    "a b",
    "it's",
    'say "x"',
    "$HOME",
    "a;rm *",
    "x&y|z",
    "ü\u2028",
    "#1",
    "--set",
    "-o",
    "~/x",
)


@pytest.mark.parametrize("text", STRANGE)
def test_a_shell_reads_what_was_meant(text: str) -> None:
    told = ballast_command("trials", text, verdict=text, set=[text, text], store=f"sqlite:///{text}?a=1&b=2")
    words = shlex.split(told)
    assert words[:2] == ["ballast", "trials"]
    assert words.count(text) + sum(word in (f"--set={text}", f"--verdict={text}") for word in words) == 4
    assert f"sqlite:///{text}?a=1&b=2" in words
    if text.startswith("-"):
        assert words[-2:] == ["--", text]


def test_options_are_written_as_they_are_typed() -> None:
    told = ballast_command(
        "export", "small", store="sqlite:///x.db", trial=3, o=Path("my best.yaml"), verify=True, by=None
    )
    assert told == "ballast export small --store sqlite:///x.db --trial 3 -o 'my best.yaml' --verify"
    assert ballast_command("db upgrade", create=False, warm_start=["a", "b"]) == (
        "ballast db upgrade --warm-start a --warm-start b"
    )


@pytest.mark.parametrize(
    "url", ["postgresql://ada:se cret@db/ballast", "postgresql://db/ballast?user=ada&password=secret"]
)
def test_a_password_is_masked_and_the_command_says_where_to_write_it(url: str) -> None:
    told = ballast_command("status", store=url)
    assert "cret" not in told
    assert told.endswith(PASSWORD_NOTE)
    assert "***" in shlex.split(told, comments=True)[-1]


def test_a_password_is_masked_and_the_sentence_around_it_stays() -> None:
    sentence = "mysql://u:secret@h/db: not supported; use postgresql://USER@HOST/DATABASE"
    assert (
        mask_passwords(sentence) == "mysql://u:***@h/db: not supported; use postgresql://USER@HOST/DATABASE"
    )
