"""Train networks that differ in one respect for the same time: docs/experiments.md.

``python -m benchmarks.ablations --images PICTURES`` trains each arm from scratch, on one thread,
for some minutes at a constant rate, and measures the mean of its weights on the validation
pictures.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.conditions import processor_name
from training.checkpoint import build_generator, load_weights
from training.config import DegradationConfig, GeneratorConfig, OptimizerConfig, TrainingConfig
from training.datasets import validation_crops
from training.generator import UNetConfig
from training.launch import Machine
from training.paper_networks import PaperGeneratorConfig
from training.pictures import open_store, split
from training.recipes import fidelity, paper
from training.train import train
from training.validation import Validation

HEADER = (
    "| arm | kFLOP per pixel | iterations | q10 | q20 | q30 | q40 | pristine |\n"
    "|---|---|---|---|---|---|---|---|"
)

# Few pixels an iteration, so that minutes hold some hundreds of iterations.
_PATCH, _BATCH = 64, 16


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A short run."""

    name: str
    config: TrainingConfig
    winograd: bool = True


def _short(config: TrainingConfig) -> TrainingConfig:
    """Return a recipe as all arms have it: of a length that no run reaches."""
    return replace(
        config,
        optimizer=replace(config.optimizer, warmup=100, cooldown=0.0),
        patch_size=_PATCH,
        batch_size=_BATCH,
        iterations=1_000_000,
        ema_decay=0.99,
        precision="32-true",
        compile=False,
    )


# The network and the optimizer of the default's first six runs: what the tables were made with.
_OURS = replace(
    _short(fidelity()),
    generator=UNetConfig(
        widths=(32, 96, 160),
        encoder_blocks=(2, 2),
        bottleneck_blocks=4,
        decoder_blocks=(2, 2),
        block_widths=(32, 80, 160),
    ),
    optimizer=OptimizerConfig(learning_rate=1.5e-3, warmup=100),
    equivariant=False,
)
# The networks are compared, not what they are trained for: the paper's gets our loss, pictures and
# rate, too.
_THEIRS = replace(_OURS, generator=PaperGeneratorConfig())


def _shape(widths: tuple[int, ...], blocks: tuple[int, ...], bottleneck: int) -> TrainingConfig:
    shape = UNetConfig(
        widths=widths,
        encoder_blocks=blocks,
        bottleneck_blocks=bottleneck,
        decoder_blocks=blocks,
    )
    return replace(_OURS, generator=shape)


def _by_muon(config: TrainingConfig, rate: float) -> TrainingConfig:
    return replace(config, optimizer=replace(config.optimizer, muon=True, learning_rate=rate))


def _squared(config: TrainingConfig) -> TrainingConfig:
    # The weight by which gradients are as long as those of `log_l2`, so the clip acts alike.
    return replace(config, pixel_loss="l2", pixel_weight=100.0)


def _weighed(weight: float) -> TrainingConfig:
    """Return the paper's recipe with another λ, and fewer patches an iteration."""
    recipe = replace(paper(), pixel_weight=weight)
    return replace(_short(recipe), optimizer=recipe.optimizer, ema_decay=recipe.ema_decay)


GROUPS: dict[str, tuple[Arm, ...]] = {
    "base": tuple(Arm(name=f"seed {seed}", config=replace(_OURS, seed=seed)) for seed in (0, 1)),
    "generator": (
        # All by torch: Winograd's algorithm knows the project's blocks alone.
        Arm(name="the project's, by torch", config=_OURS, winograd=False),
        Arm(name="the paper's", config=_THEIRS, winograd=False),
        Arm(
            name="the paper's, last weights",
            config=replace(_THEIRS, ema_decay=0.0),
            winograd=False,
        ),
        Arm(
            name="the paper's, at its rate of 2e-4",
            config=replace(_THEIRS, optimizer=replace(_THEIRS.optimizer, learning_rate=2e-4)),
            winograd=False,
        ),
        Arm(
            name="the paper's without BatchNorm",
            config=replace(_THEIRS, generator=PaperGeneratorConfig(batch_norm=False)),
            winograd=False,
        ),
    ),
    "loss": (
        Arm(name="l2", config=_squared(_OURS)),
        Arm(name="l1", config=replace(_OURS, pixel_loss="l1", pixel_weight=3.0)),
    ),
    "patch": (
        Arm(name="64 of 32x32", config=replace(_OURS, patch_size=32, batch_size=64)),
        Arm(name="4 of 128x128", config=replace(_OURS, patch_size=128, batch_size=4)),
    ),
    "shape": (
        Arm(name="wide: 48/128/192, blocks 1,1-2-1,1", config=_shape((48, 128, 192), (1, 1), 2)),
        Arm(name="deep: 32/64/112, blocks 3,3-8-3,3", config=_shape((32, 64, 112), (3, 3), 8)),
    ),
    # Beside "l2" of the group "loss", which is Adam's.
    "muon": tuple(
        Arm(name=f"l2, Muon, rate {rate:g}", config=_by_muon(_squared(_OURS), rate))
        for rate in (7e-4, 1.5e-3, 4e-3)
    ),
    "muon-shape": tuple(
        Arm(name=f"l2, Muon, {name}", config=_by_muon(_squared(shape), 1e-3))
        for name, shape in {
            "32/64/112, blocks 3,3-8-3,3": _shape((32, 64, 112), (3, 3), 8),
            "32/64/96, blocks 4,3-6-4,3": _shape((32, 64, 96), (4, 3), 6),
            "32/48/80, blocks 4,4-10-4,4": _shape((32, 48, 80), (4, 4), 10),
            "32/64/80, blocks 6,2-6-6,2": _shape((32, 64, 80), (6, 2), 6),
        }.items()
    ),
    "pictures": (
        Arm(
            name="compressed once, libjpeg's tables, quality 8 to 60",
            config=replace(
                _OURS,
                degradation=DegradationConfig(quality=(8, 60), low_quality_bias=1.0, aligned=1.0),
            ),
        ),
    ),
    "lambda": tuple(
        Arm(name=f"paper, λ = {weight:g}", config=_weighed(weight), winograd=False)
        for weight in (1.0, 100.0, 10_000.0)
    ),
}
"""By what differs from ``base``, whose two arms tell which differences mean nothing."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What an arm came to."""

    arm: str
    kflop_per_pixel: float
    iterations: int
    scores: dict[str, float]
    """Mean PSNR in dB, by column of the log."""

    def __str__(self) -> str:
        """Return the row in Markdown."""
        cells = " | ".join(f"{decibels:.2f}" for decibels in self.scores.values())
        return f"| {self.arm} | {self.kflop_per_pixel:.0f} | {self.iterations} | {cells} |"


def measure(arm: Arm, images: Path, minutes: float) -> Row:
    """Train an arm and measure it.

    Parameters
    ----------
    arm
        The run.
    images
        Folder of pictures.
    minutes
        Length of the run, without the time to read the pictures.
    """
    machine = Machine(accelerator="cpu", threads=1, winograd=arm.winograd)
    with tempfile.TemporaryDirectory() as folder:
        path = train(arm.config, [images], Path(folder), machine=machine, minutes=minutes)
        weights = load_weights(path)
        store = open_store(Path(folder, "pictures.luma"))
        kept = split(store, arm.config.validation_share)[1]
        validation = Validation(validation_crops(store, kept))
        scores, _ = validation.measure(weights.network(), torch.device("cpu"))
    return Row(
        arm=arm.name,
        kflop_per_pixel=kflop_per_pixel(arm.config.generator),
        iterations=weights.facts["iterations"],
        scores=scores,
    )


def kflop_per_pixel(generator: GeneratorConfig) -> float:
    """Return the thousands of multiplications and additions for each pixel."""
    side = 64
    with FlopCounterMode(display=False) as counter:
        build_generator(generator).eval()(torch.zeros(1, 1, side, side))
    return float(counter.get_total_flops()) / side**2 / 1000


def main(arguments: Sequence[str] | None = None) -> int:
    """Train all arms of some groups and print their tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ablations", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)} (all)")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="originals")
    parser.add_argument("--minutes", type=float, default=5.0, metavar="N", help="for each arm (5)")
    options = parser.parse_args(arguments)
    unknown = set(options.groups) - set(GROUPS)
    if unknown:
        parser.error(f"GROUP: expected some of {', '.join(GROUPS)}, got {', '.join(unknown)}")
    print(HEADER)
    for group in options.groups or GROUPS:
        for arm in GROUPS[group]:
            print(measure(arm, options.images, options.minutes), flush=True)
    print(f"\n{options.minutes:g} minutes each, one thread of {processor_name()}, ", end="")
    print(f"torch {torch.__version__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
