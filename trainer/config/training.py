"""The settings of the model, the training and the guard."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from trainer.config.section import Section, as_tuple
from trainer.losses import HUBER_DELTA, LossName
from trainer.quantile_loss import QUANTILES, wrong_quantiles

InitName = Literal["gains", "torch"]


ScheduleName = Literal["constant", "cosine"]


KernelName = Literal["auto", "torch", "fused"]


BatchesName = Literal["rows", "times"]


def _quantiles(quantiles: tuple[float, ...]) -> tuple[float, ...]:
    if (reason := wrong_quantiles(quantiles)) is not None:
        raise ValueError(reason)
    return quantiles


Quantiles = Annotated[
    tuple[float, ...],
    BeforeValidator(as_tuple, json_schema_input_type=list[float]),
    AfterValidator(_quantiles),
]


class GRUConfig(Section):
    """Shape, initialisation and optimiser of the GRU."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    batch_size: Annotated[int, Field(ge=1)] = 32
    hidden_size: Annotated[int, Field(ge=1)] = 32
    num_layers: Annotated[int, Field(ge=1)] = 1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Between the layers and on the last hidden state, so that it also has an effect with one layer."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled (AdamW)."""
    init: InitName = "gains"
    """`gains`: Xavier and orthogonal with the three gains below, biases zero; `torch`: PyTorch's own."""
    input_gain: Annotated[float, Field(gt=0)] = 0.01
    hidden_gain: Annotated[float, Field(gt=0)] = 0.01
    head_gain: Annotated[float, Field(gt=0)] = 0.001


class ModelsConfig(Section):
    """The models that can be trained; today one."""

    gru: GRUConfig = GRUConfig()


class TrainingConfig(Section):
    """How long to train, and how."""

    loss: LossName = Field(default="mse", exclude_if=lambda value: value == "mse")
    """What training minimises: `mse`, squared errors; `mae`, absolute errors; `huber`, squared up to
    `huber_delta` and absolute above; `qlike`, of variances, for a target that is the logarithm of a
    variance or a volatility; `quantile`, of several quantiles at once, with the median as the forecast. The
    study is judged by it too, unless `study.metric` says otherwise."""
    huber_delta: Annotated[float, Field(gt=0)] = Field(
        default=HUBER_DELTA, exclude_if=lambda value: value == HUBER_DELTA
    )
    """For `huber`: up to which error it is squared, in standard deviations of the training target."""
    quantiles: Quantiles = Field(default=QUANTILES, exclude_if=lambda value: value == QUANTILES)
    """For `quantile`: which quantiles are forecast, ascending, 0.5 among them. 0.1 and 0.9 are the bounds at
    80 %, 0.025 and 0.975 those at 95 %."""
    half_life: Annotated[float, Field(gt=0)] | None = Field(
        default=None, exclude_if=lambda value: value is None
    )
    """Training rows count less in the training loss the older they are: half as much for every so many rows
    (in a panel: dates) before the last one, on top of `data.weights`. null: age does not count."""
    epochs: Annotated[int, Field(ge=1)] = 15
    patience: Annotated[int, Field(ge=1)] = 4
    """Epochs without a better validation loss before training ends."""
    schedule: ScheduleName = "constant"
    """The learning rate over `epochs`. `constant`: unchanged, and the best epoch counts. `cosine`: falls to 0
    along half a cosine, and the last epoch counts, whatever `patience`.
    """
    batches: BatchesName = Field(default="rows", exclude_if=lambda value: value == "rows")
    """What a batch is drawn from. `rows`: the training rows of all series and times. `times`: whole dates,
    with the rows of all series at each; as many dates as have about `models.gru.batch_size` rows, at least
    one."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """The L2 norm of all gradients together is clipped to this."""
    max_seconds: Annotated[float, Field(gt=0)] | None = None
    """Time limit of one trial; null: none. Time before a resumption counts."""
    mixed_precision: Literal[False] = False
    """Training is always in float32; the safe ranges clamp anything else to false."""
    device: str = "cpu"
    kernel: KernelName = "auto"
    """What computes the steps: `torch`, PyTorch's GRU, or `fused`, our compiled one, only on the CPU; they
    differ in rounding. `auto`: fused on the CPU, else torch."""


class GuardConfig(Section):
    """Thresholds of the guard; docs/guard.md gives their reasons."""

    max_bad_steps: Annotated[int, Field(ge=1)] = 3
    """Consecutive bad steps that end the trial, or rewind it."""
    rewinds: Annotated[int, Field(ge=0)] = 1
    """How often bad steps return to the last good epoch, with half its learning rate, before they end the
    trial."""
    output_limit: Annotated[float, Field(gt=0)] = 10.0
    """Largest |output|, in units of the standardised target; a step above it is an explosion."""
    loss_limit: Annotated[float, Field(gt=0)] = 100.0
    """A higher loss of a batch or of the validation rows is an explosion; a squared error of the standardised
    target, which any other loss is compared with as the loss of a forecast with this error."""
    lr_cut: Annotated[float, Field(gt=0, lt=1)] = 0.1
    lr_min: Annotated[float, Field(gt=0)] = 1e-8
    frozen_lr_ratio: Annotated[float, Field(gt=0, lt=1)] = 1e-3
    """If the learning rate falls below this share of its initial value, the trial has stopped learning."""
    min_movement: Annotated[float, Field(ge=0)] = 1e-3
    """Smallest relative L2 distance from the initial weights, over all epochs, of a model that has learnt
    anything."""
    loss_floor: Annotated[float, Field(ge=0)] = 1e-8
    """A lower loss is suspicious; a squared error, as `loss_limit`."""
    max_skill: Annotated[float, Field(gt=0, le=1)] | None = None
    """Ceiling of believable skill; null: derived from the kind of target. Required for kind `other`."""
    target_max_floor: Annotated[float, Field(ge=0)] = 1e-3
    target_std_floor: Annotated[float, Field(ge=0)] = 1e-4
