"""What is seen on a real terminal: tables that fit, colour that means something, drawings that never tear."""

import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fcntl import ioctl
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from search.config.layers import Layer, Override, Setting
from search.errors import RequestError
from search.terminal import trial_watcher as watch
from search.terminal.provenance import explain_setting, find_setting
from search.terminal.styles import plain_text, verdict_cell
from search.terminal.text_table import TableColumn, TableRow, make_table
from search.text import COLOURS
from storage import query, record
from storage.engine import Store, open_store
from storage.tables import Artifact, DataFingerprint, StudyRow, Trial
from storage.verdicts import Verdict
from tests.search.terminal.colour_codes import colour_code

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from tests.search_fixtures import Ballast, WriteStudy

BALLAST = (sys.executable, "-m", "search.cli")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|38;5;\d+|38;2;[\d;]+|9[0-7])(?:;\d+)*m")
HOSTILE = "\x1b[2J\x1b[1;1Hall is well\x07\r"
LR = "models.gru.learning_rate"
NOW = datetime(2024, 5, 17, 12, tzinfo=UTC)


@dataclass
class Terminal:
    """A process on a terminal of its own, and all that it has written there."""

    process: "subprocess.Popen[bytes]"
    screen: int
    raw: bytes = field(default=b"", init=False)

    @property
    def text(self) -> str:
        return self.raw.decode(errors="replace")

    @property
    def lines(self) -> list[str]:
        """What was written, drawing after drawing, without colours and movements."""
        return re.split(r"[\r\n]+", ESCAPE.sub("", self.text))

    def resize(self, columns: int, rows: int = 24) -> None:
        ioctl(self.screen, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, wanted: str) -> None:
        """Read on until this is there, or the process has ended."""
        start = len(self.raw)
        while wanted not in self.raw[start:].decode(errors="replace") and self._read():
            pass

    def end(self) -> int:
        """Read to the end; the exit code."""
        while self._read():
            pass
        return self.process.wait(timeout=60)

    def _read(self) -> bool:
        assert select.select([self.screen], [], [], 60)[0], f"nothing more came after: {self.text[-500:]}"
        try:
            more = os.read(self.screen, 65536)
        except OSError:  # EIO: the last process on the terminal is gone
            return False
        self.raw += more
        return bool(more)


@contextmanager
def terminal(*command: str, columns: int = 80, rows: int = 24, **env: str) -> Iterator[Terminal]:
    """Run a command on a pseudo-terminal of this size."""
    screen, line = pty.openpty()
    told = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": os.pathsep.join(sys.path), **env}
    told.pop("COLORTERM", None)
    ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        command, stdin=line, stdout=line, stderr=line, env=told, start_new_session=True
    )
    os.close(line)
    try:
        yield Terminal(process, screen)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(screen)


def on_terminal(*arguments: str, columns: int = 80, rows: int = 24, **env: str) -> Terminal:
    """A command of `ballast` that ends by itself, with exit code 0."""
    with terminal(*BALLAST, *arguments, columns=columns, rows=rows, **env) as seen:
        assert seen.end() == 0, seen.text
    return seen


def in_pipe(*arguments: str, **env: str) -> str:
    """What a command writes into a pipe. The environment is Python's: readline, which pytest imports, sets
    COLUMNS behind its back."""
    command = [*BALLAST, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, **env}
    ).stdout


SEVERAL = """
import json, sys
from search.cli.main import main
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["ballast", *arguments]
    try:
        main()
    except SystemExit as leaving:
        if leaving.code:
            raise
"""
"""Several commands in one process, on one terminal: each would take a second to start."""


def too_wide(seen: Terminal, columns: int) -> list[str]:
    return [line for line in seen.lines if cell_len(line) > columns]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'ballast.db'}")
    yield opened
    opened.close()


def add_study(store: Store, name: str = "small", wanted: int = 3) -> str:
    facts = {"baseline": {"name": "har", "loss": 0.5}, "rows": {"validation": 1000}, "horizon": 1}
    study = StudyRow(
        name=name,
        created_at=NOW,
        study_file=f"studies/{name}.yaml",
        policy_file="safe_ranges.yaml",
        seed=0,
        fingerprints={},
        versions={},
        facts=facts,
        wanted=wanted,
    )
    data = DataFingerprint(
        study=name, source="x", sha256="0" * 64, rows=9, first_time="a", last_time="b", columns=[]
    )
    record.create_study(store, study, [], [], data)
    return name


def add_trial(
    store: Store,
    number: int,
    verdict: Verdict | None = Verdict.ACCEPTED,
    *,
    study: str = "small",
    message: str = "trained 9 epochs, best was 7",
    params: dict[str, Any] | None = None,
) -> None:
    trained = verdict in (Verdict.ACCEPTED, Verdict.UNPROMISING)
    trial = Trial(
        study=study,
        number=number,
        params={LR: 0.01 / (number + 1), "models.gru.hidden_size": 32} if params is None else params,
        seed=7,
        started_at=NOW,
        worker="host:4711:8f3a",
        verdict=verdict,
        reasons=[] if verdict in (None, Verdict.ACCEPTED) else ["nonfinite_gradient", "frozen"],
        message=None if verdict is None else message,
        value=0.46 + number / 1000 if trained else None,
        skill=0.15 if trained else None,
        epochs=0 if verdict is None else 9,
        finished_at=None if verdict is None else NOW + timedelta(seconds=5),
        duration_s=None if verdict is None else 5.0,
    )
    with store.session() as session:
        session.add(trial)


@pytest.fixture
def small(store: Store) -> Store:
    """A study of three trials, which has ended, with one of each colour that matters."""
    add_study(store)
    add_trial(store, 0)
    add_trial(store, 1, Verdict.UNSTABLE, message="the gradient of gru.weight_hh_l0 is NaN")
    add_trial(store, 2, Verdict.SUSPICIOUS, message="skill 0.9 is above the ceiling of 0.3")
    return store


def test_no_line_of_any_command_is_wider_than_the_terminal(
    write_study: "WriteStudy", ballast: "Ballast", store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study(models={"gru": {"dropout": 0.9}}).name
    assert ballast("run", path, "--set", "training.epochs=1", "--trials", 1).code == 0
    add_trial(store, 7, Verdict.UNSTABLE, message="波动率" * 40)
    add_trial(store, 8, None)
    commands = [
        ("status",),
        ("status", "small"),
        ("trials", "small"),
        ("explain", "small"),
        ("explain", "small", "--trial", "7"),
        ("explain", "small", "--key", "learning_rate"),
        ("explain", "small", "--key", "learning_rate", "--trial", "0"),
    ]
    monkeypatch.setenv("COLUMNS", "40")
    assert max(map(cell_len, ballast("check", path).out.splitlines())) <= 40
    monkeypatch.delenv("COLUMNS")
    for columns in (80, 40):
        with terminal(sys.executable, "-c", SEVERAL, json.dumps(commands), columns=columns) as seen:
            assert seen.end() == 0, seen.text
        assert too_wide(seen, columns) == []
        assert COLOUR.search(seen.text)
        assert "unstable" in seen.text
        assert "models.gru.dropout" in seen.text


def test_colour_is_on_a_terminal_and_neither_under_no_color_nor_in_a_pipe(small: Store) -> None:
    coloured = on_terminal("trials", "small")
    assert f"{colour_code(Verdict.ACCEPTED)}accepted" in coloured.text
    assert f"{colour_code(Verdict.UNSTABLE)}unstable" in coloured.text
    plainly = on_terminal("trials", "small", NO_COLOR="1")
    assert COLOUR.search(plainly.text) is None
    assert plainly.lines == coloured.lines
    told = in_pipe("trials", "small")
    assert "\x1b" not in told
    assert [line.split()[:2] for line in told.splitlines()[1:]] == [
        ["0", "accepted"],
        ["1", "unstable"],
        ["2", "suspicious"],
    ]


def test_a_pipe_obeys_columns(small: Store) -> None:
    told = in_pipe("trials", "small", COLUMNS="40")
    assert max(map(cell_len, told.splitlines())) <= 40
    assert "no room here for" in told


def test_what_has_no_room_is_named_and_no_number_is_cut() -> None:
    names = [f"dimension_{n}" for n in range(12)]
    columns = [TableColumn("#", right=True), *(TableColumn(name, right=True) for name in names)]
    shown = _drawn(
        make_table(columns, [["10", *(f"{n}.12345e-05" for n in range(12))]], elsewhere="see --json"), 80
    )
    numbers = re.findall(r"\d\.12345e-05", shown)
    assert len(numbers) == 6
    assert f"no room here for {', '.join(names[6:])}; see --json" in " ".join(shown.split())
    assert max(map(cell_len, shown.splitlines())) <= 80


@pytest.mark.parametrize("width", [80, 40, 20, 5, 2])
def test_wide_characters_count_as_two(width: int) -> None:
    columns = (TableColumn("名前"), TableColumn("値", folds=True))
    shown = _drawn(make_table(columns, [("波动率", "the 波动率 of 標準普爾500指數 " * 5)]), width)
    assert max(map(cell_len, shown.splitlines())) <= width


def test_words_are_folded_between_and_sentences_stand_below_their_row() -> None:
    from search.terminal.text_table import TextTable

    row = TableRow(("key", "a value much too wide"), ("because of this and of that",))
    shown = _drawn(TextTable((TableColumn("key"), TableColumn("value", most=10)), [row]), 20)
    assert shown.splitlines() == [
        "key  value",
        "key  ↓",
        "    a value much too",
        "    wide",
        "    because of this",
        "    and of that",
    ]


def _drawn(part: Any, width: int) -> str:
    told = StringIO()
    Console(file=told, width=width).print(part)
    return told.getvalue()


def test_names_and_reasons_cannot_move_the_cursor(store: Store) -> None:
    name = f"evil{HOSTILE}"
    add_study(store, name, wanted=1)
    add_trial(store, 0, Verdict.UNSTABLE, study=name, message=HOSTILE, params={f"a.{HOSTILE}": HOSTILE})
    commands = [
        ("status",),
        ("status", name),
        ("trials", name),
        ("trials", name, "--watch"),
        ("explain", name, "--trial", "0"),
    ]
    with terminal(sys.executable, "-c", SEVERAL, json.dumps(commands)) as seen:
        assert seen.end() == 0, seen.text
    assert "\x1b[2J" not in seen.text
    assert "\x1b[1;1H" not in seen.text
    assert "\x07" not in seen.text
    assert seen.text.count("\\x1b[2J\\x1b[1;1Hall") >= 5


def test_a_watch_shows_a_trial_as_it_ends_and_ends_with_the_study(store: Store) -> None:
    add_study(store, wanted=2)
    add_trial(store, 0)
    with terminal(*BALLAST, "trials", "small", "--watch", "--every", "0.1") as seen:
        seen.read_until("1 of 2 done")
        add_trial(store, 1, Verdict.UNSTABLE)
        assert seen.end() == 0, seen.text
    assert too_wide(seen, 80) == []
    last = seen.text[seen.text.rindex("2 of 2 done") :]
    assert re.search(r"1 +.*unstable.*nonfinite_gradient", ESCAPE.sub("", last))
    assert seen.text.rindex("\x1b[?25h") > seen.text.rindex("\x1b[?25l")  # the cursor is seen again


def test_a_watch_ends_if_no_worker_runs_the_study(
    store: Store, ballast: "Ballast", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.study.liveness.NO_WORKER_S", 0.0)
    add_study(store, wanted=3)
    add_trial(store, 0)
    add_trial(store, 1, None)  # of a worker that was killed, and has no place any more
    for more in ((), ("--json",)):
        told = ballast("trials", "small", "--watch", *more)
        assert told.code == 0
        assert len(told.out.splitlines()) == 1
        assert told.told == [
            "ballast: nobody is at work on study 'small', which has 1 of 3 trials; go on with: "
            "ballast run studies/small.yaml --store sqlite:///ballast.db"
        ]


def test_ctrl_c_ends_a_watch_as_it_is_meant_to_end(store: Store) -> None:
    add_study(store, wanted=2)
    add_trial(store, 0)
    with terminal(*BALLAST, "trials", "small", "--watch", rows=8) as seen:
        seen.read_until("1 of 2 done")
        os.write(seen.screen, b"\x03") if seen.process.poll() is None else None
        seen.process.send_signal(signal.SIGINT)
        assert seen.end() == 0, seen.text
    assert "Traceback" not in seen.text
    assert seen.text.rindex("\x1b[?25h") > seen.text.rindex("\x1b[?25l")


def test_a_watch_in_a_pipe_writes_a_line_for_each_trial_at_once(store: Store) -> None:
    add_study(store, wanted=3)
    add_trial(store, 0)
    add_trial(store, 1, Verdict.UNSTABLE, message="it exploded")
    command = [*BALLAST, "trials", "small", "--watch", "--every", "0.1", "--verdict", "unstable"]
    env = dict(os.environ)
    for more, expected in (
        ([], "trial 1 unstable: it exploded"),
        (["--json"], '{"number": 1, "verdict": "unstable"'),
    ):
        process = subprocess.Popen([*command, *more], stdout=subprocess.PIPE, text=True, env=env)
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(expected)
            assert process.poll() is None
        finally:
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=60)[0] == ""
        assert process.returncode == 0


def test_a_dumb_terminal_gets_plain_lines(small: Store) -> None:
    seen = on_terminal("trials", "small", "--watch", TERM="dumb")
    assert "\x1b" not in seen.text
    assert [line[:16] for line in seen.lines if line] == [
        "trial 0 accepted",
        "trial 1 unstable",
        "trial 2 suspicio",
    ]


def test_a_watch_reads_what_is_new_and_misses_none_that_came_late(
    small: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = watch.TrialWatcher(small, "small")
    assert [trial.number for trial in watched.poll()] == [0, 1, 2]
    reads: list[str] = []
    genuine = query.trials

    def counted(store: Store, name: str) -> list[Trial]:
        reads.append(name)
        return genuine(store, name)

    monkeypatch.setattr(query, "trials", counted)
    add_trial(small, 5, None)
    assert watched.poll() == []
    add_trial(small, 6)
    assert [trial.number for trial in watched.poll()] == [6]
    with small.session() as session:
        running = session.get_one(Trial, ("small", 5))
        running.verdict, running.finished_at = Verdict.FAILED, NOW
    assert [trial.number for trial in watched.poll()] == [5]
    assert reads == []
    add_trial(small, 4)
    assert [trial.number for trial in watched.poll()] == [4]
    assert reads == ["small"]


LIVE = """
import logging, sys, time
from search.terminal.live_view import LiveView
from search.terminal.result_tables import console
from search.workers.progress import TrialEnd
from search.verdict import Judgement
from storage.tables import FindingRow
from storage.verdicts import Verdict
from trainer.training.result import EpochReport
from datetime import datetime, UTC
logging.basicConfig(format="%(name)s: %(message)s", level=logging.INFO)
report = EpochReport(epoch=2, train_loss=.9, validation_loss=.4712, skill=.1412, learning_rate=.00013,
    grad_norm_mean=1., grad_norm_max=1., output_max=1., steps=9, skipped_steps=0, movement=1.,
    prediction_std_ratio=1., seconds=1.)
with LiveView(console(), lambda looks: .0112) as view:
    view.run_began({Verdict.ACCEPTED: 17, Verdict.UNSTABLE: 1}, None, 60)
    for number in range(18, 18 + int(sys.argv[1])):
        view.trial_began(number, 15)
        view.epoch_passed(number, report)
    judgement = Judgement(Verdict.UNSTABLE, ("nonfinite_loss",), "the loss \\x1b[2J" + "and so on " * 20)
    view.trial_ended(TrialEnd(18, judgement, None, None, datetime.now(UTC)))
    view.trial_ended(TrialEnd(19, Judgement(Verdict.ACCEPTED, (), "trained"), .46, .16, datetime.now(UTC)))
    for step in (6, 7, 8, None):
        view.finding_made(FindingRow(
            study="small", trial=20, fold=0, epoch=3, step=step, kind="loss_explosion",
            action="skip_and_cut", value=9., threshold=1., message="the loss grew " * 20, lr_before=.1,
            lr_after=.05, rows=[], parameter=None, cell=None))
    logging.getLogger("ballast.trainer").info("epoch 3, step 8: " + "the loss grew " * 20)
    logging.getLogger("ballast").warning("a log line of somebody")
    time.sleep(0.6)
    view.show_stopping()
    time.sleep(0.6)
    if len(sys.argv) > 2:
        time.sleep(float(sys.argv[2]))
    raise SystemExit(3)
"""


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (40, 14)])
def test_the_live_view_fits_and_leaves_nothing_half_drawn(columns: int, rows: int) -> None:
    with terminal(sys.executable, "-c", LIVE, "10", columns=columns, rows=rows) as seen:
        assert seen.end() == 3, seen.text
    assert too_wide(seen, columns) == []
    assert "ballast: a log line of somebody" in seen.lines  # whole, on a line of its own
    assert "\x1b[2J" not in seen.text
    told = ESCAPE.sub("", seen.text)
    (guard,) = [line for line in seen.lines if line.startswith("ballast.trainer: epoch 3, step 8")]
    assert len(guard) == columns
    assert guard.endswith("…")
    for wanted in (
        "3/15",
        "18 accepted, 2 unstable",
        "trial 18 unstable: the loss",
        "20/60",
        "20  running, epoch 3, step 8: loss_",
        "20  running, epoch 3: loss_",
        "0.00013",
        "stopping",
    ):
        assert wanted in told or rows < 24, wanted
    assert COLOUR.search(seen.text)
    assert seen.text.rindex("\x1b[?25h") > seen.text.rindex("\x1b[?25l")


def test_the_live_view_follows_a_resized_terminal_and_obeys_no_color() -> None:
    with terminal(sys.executable, "-c", LIVE, "4", "1.5", columns=80, NO_COLOR="1") as seen:
        seen.read_until("stopping")
        seen.resize(50)
        time.sleep(0.3)
        seen.read_until("stopping")
        seen.raw = b""
        assert seen.end() == 3
    assert seen.lines
    assert too_wide(seen, 50) == []
    assert COLOUR.search(seen.text) is None


def _setting(*acts: tuple[Layer, str, Any, Any, str], key: str = LR) -> Setting:
    return Setting(key, tuple(Override(*act) for act in acts))


DRAWN = (Layer.SAMPLED, "study.yaml:3", 0.05, 0.05, "drawn by tpe")
CUT = (Layer.CLAMP, "configs/safe_ranges.yaml:9", 0.05, 0.01, "safe range: at most 0.01, because it diverges")
SPACE = _setting(
    (Layer.STUDY, "study.yaml:3", {"low": 1e-5, "high": 0.1}, {"low": 1e-5, "high": 0.1}, ""),
    (
        Layer.CLAMP,
        "safe_ranges.yaml:9",
        {"low": 1e-5, "high": 0.1},
        {"low": 1e-5, "high": 0.01},
        "safe range: x",
    ),
    key=f"space.{LR}",
)


@pytest.mark.parametrize(
    ("setting", "space", "trial", "told"),
    [
        (
            _setting(DRAWN, CUT),
            SPACE,
            3,
            f"{LR} is 0.01 in trial 3: 0.05 was drawn by tpe, and safe_ranges.yaml:9 clamped it; "
            "safe range: at most 0.01, because it diverges",
        ),
        (
            _setting(DRAWN),
            SPACE,
            3,
            f"{LR} is 0.05 in trial 3: drawn by tpe, out of 1e-05 to 0.01, which safe_ranges.yaml:9 clamped "
            "from 1e-05 to 0.1",
        ),
        (
            _setting(DRAWN),
            SPACE,
            None,
            f"{LR} is searched: each trial samples its own value, 1e-05 to 0.01; 1e-05 to 0.1 was asked for "
            "by study.yaml:3, and clamped by safe_ranges.yaml:9, because of the safe range: x",
        ),
        (
            _setting(
                DRAWN, (Layer.GUARD, "guard: nonfinite_loss at epoch 0, step 1", 0.05, 0.005, "it was NaN")
            ),
            None,
            0,
            f"{LR} is 0.005 in trial 0: the guard: nonfinite_loss at epoch 0, step 1 cut it from "
            "0.05; it was NaN",
        ),
        (
            _setting((Layer.DEFAULT, "trainer.config", None, None, "")),
            None,
            None,
            f"{LR} is not set: the default, which nobody changed",
        ),
        (
            _setting((Layer.BASE, "configs/base.yaml:4", 1, 1, "")),
            None,
            None,
            f"{LR} is 1: base.yaml:4 recommends it",
        ),
        (
            _setting((Layer.CLI, "--set x.y=5m", "5m", 300, "")),
            None,
            None,
            f"{LR} is 300: --set x.y=5m asked for 5m and it set it",
        ),
    ],
)
def test_why_a_setting_has_its_value_is_one_sentence(
    setting: Setting, space: Setting | None, trial: int | None, told: str
) -> None:
    assert explain_setting(setting, space, trial) == told


def test_an_origin_that_its_own_reason_names_is_said_once() -> None:
    act = (Layer.CLI, "BALLAST_X", "http://a", "http://a", "BALLAST_X comes before the study file")
    assert explain_setting(_setting(act), None, None) == (
        f"{LR} is http://a: BALLAST_X set it; that comes before the study file"
    )


def test_the_path_of_a_file_that_has_no_room_stands_on_a_line_of_its_own(
    small: Store, ballast: "Ballast", monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path.joinpath(*["folder"] * 12)
    folder.mkdir(parents=True)
    (folder / "curves.png").touch()
    Path("trial.log").touch()
    long = str(folder / "curves.png")
    with small.session() as session:
        for kind, path in (("curves", long), ("log", "trial.log")):
            row = Artifact(study="small", trial=0, kind=kind, path=path, sha256="0", created_at=NOW)
            session.add(row)
    monkeypatch.setenv("COLUMNS", "80")
    assert ballast("explain", "small", "--trial", 0).out.splitlines()[1:4] == [
        "curves",
        long,
        "log trial.log",
    ]
    monkeypatch.delenv("COLUMNS")
    assert f"curves {long}\n" in in_pipe("explain", "small", "--trial", "0")


def test_the_end_of_a_key_is_enough_if_it_is_the_end_of_one() -> None:
    act = (Layer.BASE, "base.yaml:1", 1, 1, "")
    keys = (LR, f"space.{LR}", "training.patience", "storage.patience")
    settings = [_setting(act, key=key) for key in keys]
    assert find_setting(settings, "learning_rate", "s").key == LR
    assert find_setting(settings, "space.learning_rate", "s").key == f"space.{LR}"
    with pytest.raises(
        RequestError, match=r"'patience' is the end of 2 settings of study 's': training\.patience, sto"
    ):
        find_setting(settings, "patience", "s")
    with pytest.raises(RequestError, match=r"no setting 'rate'; .* Leave --key out to see all"):
        find_setting(settings, "rate", "s")


def test_verdicts_have_the_colours_of_the_pictures() -> None:
    for verdict, colour in COLOURS.items():
        assert str(verdict_cell(verdict).style) == colour


def test_text_of_anybody_is_no_markup() -> None:
    assert plain_text("[red]x[/red]\x1b").plain == "[red]x[/red]\\x1b"
