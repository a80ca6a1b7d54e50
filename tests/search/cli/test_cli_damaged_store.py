"""A store with flipped bits: every command gives its answer or one sentence, and never a traceback."""

import random
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, Launch, WriteStudy

DAMAGES = {
    "text that is no UTF-8": "UPDATE ballast_studies SET study_file = CAST(x'ff41' AS TEXT)",
    "JSON that is none": 'UPDATE ballast_studies SET facts = \'{"baseline""\'',
    "a number that is none": "UPDATE ballast_trials SET value = '0.4x'",
    "a moment that is none": "UPDATE ballast_trials SET started_at = '2 26-01-01 00:00:00.000000'",
    "a verdict that is none": (
        "PRAGMA ignore_check_constraints=1; UPDATE ballast_trials SET verdict = 'acceptee'"
    ),
    "a schema that is none": "UPDATE ballast_alembic_version SET version_num = '00p4'",
    "Optuna's text that is no UTF-8": "UPDATE trials SET datetime_start = CAST(x'ff41' AS TEXT)",
    "Optuna's JSON that is none": "UPDATE trial_params SET distribution_json = '{\"name\": 1'",
    "Optuna's distribution that is none": 'UPDATE trial_params SET distribution_json = \'{"name": "X"}\'',
    "Optuna's state that is none": "PRAGMA ignore_check_constraints=1; UPDATE trials SET state = 'COMPLETF'",
    "validation rows that are none": "UPDATE ballast_held_out SET rows = x'00', series = x'00'",
    "forecasts that are none": "UPDATE ballast_forecasts SET forecasts = x'00'",
    "a layer that is none": "UPDATE ballast_settings SET layer = 'studi'",
}
COMMANDS = (
    ("status",),
    ("status", "small"),
    ("trials", "small"),
    ("explain", "small", "--trial", "0"),
    ("db", "check", "--dry-run"),
    ("export", "small", "-o", "best.yaml"),
)


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_value_is_one_sentence(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast", damage: str
) -> None:
    launch(write_study(study={"trials": 1})).store.close()
    file = sqlite3.connect("ballast.db")
    file.executescript(DAMAGES[damage])
    file.close()
    told = [ballast(*command) for command in COMMANDS]
    refused = [each.err for each in told if each.code == 2]
    assert refused, "somebody reads it"
    assert all("is damaged" in said for said in refused), refused
    assert all(len([line for line in said.splitlines() if "ballast: " in line]) == 1 for said in refused)
    assert "Traceback" not in "".join(each.err for each in told)


@pytest.mark.slow
def test_flipped_bits_are_an_answer_or_one_sentence(
    write_study: "WriteStudy", launch: "Launch", ballast: "Ballast"
) -> None:
    launch(write_study(study={"trials": 2})).store.close()
    file = sqlite3.connect("ballast.db")
    file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file.close()
    whole, dice = Path("ballast.db").read_bytes(), random.Random(7)
    used = [at for at, byte in enumerate(whole) if byte]
    for _ in range(40):
        damaged = bytearray(whole)
        damaged[dice.choice(used)] ^= 1 << dice.randrange(8)
        for left in Path().glob("fuzz.db*"):
            left.unlink()
        Path("fuzz.db").write_bytes(damaged)
        for command in COMMANDS:
            said = ballast(*command, "--store", "sqlite:///fuzz.db")
            assert said.code in (0, 1, 2)
            assert said.code == 0 or command[0] == "db" or said.told
