"""What a shipped model took to train: its run as the checkpoint remembers it, energy and carbon.

Energy is an estimate by the formula of Lannelongue, Grealey and Inouye, "Green Algorithms:
quantifying the carbon footprint of computation", Advanced Science 8(12), 2021,
https://doi.org/10.1002/advs.202100707:

    hours x (cores x power of a core + memory x power of memory) x PUE

No meter was read, so that each quantity is a range.
"""

from __future__ import annotations

from dataclasses import dataclass

from tabulate import tabulate

from argan_plugin.model import open_model
from argan_plugin.weights import CHROMA, shipped_names
from benchmarks.models import weights_of
from training.checkpoint import Weights
from training.config import TrainingConfig
from training.generator import UNetConfig


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where a run took place: the facts that a checkpoint does not hold."""

    processor: str
    cores: int
    memory_gib: tuple[float, float]
    """What the run used, and what the machine has."""
    date: str
    start: str = ""
    """Which run the weights started from; empty for random ones."""
    hours_before: float = 0.0
    """What the runs before took, up to the weights that this one started from."""


MACHINES = {
    "argan": Machine(
        processor="AMD EPYC, then Intel Xeon, both with AVX-512",
        cores=2,
        memory_gib=(2, 24),
        date="2026-12-01",
        start="weights of the twenty-first and twenty-second runs (docs/experiments.md)",
        hours_before=10.73,
    ),
    "argan-texture": Machine(
        processor="AMD EPYC with AVX-512",
        cores=2,
        memory_gib=(2, 24),
        date="2026-12-01",
        start="weights of `argan`, interpolated with earlier ones (docs/experiments.md)",
        hours_before=11.73,
    ),
    CHROMA: Machine(
        processor="Intel Xeon with AMX, AMD EPYC with AVX-512, Intel Xeon with AVX-512",
        cores=2,
        memory_gib=(2, 24),
        date="2026-12-01",
        start="weights of the runs before it, of 26,000 iterations (docs/experiments.md)",
        hours_before=2.82,
    ),
}
"""By shipped model: to be set when the weights are replaced (docs/releasing.md)."""

WATTS_PER_CORE = (280 / 64, 12.0)
"""A full 64-core EPYC 7763 (thermal design power of 280 W, by AMD's data sheet; 350 W for 56 cores
of a Xeon Platinum 8480+, by Intel's), and the Green Algorithms' figure for any processor."""

WATTS_PER_GIB = 0.3725
"""Green Algorithms."""

PUE = (1.1, 1.67)
"""Power usage effectiveness: what the largest operators report for their data centres, and the
Green Algorithms' default."""

GRAMS_PER_KWH = (56, 713)
"""Carbon intensity of electricity in 2023 in France and in India (Ember and Energy Institute,
https://ourworldindata.org/grapher/carbon-intensity-electricity): a clean and a dirty grid."""


def energy_kwh(hours: float, machine: Machine) -> tuple[float, float]:
    """Return the lowest and the highest estimate of a run's energy in kWh."""
    low, high = (
        hours * (machine.cores * core + memory * WATTS_PER_GIB) * pue / 1000
        for core, memory, pue in zip(WATTS_PER_CORE, machine.memory_gib, PUE, strict=True)
    )
    return low, high


def run(model: str) -> str:
    """Return the table of a shipped model's run."""
    weights = weights_of(model)
    if weights.training is None:
        raise ValueError(f"{model}.safetensors: expected the configuration of its run, found none")
    rows = [
        *_network(model, weights),
        *_settings(weights.training),
        *_interpolation(weights),
        *_costs(weights, MACHINES[model]),
    ]
    return tabulate(rows, ["", model], tablefmt="github", disable_numparse=True)


def hours() -> str:
    """Return a sentence for each shipped model: how long it was trained, and on what."""
    return "\n".join(
        f"The shipped weights of `{model}` took {_hours(weights_of(model), MACHINES[model])}."
        for model in shipped_names()
    )


def _hours(weights: Weights, machine: Machine) -> str:
    total = float(weights.facts["hours"]) + machine.hours_before
    return f"{total:.1f} hours in all on {machine.cores} cores ({machine.processor})"


def _network(model: str, weights: Weights) -> list[tuple[str, str]]:
    info = open_model(model, device="cpu").info
    rows = [
        ("receptive field", f"{info.receptive_field} pixels wide; halo of a tile {info.halo}"),
    ]
    shape = weights.generator
    if isinstance(shape, UNetConfig):
        widths, inner_widths, encoder, decoder = (
            ", ".join(map(str, numbers))
            for numbers in (
                shape.widths,
                shape.block_widths or shape.widths,
                shape.encoder_blocks,
                shape.decoder_blocks,
            )
        )
        rows = [
            ("channels, from the finest level on", widths),
            ("the same inside the residual blocks", inner_widths),
            ("residual blocks", f"{encoder} down, {shape.bottleneck_blocks} below, {decoder} up"),
            *rows,
        ]
    return rows


def _settings(config: TrainingConfig) -> list[tuple[str, str]]:
    degradation, optimizer = config.degradation, config.optimizer
    method = "Muon and Adam" if optimizer.muon else "Adam"
    low, high = degradation.quality
    patch, loss = config.patch_size, f"`{config.pixel_loss}`"
    if config.structure_weight:
        loss += f" + {config.structure_weight:g} x `structure_loss`"
    if config.adversarial is not None:
        loss += " and adversarial"
    return [
        ("recipe", f"`{config.name}`"),
        ("loss", f"{loss} (`training/losses.py`)"),
        (
            "optimiser",
            f"{method}, learning rate {optimizer.learning_rate:g}, falling over the last "
            f"{optimizer.cooldown:.0%}; weights averaged with decay {config.ema_decay:g}; "
            f"{config.precision}",
        ),
        (
            "patches",
            f"{config.iterations:,} iterations of {config.batch_size} of {patch}x{patch} pixels",
        ),
        ("taken from the more detailed of two places", f"{config.busier:.0%}"),
        # Not of runs before these could be set.
        *(
            (what, f"{share:.0%}")
            for what, share in (
                ("places made smaller, by up to half", config.reduced),
                ("places made larger, to 1.8 times at most", config.enlarged),
                ("sharpened", config.sharpened),
            )
            if share
        ),
        ("JPEG quality", f"{low} to {high}, low ones more often"),
        ("cut on the grid of the JPEG, as whole files are", f"{degradation.aligned:.0%}"),
        ("tables that are not libjpeg's", f"{degradation.other_tables:.0%}"),
        ("compressed twice, on shifted grids", f"{degradation.recompressed:.0%}"),
        ("resized after a compression", f"{degradation.resized:.0%}"),
        ("not compressed", f"{degradation.clean:.0%}"),
        ("drawn by code: text, charts, print, micrographs, grounds", f"{degradation.drawings:.0%}"),
        # 0 in weights of before it could be set: then it was as of the others
        *(
            [("of these, not compressed", f"{degradation.clean_drawings:.0%}")]
            if degradation.clean_drawings
            else []
        ),
        ("luma in studio range", f"{degradation.studio_range:.0%}"),
    ]


def _interpolation(weights: Weights) -> list[tuple[str, str]]:
    """Return how far the weights are those of the run, if others were mixed with them."""
    kinds = {
        "interpolated": "of the way from the start to the run's weights",
        "transferred": "added, of what `argan` has learned since",
    }
    return [(what, f"{weights.facts[of]:.0%}") for of, what in kinds.items() if of in weights.facts]


def _costs(weights: Weights, machine: Machine) -> list[tuple[str, str]]:
    facts = weights.facts
    low, high = energy_kwh(float(facts["hours"]) + machine.hours_before, machine)
    least, most = low * GRAMS_PER_KWH[0], high * GRAMS_PER_KWH[1]
    return [
        ("started from", machine.start or "random weights"),
        ("commit", str(facts["commit"])),
        ("pictures", f"{facts['pictures']} to train on"),
        (
            "time and hardware",
            f"{_hours(weights, machine)}, {machine.date}, torch {facts['torch']}",
        ),
        ("energy, estimated", f"{low:.2g} to {high:.2g} kWh"),
        ("carbon dioxide, estimated", f"{least:.0f} to {most:.0f} g"),
    ]
