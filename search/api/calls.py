"""The functions of `import ballast`: each does what the command of its name does.

They raise the errors of `ballast.errors`, with one sentence that says what is wrong. Ctrl-C behaves as in
a shell: the first asks the running trial to end, the second ends at once; both raise KeyboardInterrupt.
"""

import json
import os
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.api.given import (
    GivenSettings,
    GivenStudy,
    as_devices,
    as_flag,
    as_name,
    as_optional_path,
    as_optional_text,
    as_path,
    as_text,
    as_whole_number,
    given_options,
    require_one_of,
    set_texts,
)
from search.api.python_messages import with_python_messages
from search.api.training_log import log_epoch, refit_with_log, shown_log, verify_with_log
from search.errors import AnswerIsNo, RequestError
from search.terminal.text import say
from search.workers.executor import ExecutorKind, ExecutorOptions, make_executor

if TYPE_CHECKING:
    from search.api.calibrate_study import Calibration
    from search.api.check_study import CheckResult
    from search.api.model import Model
    from search.api.refit_configuration import LiveModel
    from search.api.study import Study
    from search.api.train_configuration import Training
    from search.api.walk_forward_result import WalkForward
    from search.selection.verification_report import VerificationReport
    from search.study.comparison import Comparison

_Path = str | PathLike[str]


@with_python_messages
def run(
    study: GivenStudy,
    *,
    set: GivenSettings = (),
    data: Any = None,
    store: str | None = None,
    name: str | None = None,
    trials: int | None = None,
    timeout: str | float | None = None,
    workers: int | None = None,
    devices: str | Sequence[str] | None = None,
    engine: ExecutorKind = "processes",
    address: str | None = None,
    cpus: float | None = None,
    gpus: float | None = None,
    proxy: str | None = None,
    continue_from: str | None = None,
    warm_start: _Path | Sequence[_Path] = (),
    policy: _Path | None = None,
    strict: bool = False,
    progress: bool = True,
    verbose: bool = False,
) -> "Study":
    """Start or continue a study, until it has all its trials.

    Args:
        study: The path of a study file, `sample:NAME` for one that ships with Ballast, or its content as a
            dict. Relative paths in it start at the file's folder, those of a dict in the current one.
        set: Settings that come before those of the study, such as `{"training.epochs": 3}`; or a list of
            texts such as `"training.epochs=3"`. They are recorded as those of `--set`.
        data: A pandas or polars DataFrame or an Arrow table in place of `data.source`, a row for each time.
            It is kept as Parquet beside the store, named by its SHA-256. The DatetimeIndex of a pandas frame
            is the column of times if no column has the name that `data.time` gives.
        store: The URL of the store; None: BALLAST_STORE, the study's `storage.url`, `sqlite:///ballast.db`.
        name: Another name for the study.
        trials: How many trials the whole study has, 1 or more.
        timeout: Start no trial after this time, such as `"30m"`, or seconds.
        workers: Processes that share the trials, 1 to 1024; 1 if not given.
        devices: A device for each worker, such as `["cuda:0", "cuda:1"]`.
        engine: Where workers run: `processes` on this machine, or `ray` where Ray places them.
        address: `HOST:PORT` of the Ray cluster; None: RAY_ADDRESS, else a new local cluster.
        cpus: CPUs of a worker on Ray; 1 if not given.
        gpus: GPUs of a worker on Ray, 0 to 1; 0.5 is half of one.
        proxy: `HOST:PORT` of Optuna's gRPC proxy (`ballast proxy`).
        continue_from: The name of a study in the store whose trials are imported.
        warm_start: Exported configurations to try first.
        policy: A file of safe ranges to use instead of the default ones.
        strict: Let warnings of the data audit block as well.
        progress: Show the run: a live view on a terminal, else a log line for each trial.
        verbose: Log a line for each epoch as well.

    Returns:
        The recorded study; see `Study`.

    Raises:
        ConfigError: Settings are wrong; all problems at once.
        StudyChanged: A study of this name has other data or another space.
        RequestError: Another part of the request is wrong.
        AnswerIsNo: The audit refuses the data, or every worker failed.
        StoreError: The store cannot be opened or written.
        TrainerError: The data cannot be read, or the device is not there.
        KeyboardInterrupt: Ctrl-C or SIGTERM came. Nothing is lost; call `run` again to continue.
    """
    from search.api.run_study import run_study
    from search.terminal.run_view import no_view, run_view

    executor = make_executor(
        ExecutorOptions(
            engine,
            None if workers is None else as_whole_number("workers", workers, 1),
            as_devices(devices),
            as_optional_text("address", address, "HOST:PORT"),
            cpus,
            gpus,
            as_optional_text("proxy", proxy, "HOST:PORT"),
        )
    )
    options = given_options(
        study,
        set,
        data=data,
        store=store,
        name=name,
        warm_start=warm_start,
        policy=policy,
        strict=strict,
        trials=trials,
        timeout=timeout,
    )
    source = None if continue_from is None else as_name("continue_from", continue_from)
    view = run_view if as_flag("progress", progress) else no_view
    if progress:
        say(options.headline())
    with (
        shown_log(progress, verbose=as_flag("verbose", verbose)),
        run_study(options, executor, view, continue_from=source, proxy=proxy) as done,
    ):
        url, study_name = done.study.store.url, done.study.name
    if done.is_interrupted:
        raise KeyboardInterrupt(
            f"study {study_name!r} was interrupted with {done.end.done} of {done.end.wanted} trials; nothing "
            f"is lost: run it again to go on, or read it: ballast.load_study({study_name!r})"
        )
    return load_study(study_name, store=url)


@with_python_messages
def init(
    file: _Path,
    *,
    output: _Path | None = None,
    time: str | Sequence[str] = (),
    target: str | None = None,
    symbol: str | None = None,
    timezone: str | None = None,
    day_first: bool | None = None,
    decimal: str | None = None,
    horizon: int = 1,
    csv: Mapping[str, Any] | str | Sequence[str] = (),
    force: bool = False,
) -> Path:
    """Look at a table and write a study of it, a YAML file with a reason beside each setting.

    What the table shows is used: times, bars, spacing, form of the numbers. What it leaves open is refused
    with the argument that decides it; nothing is asked.

    Args:
        file: A CSV (also .gz or .zip), Parquet or Arrow file, or a pattern of files such as `prices/*.csv`.
        output: The study file; None: the name of the table with `.yaml`, in the current folder.
        time: The column of times, or two: those of dates and of times of day.
        target: `volatility` of the next row, which needs high and low; `return` of the price; or a column of
            numbers whose return (or whose value, if it is no price) is forecast. None: volatility if there
            are high and low, else return.
        symbol: The series to forecast, in a table of several.
        timezone: The zone of times without an offset from UTC, such as `America/New_York`.
        day_first: Whether 1/2/2024 is the first of February.
        decimal: The decimal mark of the numbers, `.` or `,`.
        horizon: How many rows ahead the forecast is, 1 or more.
        csv: Keys of `data.csv`, such as `{"separator": ";"}`; or texts such as `"separator=;"`.
        force: Replace the study file if it exists.

    Returns:
        The path of the study file. `run` and `check` take it.

    Raises:
        RequestError: The file exists, the table has too few rows or no times or numbers, or leaves something
            open; nothing is written.
        TrainerError: The file is no table, or a cell is no time or number; nothing is written.
        AnswerIsNo: The study file is written, and the audit of its data will refuse it for the reasons given.
    """
    from search.api.init_study import InitOptions, init_study

    found = init_study(
        InitOptions(
            source=os.fspath(as_path("file", file)),
            output=as_optional_path("output", output),
            time=(time,)
            if isinstance(time, str)
            else tuple(as_text("time", each, "a column") for each in time),
            target=as_optional_text("target", target, "volatility, return or a column"),
            symbol=as_optional_text("symbol", symbol, "the name of a series"),
            timezone=as_optional_text("timezone", timezone, "a zone such as UTC"),
            day_first=None if day_first is None else as_flag("day_first", day_first),
            decimal=as_optional_text("decimal", decimal, ". or ,"),
            horizon=as_whole_number("horizon", horizon, 1),
            csv=_csv_texts(csv),
            force=as_flag("force", force),
        )
    )
    if found.refusals:
        raise AnswerIsNo(
            f"{found.path} is written, and the data must be corrected first: {'; '.join(found.refusals)}"
        )
    return found.path


def _csv_texts(given: object) -> tuple[str, ...]:
    """Keys of `data.csv` as texts `KEY=VALUE`."""
    if isinstance(given, Mapping):
        return tuple(
            f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in given.items()
        )
    texts = (given,) if isinstance(given, str) else given
    if isinstance(texts, Sequence):
        return tuple(as_text("csv", each, "KEY=VALUE") for each in texts)
    raise RequestError(f"csv is {given!r}; give a dict such as {{'separator': ';'}}")


@with_python_messages
def load_study(name: str, *, store: str | None = None) -> "Study":
    """Open a recorded study, also while it runs elsewhere.

    Args:
        name: The name of the study.
        store: The URL of the store; None: BALLAST_STORE, else `sqlite:///ballast.db`.

    Returns:
        The study; see `Study` for its tables, their units and shapes.

    Raises:
        StoreMissing: There is no store at this URL.
        StudyUnknown: The store has no study of this name.
    """
    from search.api.stores import open_existing_store
    from search.api.study import Study

    return Study(open_existing_store(store), name)


@with_python_messages
def walk_forward(
    study: GivenStudy,
    *,
    every: str,
    begin: str | None = None,
    window: str = "expanding",
    search: str = "study",
    seeds: int = 5,
    warm_start: bool = False,
    set: GivenSettings = (),
    data: Any = None,
    store: str | None = None,
    name: str | None = None,
    trials: int | None = None,
    timeout: str | float | None = None,
    workers: int | None = None,
    devices: str | Sequence[str] | None = None,
    proxy: str | None = None,
    policy: _Path | None = None,
    strict: bool = False,
    progress: bool = True,
    verbose: bool = False,
) -> "WalkForward":
    """Evaluate a whole search: for each block of time a study on the rows before it, whose best is refitted
    and forecasts the block. The same call goes on after an interruption, and does nothing twice.

    Args:
        study: The study, as for `run`.
        every: The length of a block, such as `1y`, `6mo`, `2w`, `90d` or `250 rows`.
        begin: Where the first block begins, such as `2011` or `2011-07-01`; None: the first test row.
        window: Training rows of a block: `expanding`, all before it, or `rolling`, as many as the study has.
        search: `study`, or `none` to keep the settings of the study and only refit.
        seeds: Trainings with fresh seeds for each block, 1 or more.
        warm_start: Try the best configuration of the block before first.
        set: Settings that come before those of the study; as for `run`.
        data: A frame in place of `data.source`; as for `run`.
        store: The URL of the store; as for `run`.
        name: Another name; the study of a block is called `NAME@2011`.
        trials: How many trials each block has, 1 or more.
        timeout: Start no trial of a block after this time; as for `run`.
        workers: Processes that share the trials of a block, 1 to 1024.
        devices: A device for each worker.
        proxy: `HOST:PORT` of Optuna's gRPC proxy.
        policy: A file of safe ranges to use instead of the default ones.
        strict: Let warnings of the data audit block as well.
        progress: Show the run, as for `run`.
        verbose: Log a line for each epoch as well.

    Returns:
        The walk-forward; see `WalkForward`.

    Raises:
        ConfigError: Settings are wrong; all problems at once.
        StudyChanged: A walk-forward of this name has another plan.
        RequestError: Another part of the request is wrong.
        AnswerIsNo: The audit refuses the data of a block, or every worker failed.
        StoreError: The store cannot be opened or written.
        KeyboardInterrupt: Ctrl-C or SIGTERM came. Nothing is lost; call it again to continue.
    """
    from search.api.walk_forward import WalkForwardOptions
    from search.api.walk_forward import walk_forward as walk
    from search.config.resolved_study import DEFAULTS_VERSION
    from search.terminal.run_view import no_view, run_view

    require_one_of("window", window, ("expanding", "rolling"))
    require_one_of("search", search, ("study", "none"))
    executor = make_executor(
        ExecutorOptions(
            "processes",
            None if workers is None else as_whole_number("workers", workers, 1),
            as_devices(devices),
            None,
            None,
            None,
            as_optional_text("proxy", proxy, "HOST:PORT"),
        )
    )
    options = given_options(
        study,
        set,
        data=data,
        store=store,
        name=name,
        warm_start=(),
        policy=policy,
        strict=strict,
        trials=trials,
        timeout=timeout,
    )
    asked = WalkForwardOptions(
        as_text("every", every, "the length of a block"),
        as_optional_text("begin", begin, "a date"),
        "rolling" if window == "rolling" else "expanding",
        "none" if search == "none" else "study",
        as_whole_number("seeds", seeds, 1),
        as_flag("warm_start", warm_start),
    )
    view = run_view if as_flag("progress", progress) else no_view
    if progress:
        say(options.headline())
    with shown_log(progress, verbose=as_flag("verbose", verbose)):
        done = walk(options, asked, executor, view, proxy=proxy)
    resolved, _ = options.resolve(DEFAULTS_VERSION)
    return load_walk_forward(done.name, store=options.url_of(resolved))


@with_python_messages
def load_walk_forward(name: str, *, store: str | None = None) -> "WalkForward":
    """Open a recorded walk-forward, also while it runs elsewhere.

    Args:
        name: The name of the walk-forward.
        store: The URL of the store; None: BALLAST_STORE, else `sqlite:///ballast.db`.

    Returns:
        The walk-forward; see `WalkForward`.

    Raises:
        StoreMissing: There is no store at this URL.
        StudyUnknown: The store has no walk-forward of this name.
    """
    from search.api.stores import open_existing_store
    from search.api.walk_forward_result import WalkForward

    return WalkForward(open_existing_store(store), name)


@with_python_messages
def check(
    study: GivenStudy,
    *,
    set: GivenSettings = (),
    data: Any = None,
    store: str | None = None,
    name: str | None = None,
    warm_start: _Path | Sequence[_Path] = (),
    policy: _Path | None = None,
    strict: bool = False,
    deep: bool = False,
) -> "CheckResult":
    """Audit the data of a study, and find out whether `run` would start it; train nothing.

    Args:
        study: The path of a study file, `sample:NAME`, or its content as a dict; as for `run`.
        set: Settings that come before those of the study; as for `run`.
        data: A frame in place of `data.source`; as for `run`, and kept in the same way.
        store: The URL of the store; it is read if it is there.
        name: Another name for the study.
        warm_start: Exported configurations to try first.
        policy: A file of safe ranges to use instead of the default ones.
        strict: Let warnings of the data audit block as well.
        deep: Also refit on targets moved in time, which takes seconds.

    Returns:
        The answer: `ok`, `refusals` (sentences), `rows` of each split, and the frames `findings()`,
        `clamps()` and `settings()`.

    Raises:
        ConfigError: Settings are wrong; all problems at once.
        RequestError: An argument is of another type, or the frame cannot be kept.
        StoreError: The URL of the store, which a frame is kept beside, cannot be read.
    """
    from search.api.check_study import check_study

    options = given_options(
        study,
        set,
        data=data,
        store=store,
        name=name,
        warm_start=warm_start,
        policy=policy,
        strict=strict,
    )
    return check_study(options, deep=as_flag("deep", deep))


@with_python_messages
def calibrate(
    study: GivenStudy,
    *,
    set: GivenSettings = (),
    data: Any = None,
    output: _Path | None = None,
    keys: Sequence[str] = (),
    epochs: int = 3,
    seeds: int = 3,
    store: str | None = None,
    policy: _Path | None = None,
    force: bool = False,
) -> "Calibration":
    """Measure safe ranges on the data of a study, by short guarded runs, and write them as a policy file.

    Args:
        study: The path of a study file, `sample:NAME`, or its content as a dict; as for `run`.
        set: Settings that come before those of the study; as for `run`.
        data: A frame in place of `data.source`; as for `run`, and kept in the same way.
        output: The policy file; None: the name of the study with `.safe_ranges.yaml`, in the current folder.
        keys: Keys to measure, such as `["models.gru.learning_rate"]`; empty: all that can be measured.
        epochs: Epochs of each run, the first ones of a trial; 1 or more.
        seeds: Runs of each value, 1 or more.
        store: The URL of the store, which a frame is kept beside; nothing is recorded.
        policy: The safe ranges to start from; keys that are not measured stay as they are there.
        force: Replace the policy file if it exists.

    Returns:
        What was measured: `saved` (the policy file, for `policy=` of `run`), the frames `ranges()` and
        `points()`, and `to_json()`, the shape of `ballast calibrate --json`.

    Raises:
        ConfigError: Settings are wrong; all problems at once.
        RequestError: The file exists, a key cannot be measured, or an argument is out of range.
        AnswerIsNo: The audit refuses the data, or training is not stable with the study's own values.
        KeyboardInterrupt: Ctrl-C or SIGTERM came; nothing is written.
    """
    from search.api.calibrate_study import CalibrateOptions, calibrate_study

    options = given_options(
        study, set, data=data, store=store, name=None, warm_start=(), policy=policy, strict=False
    )
    names = (keys,) if isinstance(keys, str) else keys
    return calibrate_study(
        CalibrateOptions(
            options,
            as_optional_path("output", output),
            as_flag("force", force),
            as_whole_number("epochs", epochs, 1),
            as_whole_number("seeds", seeds, 1),
            tuple(as_text("keys", each, "a key") for each in names),
        )
    )


@with_python_messages
def train(
    config: _Path,
    *,
    set: GivenSettings = (),
    policy: _Path | None = None,
    save: _Path | None = None,
    onnx: bool = False,
    store: str | None = None,
    progress: bool = True,
) -> "Training":
    """Train one configuration; for an exported one, check whether its value is reproduced.

    Args:
        config: The path of a configuration, such as `Study.export` writes.
        set: Settings that come before those of the file; as for `run`.
        policy: A file of safe ranges to use instead of the default ones.
        save: The folder to save the model in, for `load_model`; None: it is not saved.
        onnx: Put `model.onnx` into that folder.
        store: The URL of the store that the scoring of validation rows is recorded in.
        progress: Log a line for each epoch.

    Returns:
        The result: `value` (validation loss of the standardised target), `skill` (at most 1),
        `verdict`, `reproduced`, `saved`, and the frame `epochs()`.

    Raises:
        RequestError: The file has settings that are still to be searched, or `onnx` is given without `save`.
        ModelFolderError: The model cannot be saved there; raised before the training.
        AnswerIsNo: A model was to be saved, and the training is not to be trusted.
        KeyboardInterrupt: Ctrl-C or SIGTERM came; nothing is saved.
    """
    from search.api.train_configuration import require_saved, train_configuration

    if as_flag("onnx", onnx) and save is None:
        raise RequestError("onnx=True puts a file into the folder of save; give both of them")
    path, folder = as_path("config", config), as_optional_path("save", save)
    with shown_log(as_flag("progress", progress)):
        done = train_configuration(
            path,
            set_texts(set),
            policy=as_optional_path("policy", policy),
            save=folder,
            onnx=onnx,
            store=store,
            on_epoch=log_epoch,
        )
    if done.is_interrupted:
        raise KeyboardInterrupt(f"the training of {path} was interrupted; nothing was saved")
    require_saved(done, path, folder)
    return done


@with_python_messages
def verify(
    config: _Path,
    *,
    seeds: int = 5,
    top: int = 1,
    store: str | None = None,
    policy: _Path | None = None,
    progress: bool = True,
) -> "VerificationReport":
    """Train with fresh seeds on all rows before the test rows, score those once, and say whether skill holds.

    Args:
        config: The path of a configuration, such as `Study.export` writes.
        seeds: How many trainings with fresh seeds, 1 or more.
        top: Compare the K best of its study with each other, 1 or more.
        store: The URL of the store that the evaluation is recorded in.
        policy: A file of safe ranges to use instead of the default ones.
        progress: Log a line for each training.

    Returns:
        The report: `holds`, `scored` (losses of the standardised target, skill with its interval, the
        strongest rival), and `to_json()`, the shape of `ballast verify --json`.

    Raises:
        RequestError: The file has settings to be searched, was edited, or an argument is out of range.
        AnswerIsNo: The configuration cannot be verified on its test rows.
        StoreError: The store cannot be opened or written.
        KeyboardInterrupt: Ctrl-C or SIGTERM came; no test row was scored.
    """
    return verify_with_log(
        as_path("config", config),
        seeds=as_whole_number("seeds", seeds, 1),
        top=as_whole_number("top", top, 1),
        store=store,
        policy=as_optional_path("policy", policy),
        progress=as_flag("progress", progress),
    )


@with_python_messages
def compare(a: str, b: str, *, store: str | None = None) -> "Comparison":
    """Compare two trials of one store on the validation rows that both have, paired by time and series.

    Args:
        a: The name of a study (its accepted trial of the lowest loss), or `NAME:TRIAL`.
        b: Another one, or another trial of the same study.
        store: The URL of the store; None: BALLAST_STORE, `sqlite:///ballast.db`.

    Returns:
        Whether B forecasts better than A: `verdict` (`yes`, `no` or `cannot tell`), `skill` of B over A (1 −
        loss of B / loss of A) with its 95 % `interval`, `rows`, `settings()` that differ, and `to_json()`,
        the shape of `ballast compare --json`. The rows chose both trials; `verify` judges on others.

    Raises:
        StudyUnknown: The store has no such study.
        TrialUnknown: The study has no trial of this number.
        RequestError: The trials have different targets or losses, no common validation rows or no forecasts.
        StoreError: The store cannot be read.
    """
    from search.api.stores import open_existing_store
    from search.study.comparison import compare_trials

    what = "NAME or NAME:TRIAL"
    return compare_trials(open_existing_store(store), as_text("a", a, what), as_text("b", b, what))


@with_python_messages
def refit(
    config: _Path,
    *,
    save: _Path,
    seeds: int = 5,
    policy: _Path | None = None,
    store: str | None = None,
    progress: bool = True,
) -> "LiveModel":
    """Train a configuration on every row of its table, and save the model that goes live.

    The epochs are those that validation found best. No row is kept for a judgement: only rows that come later
    can judge the model.

    Args:
        config: The path of a configuration, such as `Study.export` writes.
        save: The folder to save the model in, for `load_model`.
        seeds: How many trainings with fresh seeds, 1 or more. The forecast is the mean of theirs.
        policy: A file of safe ranges to use instead of the default ones.
        store: The URL of the store that is asked what `verify` said last.
        progress: Log a line for each training, and what is to be known about the model.

    Returns:
        The model that was saved: `saved` (its folder), `sentences()`, and `to_json()`, the shape of
        `ballast refit --json`.

    Raises:
        RequestError: The file has settings to be searched, was edited, or an argument is out of range.
        AnswerIsNo: The audit refuses the data, or half of the seeds or more diverge; nothing is saved.
        ModelFolderError: The folder cannot be written; found before the training.
        KeyboardInterrupt: Ctrl-C or SIGTERM came; nothing is saved.
    """
    return refit_with_log(
        as_path("config", config),
        as_path("save", save),
        seeds=as_whole_number("seeds", seeds, 1),
        policy=as_optional_path("policy", policy),
        store=store,
        progress=as_flag("progress", progress),
    )


@with_python_messages
def load_model(folder: _Path) -> "Model":
    """Load a model that `train` or `refit` saved.

    Args:
        folder: The folder of the model.

    Returns:
        The model; its `predict` forecasts a frame or a file.

    Raises:
        ModelFolderError: The folder is no model folder, of a newer format, or damaged.
        RequestError: `folder` is no path.
    """
    from search.api.model import Model

    return Model(folder)
