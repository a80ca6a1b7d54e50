"""What an exported file says about its trial, and what has changed since the export."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from search.config.resolved_study import ResolvedStudy
from search.errors import RequestError
from search.machine import machine_facts
from search.record.row_mapping import package_versions


class _ExportedData(BaseModel):
    sha256: str
    split: dict[str, int] | None = None

    def has_rows(self, rows: Mapping[str, int]) -> bool:
        """Whether the splits have as many rows as at the export, the test rows included."""
        return self.split == dict(rows)


class _ExportedPolicy(BaseModel):
    file: str
    fingerprint: str


class _ExportedBound(BaseModel):
    low: float


class ExportProvenance(BaseModel):
    """The part of an export's section `provenance` that a rerun needs."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    trial: Annotated[int, Field(ge=0)]
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    value: float
    skill: float
    best_epoch: Annotated[int, Field(ge=0)]
    data: _ExportedData
    policy: _ExportedPolicy
    versions: dict[str, str]
    skill_ceiling: Annotated[float, Field(gt=0)] | None = None
    """None in exports of older versions."""
    lower_bound: _ExportedBound | None = None
    """Lower bound of the skill on the validation rows; None if the trial was not chosen by it."""
    machine: dict[str, str] | None = None
    """None in exports of older versions."""

    @property
    def had_one_kernel(self) -> bool:
        """Whether it comes from a version that had only the PyTorch kernel and did not name it."""
        return "numba" not in self.versions


def export_provenance(resolved: ResolvedStudy) -> ExportProvenance | None:
    """The provenance of an exported file, None for any other; RequestError if it was edited."""
    if not resolved.provenance:
        return None
    try:
        return ExportProvenance.model_validate(resolved.provenance)
    except ValidationError as error:
        wrong = ", ".join(".".join(str(part) for part in detail["loc"]) for detail in error.errors())
        raise RequestError(
            f"{resolved.path}: {wrong} in its section provenance is not as an export writes it; "
            "export the trial again, or remove the section to train without comparison"
        ) from None


def changes_since_export(
    exported: ExportProvenance, resolved: ResolvedStudy, sha256: str, sets: Sequence[str] = ()
) -> tuple[str, ...]:
    """What has changed since the export; the likeliest reason for another value comes first."""
    differences = [f"--set {text} changes the exported configuration" for text in sets]
    differences += [f"{c.key} was clamped from {c.declared} to {c.effective}" for c in resolved.clamps]
    if exported.policy.fingerprint != resolved.fingerprints()["policy"]:
        differences.append(f"the safe ranges differ; the study had those of --policy {exported.policy.file}")
    if exported.data.sha256 != sha256:
        differences.append(f"the data of {resolved.file.data.shown_source} changed since the export")
    return tuple(differences)


def reasons_to_differ(exported: ExportProvenance) -> tuple[str, ...]:
    """Why sums may be rounded differently here than where the exported value was computed."""
    if exported.machine is None:
        reasons = ["the export does not say on which machine its value was computed"]
    else:
        reasons = _differences(machine_facts(), exported.machine)
    if exported.had_one_kernel:  # versions are recorded per study, which a newer version may have continued
        reasons.append("the export does not say which kernel computed its value")
    return (*reasons, *_differences(package_versions(), exported.versions))


def _differences(present: Mapping[str, str], before: Mapping[str, str]) -> list[str]:
    return [
        f"{name} is {present.get(name)}, was {was}"
        for name, was in before.items()
        if present.get(name) != was
    ]
