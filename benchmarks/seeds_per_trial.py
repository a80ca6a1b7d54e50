"""What several seeds per trial cost, and whether the configuration that is exported then holds more often.

Run it with `python -m benchmarks.seeds_per_trial`; `--quick` takes a few minutes, the whole half an hour on
one core. Three tables, each from one run:

1. CPU time of a trial of three seeds relative to three trials of one seed, by kernel and units. Beside it two
   shares of a training step: gathering its batch, which is all that the seeds could save if they shared their
   batches, and the step's fixed cost (a step of one window of one row), which is all that one call of the
   kernel for all seeds could save.
2. Where the seeds of a configuration differ: trainings of every pair of some initialisations and some orders
   of batches, and the variance of the loss that is due to each. With one order for all seeds, the variance of
   the mean of three seeds would be larger by the factor in the last column.
3. Searches of the shipped studies at equal CPU: many trials of one seed against a third as many of three.
   Each exports by the default rule and verifies; the table counts the answers.
"""

import argparse
import itertools
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray

import ballast
from search.config.files.shipped import CONFIGS
from search.config.resolve import resolve
from search.data.study_data import load_study_data
from trainer.config import KernelName, ScheduleName, TrialConfig
from trainer.data.windows import Dataset
from trainer.rivals.skill import Baseline
from trainer.runtime import reproducible
from trainer.training.batches import Batch, Batches
from trainer.training.learner import Learner, TrialLosses
from trainer.training.loop import fit
from trainer.training.schedule import learning_rate_factor

STUDIES = ("sp500-volatility", "nasdaq-volatility", "wti-volatility")
KERNELS: tuple[KernelName, ...] = ("fused", "torch")
SEEDS = (0, 1, 2)
CPU = torch.device("cpu")


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a third of the trials, epochs and trainings")
    parser.add_argument("--trials", type=int, help="trials of one seed in a search (default: 12)")
    parser.add_argument("--searches", type=int, default=1, help="searches of each kind per study")
    parser.add_argument("--tables", type=int, nargs="+", default=[1, 2, 3], choices=[1, 2, 3])
    asked = parser.parse_args()
    if 1 in asked.tables:
        print_costs(rounds=2 if asked.quick else 5)
    if 2 in asked.tables:
        print_variances(count=4 if asked.quick else 8, epochs=12)
    if 3 in asked.tables:
        trials = asked.trials or (6 if asked.quick else 12)
        print_answers(trials, asked.searches, seeds=3 if asked.quick else 5)


def prepared(study: str, **gru: object) -> tuple[TrialConfig, Dataset]:
    """A trial of a shipped study with other settings of the network, and its third fold."""
    resolved = resolve(CONFIGS / "studies" / f"{study}.yaml")
    config = resolved.trial_config
    models = config.models.model_copy(update={"gru": config.models.gru.model_copy(update=gru)})
    return config.model_copy(update={"models": models}), load_study_data(resolved).folds(config.data)[2]


def with_training(config: TrialConfig, **training: object) -> TrialConfig:
    """The configuration with other settings of the training."""
    return config.model_copy(update={"training": config.training.model_copy(update=training)})


def print_costs(rounds: int) -> None:
    """Table 1. The two kinds of trial take turns, and the least of `rounds` counts."""
    print(f"{'kernel':8}{'units':>6}{'3 seeds / 3 trials':>20}{'gathering':>12}{'fixed cost':>12}")
    for kernel, units in itertools.product(KERNELS, (16, 32)):
        config, data = prepared(STUDIES[0], hidden_size=units)
        config = with_training(config, kernel=kernel, epochs=2)
        together, apart = [], []
        for _ in range(rounds):
            together.append(cpu_seconds(config, data, [SEEDS]))
            apart.append(cpu_seconds(config, data, [(seed,) for seed in SEEDS]))
        gathering, fixed = step_shares(config, data)
        print(
            f"{kernel:8}{units:6}{min(together) / min(apart):20.3f}{gathering:12.1%}{fixed:12.1%}", flush=True
        )
    print()


def cpu_seconds(config: TrialConfig, data: Dataset, trials: Sequence[Sequence[int]]) -> float:
    """CPU seconds of one trial for each of the tuples of seeds."""
    began = time.process_time()
    for seeds in trials:
        fit(config, data, baseline=Baseline("none", 1.0), ceiling=1.0, seed=seeds)
    return time.process_time() - began


def step_shares(config: TrialConfig, data: Dataset) -> tuple[float, float]:
    """What gathering and the fixed cost of a step are, as shares of a whole step."""
    with reproducible(0):
        learner, batches = new_learner(config, data), Batches(data, CPU)
        size = config.models.gru.batch_size
        one = next(batches.shuffled(1))
        tiny = Batch(one.x[:1].contiguous(), one.y, one.rows, True)

        def step(batch: Batch) -> None:
            learner.backward(batch)
            learner.apply()

        def epoch() -> None:
            for batch in batches.shuffled(size):
                step(batch)

        def tiny_epoch() -> None:
            for _ in range(batches.per_epoch(size)):
                step(tiny)

        gather = least(lambda: sum(1 for _ in batches.shuffled(size)))
        whole, fixed = least(epoch), least(tiny_epoch)
    return gather / whole, fixed / whole


def least(work: Callable[[], object]) -> float:
    """The least CPU seconds of five runs."""
    found = []
    for _ in range(5):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def new_learner(config: TrialConfig, data: Dataset) -> Learner:
    """A learner with new weights."""
    loss = data.in_units(config.loss)
    return Learner(data.features.shape[1], config, CPU, TrialLosses(loss, loss))


@dataclass(frozen=True)
class Variances:
    """Variance of the validation loss that is due to the initial weights and dropout, to the order of the
    batches, and to both together.
    """

    weights: float
    order: float
    both: float

    @property
    def factor(self) -> float:
        """Variance of the mean of three seeds with one order, over that with an order each."""
        own = self.weights + self.order + self.both
        return (self.weights + 3 * self.order + self.both) / own


def print_variances(count: int, epochs: int) -> None:
    """Table 2."""
    print(f"{'study':20}{'schedule':10}{'sd of weights':>15}{'of order':>10}{'of both':>10}{'factor':>8}")
    schedules: tuple[ScheduleName, ...] = ("cosine", "constant")
    for study, schedule in itertools.product((STUDIES[0], STUDIES[2]), schedules):
        config, data = prepared(study, hidden_size=16, learning_rate=2e-3, dropout=0.1)
        config = with_training(config, schedule=schedule, epochs=epochs)
        losses = np.array(
            [[trained(config, data, seed, order) for order in range(count)] for seed in range(count)]
        )
        found = variances(losses)
        sds = (f"{each**0.5:.5f}" for each in (found.weights, found.order, found.both))
        print("{:20}{:10}{:>15}{:>10}{:>10}{:8.2f}".format(study, schedule, *sds, found.factor), flush=True)
    print()


def trained(config: TrialConfig, data: Dataset, seed: int, order: int) -> float:
    """The validation loss at the end, with the weights and dropout of `seed` and the batches of `order`."""
    with reproducible(seed):
        learner, batches, size = new_learner(config, data), Batches(data, CPU), config.models.gru.batch_size
        steps = config.training.epochs * batches.per_epoch(size)
        for step, batch in enumerate(ordered(batches, size, config.training.epochs, order)):
            learner.learning_rate_factor = learning_rate_factor(config.training.schedule, step, steps)
            learner.backward(batch)
            learner.apply()
        return learner.validate(batches.validation()).loss


def ordered(batches: Batches, size: int, epochs: int, order: int) -> Iterator[Batch]:
    """The batches of all epochs, in an order that depends on `order` alone."""
    for epoch in range(epochs):
        with torch.random.fork_rng():
            torch.manual_seed(1000 * order + epoch)
            drawn = batches.shuffled(size)
        yield from drawn


def variances(losses: NDArray[np.float64]) -> Variances:
    """The parts of a two-way analysis of variance of losses (weights, orders) without repetition."""
    count, mean = len(losses), losses.mean()
    weights, order = losses.mean(axis=1) - mean, losses.mean(axis=0) - mean
    both = float(np.square(losses - mean - weights[:, None] - order).sum()) / (count - 1) ** 2
    of_weights, of_order = (float(each.var(ddof=1)) - both / count for each in (weights, order))
    return Variances(max(of_weights, 0.0), max(of_order, 0.0), both)


def print_answers(trials: int, searches: int, seeds: int) -> None:
    """Table 3."""
    print(f"{'study':20}{'search':>14}{'CPU s':>8}{'validation':>12}{'test':>9}  answer")
    holds = dict.fromkeys((1, 3), 0)
    for study, number, each in itertools.product(STUDIES, range(searches), (1, 3)):
        with TemporaryDirectory() as folder:
            holds[each] += print_answer(Path(folder), study, number, trials // each, each, seeds)
    for each, count in holds.items():
        print(f"{trials // each} × {each}: {count} of {searches * len(STUDIES)} hold")


def cpu_of_all() -> float:
    """CPU seconds of this process and of its children that have ended."""
    spent = (resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in spent)


def print_answer(folder: Path, study: str, number: int, trials: int, each: int, seeds: int) -> bool:
    """Search, export, verify and print one line; whether the skill holds."""
    store, best = f"sqlite:///{folder}/ballast.db", folder / "best.yaml"
    changes = {"study.trials": trials, "study.seeds_per_trial": each, "study.seed": number}
    began = cpu_of_all()
    done = ballast.run(CONFIGS / "studies" / f"{study}.yaml", set=changes, store=store, progress=False)
    seconds = cpu_of_all() - began
    done.export(best)
    report = ballast.verify(best, seeds=seeds, store=store, progress=False).to_json()
    print(
        f"{study:20}{f'{trials} × {each}':>14}{seconds:8.1f}{report['validation']['skill']:+12.4f}"
        f"{report['skill']:+9.4f}  {report['verdict']}",
        flush=True,
    )
    return bool(report["verdict"] == "holds")


if __name__ == "__main__":
    main()
