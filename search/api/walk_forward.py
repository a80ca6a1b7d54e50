"""Walks forward through a table with a whole search; `ballast walk-forward` calls it.

table ──► plan ──► for each block: study on the rows before it ──► robust best, refitted ──► its forecasts
                                                                                    └──► one record
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal

import numpy as np

from search.api.run_study import run_study
from search.api.study_options import StudyOptions
from search.config.leaves import leaf_values
from search.config.resolved_study import DEFAULTS_VERSION, ResolvedStudy
from search.config.schema import TRIAL_LEAVES
from search.errors import RequestError, StudyChanged
from search.record.evaluations import (
    configuration_number,
    earlier_evaluations,
    first_evaluated_at,
    new_evaluation,
    rows_between,
)
from search.record.row_mapping import now
from search.record.searched_rows import earlier_searches
from search.seeds import fresh_seed
from search.selection.candidates import Candidate, VerificationInterrupted
from search.selection.trained_candidate import VerificationCallbacks
from search.selection.walk_forward_block import forecast_block
from search.selection.walk_forward_record import WalkForwardRecord, plan_digest, read_record
from search.signals import StopRequest, stop_request
from search.study.studies import OpenStudy
from search.study.walk_forward_plan import Block, Timeline, Window, parse_every, parse_from, plan_blocks
from search.terminal.run_view import RunView
from search.watching.publishing.study_publisher import publish_once
from search.workers.executor import Executor
from search.workers.progress import Progress
from storage import evaluations, tables, walk_forwards
from storage.engine import Store, open_store
from trainer.data.source import Table, read_table
from trainer.training.result import RefitResult

Search = Literal["study", "none"]
"""What a block does before its refits: the search of the study file, or nothing."""


@dataclass(frozen=True)
class WalkForwardOptions:
    """The options that say which blocks there are, and what is done for each of them."""

    every: str
    begin: str | None = None
    window: Window = "expanding"
    search: Search = "study"
    seeds: int = 5
    warm_start: bool = False


@dataclass(frozen=True)
class WalkForwardCallbacks:
    """Called before each block with its position from 1, the number of blocks and the block; and after each
    refit.
    """

    block: Callable[[int, int, Block], None] = lambda position, total, block: None
    trained: Callable[[Candidate, RefitResult], None] = lambda candidate, refit: None


@dataclass(frozen=True)
class _WalkForward:
    """A walk-forward that is ready to run: its plan, its table and its store."""

    options: StudyOptions
    asked: WalkForwardOptions
    resolved: ResolvedStudy
    table: Table
    moments: "np.ndarray[Any, Any]"
    blocks: tuple[Block, ...]
    store: Store

    @property
    def name(self) -> str:
        return self.resolved.file.study.name

    @property
    def plan(self) -> dict[str, Any]:
        """What is recorded of it: another plan is another walk-forward."""
        study = self.resolved.file.study
        return {
            "options": {
                **asdict(self.asked),
                "trials": 1 if self.asked.search == "none" else study.trials,
                "enqueue": [dict(each) for each in self.resolved.enqueued],
            },
            "fingerprints": self.resolved.fingerprints(),
            "content": self.table.sha256,
            "blocks": [block.to_json() for block in self.blocks],
        }


def walk_forward(
    options: StudyOptions,
    asked: WalkForwardOptions,
    executor: Executor,
    view: RunView,
    *,
    callbacks: WalkForwardCallbacks | None = None,
    proxy: str | None = None,
) -> WalkForwardRecord:
    """Run every block that is not finished, one after the other, and return the record of all.

    Nothing is done twice: a study that a killed process left goes on, and a finished block is skipped. Raises
    RequestError for a wrong request, StudyChanged if a walk-forward of this name has another plan,
    KeyboardInterrupt after Ctrl-C or SIGTERM, and what `run_study` raises.
    """
    callbacks = WalkForwardCallbacks() if callbacks is None else callbacks
    every = parse_every(asked.every)
    begin = None if asked.begin is None else parse_from(asked.begin)
    if asked.search == "none" and (options.trials is not None or asked.warm_start):
        given = "--trials" if options.trials is not None else "--warm-start"
        raise RequestError(f"{given} has no effect with --search none, which searches nothing; leave it out")
    resolved, _ = options.resolve(DEFAULTS_VERSION)
    config = resolved.trial_config.data
    table = read_table(config, folder=resolved.folder)
    timeline = _timeline(table, config.target.horizon)
    blocks = plan_blocks(
        resolved.file.study.name, config.split, timeline, every, begin=begin, window=asked.window
    )
    store = open_store(options.url_of(resolved))
    try:
        with stop_request() as stop:
            stop.on_stop = _print_stopping
            store = replace(store, patience=resolved.file.storage.patience, give_up=stop)
            walk = _WalkForward(options, asked, resolved, table, timeline.moments, blocks, store)
            return _run(walk, executor, view, callbacks, proxy, stop)
    except VerificationInterrupted:
        raise KeyboardInterrupt from None
    finally:
        store.close()


def _run(
    walk: _WalkForward,
    executor: Executor,
    view: RunView,
    callbacks: WalkForwardCallbacks,
    proxy: str | None,
    stop: StopRequest,
) -> WalkForwardRecord:
    started_at, settings = _earlier_blocks(walk)
    for position, block in enumerate(walk.blocks):
        if position in settings:
            continue
        began = time.monotonic()
        callbacks.block(position + 1, len(walk.blocks), block)
        row = tables.WalkForwardBlockRow(
            study=block.study,
            walk_forward=walk.name,
            position=position,
            plan={**walk.plan, "started_at": started_at.isoformat()},
        )
        study = _block_options(walk, block, settings.get(position - 1))
        with run_study(study, executor, _recording(view, row), proxy=proxy) as done:
            if done.is_interrupted:
                raise KeyboardInterrupt
        _begin_evaluation(walk, started_at)
        found = forecast_block(
            walk.store,
            block.study,
            walk.moments[block.last],
            walk.resolved.trial_config.data.until,
            seeds=walk.asked.seeds,
            began=began,
            progress=VerificationCallbacks(callbacks.trained, stop),
        )
        walk_forwards.finish_block(
            walk.store, block.study, finished_at=now(), result=found.result, rows=found.rows.packed()
        )
        settings[position] = found.result["settings"]
        if walk.resolved.file.tracking.dashboard:
            publish_once(walk.store, block.study)
    record = read_record(walk.store, walk.name)
    _finish_evaluation(walk, record)
    return record


def _recording(view: RunView, row: tables.WalkForwardBlockRow) -> RunView:
    """The view of a run that first puts the block of the study on record."""

    @contextmanager
    def recording(study: OpenStudy, stop: StopRequest) -> Iterator[Progress]:
        walk_forwards.start_block(study.store, row)
        with view(study, stop) as progress:
            yield progress

    return recording


def _timeline(table: Table, horizon: int) -> Timeline:
    """The distinct times of a table, on its own clock too."""
    moments, rows = np.unique(table.times.to_numpy(), return_index=True)
    clock = moments.astype("datetime64[us]")
    if table.offsets is not None:
        # A clock that is set back in autumn shows one hour twice: the first of the two counts.
        clock = np.maximum.accumulate(clock + table.offsets[rows].astype("timedelta64[s]"))
    return Timeline(moments, clock, table.offsets is not None, horizon)


def _earlier_blocks(walk: _WalkForward) -> tuple[datetime, dict[int, Mapping[str, Any]]]:
    """When the walk-forward was started, and the settings that each finished block has chosen, by position.

    Raises StudyChanged if it was started with another plan.
    """
    recorded = walk_forwards.find_walk_forward(walk.store, walk.name)
    if recorded is None:
        return now(), {}
    changes = _changes(recorded.plan, walk.plan)
    if changes:
        raise StudyChanged(
            f"walk-forward {walk.name!r} in {walk.store.shown_url} was started with another plan: "
            f"{'; '.join(changes)}. Go on as it was started, or start another one: --name {walk.name}-2"
        )
    settings = {position: result["settings"] for position, result in recorded.results.items()}
    return datetime.fromisoformat(recorded.plan["started_at"]), settings


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """A phrase for each part of a plan that has changed."""
    found = [
        f"{'from' if name == 'begin' else name.replace('_', '-')} was {old}, now {after['options'].get(name)}"
        for name, old in before["options"].items()
        if after["options"].get(name) != old
    ]
    parts = [name for name, old in before["fingerprints"].items() if after["fingerprints"].get(name) != old]
    found += [f"the {part} of the study changed" for part in parts]
    if before["content"] != after["content"]:
        found.append("the table has other content")
    if not found and before["blocks"] != after["blocks"]:
        found.append("the blocks have other bounds")
    return found


def _block_options(walk: _WalkForward, block: Block, before: Mapping[str, Any] | None) -> StudyOptions:
    """The study of a block. `before` are the settings that the block before has chosen."""
    settings: dict[str, Any] = dict(block.settings)
    if walk.asked.search == "none":
        values = leaf_values(walk.resolved.trial_config, TRIAL_LEAVES)
        settings |= {key: values[key] for key in walk.resolved.space}
        settings |= {
            "study.trials": 1,
            "study.sampler": "random",
            "study.pruner": "none",
            "study.enqueue": [],
        }
    elif walk.asked.warm_start and before:
        settings["study.enqueue"] = [*map(dict, walk.resolved.enqueued), dict(before)]
    texts = [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in settings.items()]
    kept = [text for text in walk.options.sets if text.partition("=")[0].strip() not in settings]
    return replace(walk.options, sets=[*kept, *texts], name=block.study)


def _evaluation(walk: _WalkForward) -> tables.Evaluation | None:
    return walk_forwards.evaluation_of(walk.store, walk.name, plan_digest(walk.plan), walk.table.sha256)


def _begin_evaluation(walk: _WalkForward, started_at: datetime) -> None:
    """Record, before any row is scored, that all of them are: they are used once."""
    if _evaluation(walk) is not None:
        return
    seed = walk.resolved.file.study.seed
    first, last = walk.moments[walk.blocks[0].first], walk.moments[walk.blocks[-1].last]
    rows = rows_between(walk.resolved, walk.table, first, last)
    evaluation = new_evaluation(
        rows,
        study=walk.name,
        trial=None,
        configuration=plan_digest(walk.plan),
        seeds=[fresh_seed(seed, number) for number in range(walk.asked.seeds)],
        kind="walk-forward",
    )
    evaluation.looked_at = started_at  # the searches of its own blocks are no earlier searches
    taken = earlier_evaluations(walk.store, rows)
    searches = earlier_searches(walk.store, rows, first_evaluated_at(evaluation, taken))
    evaluation.report = {
        "look": configuration_number(evaluation, taken),
        "searched_by": [search.to_json() for search in searches],
    }
    evaluations.start_evaluation(walk.store, evaluation)


def _finish_evaluation(walk: _WalkForward, record: WalkForwardRecord) -> None:
    evaluation = _evaluation(walk)
    if evaluation is not None and evaluation.verdict is None and record.is_complete:
        verdict = str(record.conclusion.verdict)
        evaluations.finish_evaluation(walk.store, evaluation.id, verdict, record.to_json())


def _print_stopping() -> None:
    os.write(2, b"stopping: the block is forecast again when the same command runs again\n")
