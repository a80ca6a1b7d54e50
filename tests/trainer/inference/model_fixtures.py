"""A small model to save: its settings and where it comes from."""

import torch

from tests.trainer.fit_fixtures import DATA
from trainer.config import GRUConfig, ModelsConfig, TrialConfig
from trainer.inference.model_description import ModelProvenance

GRU = GRUConfig(hidden_size=8, init="torch")
CONFIG = TrialConfig(data=DATA, models=ModelsConfig(gru=GRU))
PROVENANCE = ModelProvenance(
    study="small",
    trial=3,
    seed=7,
    value=0.5,
    skill=0.1,
    baseline="har",
    best_epoch=1,
    reproduced="bits",
    data_sha256="ab" * 32,
    versions={"torch": torch.__version__},
    machine={"cpu": "a processor"},
)
