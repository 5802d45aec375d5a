"""Named runs: functions that return a whole configuration, with the reason beside each value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from training.config import AdversarialConfig, DegradationConfig, OptimizerConfig, TrainingConfig
from training.generator import UNetConfig
from training.paper_networks import PaperGeneratorConfig

# What users have: photographs saved once or several times by several programs, and, now and then, a
# picture that needs nothing. What is rare among them costs all others (docs/experiments.md, "The
# sixth run"), so it has small shares.
_WORLD = DegradationConfig(
    quality=(5, 95),
    aligned=0.9,
    low_quality_bias=1.4,  # half of the pictures at or below quality 39
    clean=0.1,
    recompressed=0.04,
    # 3 % had been too few: what windows and copies show gained next to nothing
    # (docs/experiments.md, "Resized pictures").
    resized=0.15,
    other_tables=0.06,
    drawings=0.2,
    # Nearly half of these are plain grounds, gradients and bars, where any change is seen.
    clean_drawings=0.35,
    studio_range=0.25,
)


def paper() -> TrainingConfig:
    """Return the paper's run: its networks, its losses, its 1.5 million iterations.

    It names the patches, the batch, Adam's rate and β1, the iterations and the qualities. λ is not
    in its text: 100 is the weight of pix2pix (https://arxiv.org/abs/1611.07004), whose Adam
    settings the paper follows. Neither β2 nor an average of the weights is named: Adam's usual
    0.999, and no average.
    """
    adam = OptimizerConfig(learning_rate=2e-4, betas=(0.5, 0.999))
    return TrainingConfig(
        name="paper",
        generator=PaperGeneratorConfig(),
        degradation=DegradationConfig(quality=(10, 40), low_quality_bias=1.0),
        optimizer=adam,
        pixel_loss="l2",
        pixel_weight=100.0,
        adversarial=AdversarialConfig(discriminator="paper", optimizer=adam),
        patch_size=64,
        batch_size=64,
        iterations=1_500_000,
        ema_decay=0.0,
    )


def fidelity() -> TrainingConfig:
    """Return the run of the shipped default ``argan``: the project's U-Net, no adversary."""
    return TrainingConfig(
        name="fidelity",
        generator=UNetConfig(),
        degradation=_WORLD,
        # Muon is far ahead of Adam in equal time, and nearly level at rates from 7e-4 to 1.5e-3
        # (docs/experiments.md).
        optimizer=OptimizerConfig(
            learning_rate=1.2e-3, betas=(0.9, 0.99), muon=True, warmup=100, cooldown=0.6
        ),
        # Against l2, from the same weights: better at q20 to q40 and on pristine pictures, 0.02 dB
        # less at q10 (docs/experiments.md).
        pixel_loss="log_l2",
        # Mean squared errors are about 1e-3; Adam does not care, the gradient clip does.
        pixel_weight=0.1,
        patch_size=128,
        batch_size=16,
        # Most of a picture's error lies where its detail is. Not tried by itself.
        busier=0.5,
        # The training pictures are reductions, as sharp as can be. Soft ones gain 0.1 to 0.2 dB by
        # a few minutes of this. Pictures saved twice lose by it, and may want a larger share
        # (docs/experiments.md, "Softer and sharper pictures" and "The seventeenth run").
        enlarged=0.25,
        sharpened=0.1,
        iterations=60_000,
        ema_decay=0.999,
        gradient_clip=1.0,
        # As good on photographs in a fifth of the time, and on bars that lie as on standing ones;
        # text gains less (docs/experiments.md, "The fifteenth run").
        equivariant=True,
        precision="bf16-mixed",
        compile=True,
    )


def texture() -> TrainingConfig:
    """Return the run of ``argan-texture``: the paper's objective, by the logarithm of its L2.

    Use it with ``--init-from`` and :func:`fidelity`'s weights. The discriminator is the project's.
    What is shipped is :mod:`~training.interpolation` between both.
    """
    return replace(
        fidelity(),
        name="texture",
        # Half of the pictures at or below quality 21: where little is lost, there is no texture to
        # give back, and the discriminator learns nothing.
        degradation=replace(_WORLD, low_quality_bias=2.5),
        # Rates, λ and head start, beside others that failed: docs/experiments.md.
        optimizer=OptimizerConfig(learning_rate=3e-5, betas=(0.5, 0.99), cooldown=0.3),
        # Of the paper's L2 the logarithm, as in `fidelity`: poor and busy patches get texture,
        # those that are nearly right already stay as they are. The paper's own: "l2" and 2000.
        pixel_loss="log_l2",
        pixel_weight=1.5,
        adversarial=AdversarialConfig(
            discriminator="patch",
            optimizer=OptimizerConfig(learning_rate=4e-4, betas=(0.5, 0.99)),
            # It starts from nothing beside a generator that has learned for hours.
            head_start=600,
        ),
        batch_size=8,
        iterations=20_000,
    )


def chroma() -> TrainingConfig:
    """Return the run of ``argan-chroma``, which restores Cb and Cr and is guided by the file's Y.

    Chroma is smooth and coarse, so half of the default's operations do. Widths and blocks, beside
    others that were tried: docs/experiments.md, "A network for chroma".
    """
    return replace(
        fidelity(),
        name="chroma",
        generator=UNetConfig(
            planes=3,
            # The coarsest level has one position for each of chroma's blocks of 16 pixels.
            widths=(32, 64, 96, 128),
            encoder_blocks=(2, 2, 1),
            bottleneck_blocks=2,
            decoder_blocks=(2, 2, 1),
        ),
        degradation=replace(_WORLD, recompressed=0.06, drawings=0.22),
        # Chroma is nearer to the original than luma, and errors of a level show in plain colours.
        log_floor=1e-5,
        optimizer=replace(fidelity().optimizer, learning_rate=1e-3, cooldown=1.0),
        iterations=12_000,
    )


def smoke() -> TrainingConfig:
    """Return two iterations of everything on a tiny network, for the tests."""
    return TrainingConfig(
        name="smoke",
        generator=UNetConfig(
            widths=(8, 16), encoder_blocks=(1,), bottleneck_blocks=1, decoder_blocks=(1,)
        ),
        degradation=_WORLD,
        optimizer=OptimizerConfig(learning_rate=1e-3, muon=True),
        pixel_weight=100.0,
        adversarial=AdversarialConfig(),
        equivariant=True,
        patch_size=32,
        batch_size=2,
        iterations=2,
        validation_interval=1,
    )


RECIPES: dict[str, Callable[[], TrainingConfig]] = {
    recipe.__name__: recipe for recipe in (paper, fidelity, texture, chroma, smoke)
}
"""By name, as the command line knows them."""
