"""A run's configuration as JSON-ready values, which checkpoints and exported weights carry."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from training.config import (
    AdversarialConfig,
    DegradationConfig,
    GeneratorConfig,
    OptimizerConfig,
    TrainingConfig,
)
from training.generator import UNetConfig
from training.paper_networks import PaperGeneratorConfig


def to_dict(config: TrainingConfig) -> dict[str, Any]:
    """Return ``config`` as JSON-ready values, with the generator's kind."""
    return asdict(config) | {"generator": generator_to_dict(config.generator)}


def from_dict(values: dict[str, Any]) -> TrainingConfig:
    """Return the configuration that :func:`to_dict` wrote.

    Raises
    ------
    ValueError
        If a value is out of its range.
    KeyError, TypeError
        If a field is missing or unknown.
    """
    values = dict(values)
    values["generator"] = generator_from_dict(values["generator"])
    values["degradation"] = DegradationConfig(**_tuples(values["degradation"]))
    values["optimizer"] = OptimizerConfig(**_tuples(values["optimizer"]))
    if values["adversarial"] is not None:
        adversarial = dict(values["adversarial"])
        adversarial["optimizer"] = OptimizerConfig(**_tuples(adversarial["optimizer"]))
        values["adversarial"] = AdversarialConfig(**adversarial)
    return TrainingConfig(**values)


def generator_to_dict(config: GeneratorConfig) -> dict[str, Any]:
    """Return a generator's configuration as JSON-ready values, with its kind."""
    return {"kind": config.kind, **asdict(config)}


def generator_from_dict(values: dict[str, Any]) -> GeneratorConfig:
    """Return the configuration that :func:`generator_to_dict` wrote.

    Raises
    ------
    ValueError
        If the kind is unknown or a value is out of its range.
    KeyError, TypeError
        If a field is missing or unknown.
    """
    fields = _tuples(values)
    kind = fields.pop("kind")
    for config in (UNetConfig, PaperGeneratorConfig):
        if config.kind == kind:
            return config(**fields)
    raise ValueError(f"generator kind: expected 'unet' or 'paper', got {kind!r}")


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
