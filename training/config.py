"""What a training run is made of: frozen, typed, checked, and written into every checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from training.equivariance import check_groups
from training.generator import UNetConfig
from training.paper_networks import PaperGeneratorConfig

GeneratorConfig = UNetConfig | PaperGeneratorConfig

PixelLoss = Literal["l2", "log_l2", "log_l2_blocks", "l1", "charbonnier"]
"""What :func:`training.losses.pixel_loss` can measure by."""


@dataclass(frozen=True, kw_only=True)
class DegradationConfig:
    """How pristine luma becomes compressed luma (:mod:`training.degradation`)."""

    quality: tuple[int, int] = (5, 95)
    """Lowest and highest IJG quality of the last compression, but of what is ``resized``."""

    low_quality_bias: float = 1.7
    """Qualities are ``low + (high - low) * u**bias``, u uniform: 1 is uniform, more favours low."""

    aligned: float = 0.0
    """Share of patches cut on the 8x8 grid of the last compression, as whole files lie on theirs.
    The others are cut at any offset, as screenshots of pictures are."""

    clean: float = 0.0
    """Share of pairs without any compression: they teach the network when not to act."""

    recompressed: float = 0.0
    """Share compressed twice, at two qualities and on two 8x8 grids, as re-saved pictures are."""

    resized: float = 0.0
    """Share compressed and then resized, to half and to twice the size at most, as windows, copies
    and the web do to pictures; most are compressed again behind that."""

    other_tables: float = 0.0
    """Share of the compressions with quantization tables other than libjpeg's."""

    drawings: float = 0.0
    """Share of the sources that are drawn, or drawn on (:mod:`training.drawings`). Their
    qualities are uniform: text and lines shall come out better at high ones, too."""

    clean_drawings: float = 0.0
    """Share of these pairs without any compression, in place of ``clean``."""

    studio_range: float = 0.0
    """Share with luma in 16..235 (ITU-R BT.601), the scale of the literature's test figures."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        low, high = self.quality
        if not 1 <= low <= high <= 100:
            raise ValueError(f"quality: expected 1 <= low <= high <= 100, got {self.quality}")
        if self.low_quality_bias <= 0:
            raise ValueError(f"low_quality_bias: expected > 0, got {self.low_quality_bias}")
        for name in (
            "aligned",
            "clean",
            "recompressed",
            "resized",
            "other_tables",
            "drawings",
            "clean_drawings",
            "studio_range",
        ):
            _check_share(name, getattr(self, name))
        _check_share(
            "the larger of clean and clean_drawings, + recompressed + resized",
            max(self.clean, self.clean_drawings) + self.recompressed + self.resized,
        )


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """How the weights move: Adam, or Adam and Muon, with a rate that rises, stays and falls."""

    learning_rate: float = 2e-4
    """Its highest value."""

    betas: tuple[float, float] = (0.9, 0.99)
    """Decay of Adam's first and second moments."""

    muon: bool = False
    """Whether convolutions between features move by :mod:`training.muon`. The first and last
    layers and the biases move by Adam, at the same rate."""

    warmup: int = 0
    """Iterations in which the learning rate rises from zero."""

    cooldown: float = 0.0
    """Share of the iterations, at the end, in which the learning rate falls linearly to zero."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate: expected > 0, got {self.learning_rate}")
        if self.warmup < 0:
            raise ValueError(f"warmup: expected >= 0, got {self.warmup}")
        _check_share("cooldown", self.cooldown)

    def rate(self, iteration: int, iterations: int) -> float:
        """Return the learning rate of the 0-based ``iteration`` in a run of ``iterations``."""
        rising = (iteration + 1) / (self.warmup + 1)
        falling = (iterations - iteration) / max(1.0, self.cooldown * iterations)
        return self.learning_rate * min(1.0, rising, falling)


@dataclass(frozen=True, kw_only=True)
class AdversarialConfig:
    """The second player of the game."""

    discriminator: Literal["paper", "patch"] = "patch"
    """The paper's, on 64x64 patches, or the project's (:mod:`training.discriminator`)."""

    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    """Of the discriminator."""

    head_start: int = 0
    """Iterations in which the discriminator learns alone, beside a generator as it began."""

    def __post_init__(self) -> None:
        """Check the choice and the range."""
        if self.head_start < 0:
            raise ValueError(f"head_start: expected >= 0, got {self.head_start}")
        if self.discriminator not in ("paper", "patch"):
            raise ValueError(
                f"discriminator: expected 'paper' or 'patch', got {self.discriminator!r}"
            )


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """One whole run."""

    name: str
    """Name of the recipe."""

    generator: GeneratorConfig
    """Which network, and its shape."""

    degradation: DegradationConfig
    """What the network learns to undo."""

    optimizer: OptimizerConfig
    """Of the generator."""

    pixel_loss: PixelLoss = "l2"
    """``l2`` is the paper's; the others are explained in :mod:`training.losses`."""

    pixel_weight: float = 1.0
    """λ: the weight of the pixel loss, on values in [0, 1]. The adversarial loss has weight 1."""

    log_floor: float = 4e-5
    """ε of the logarithmic losses: mean squared errors below it, here 44 dB, count for less, or
    pictures that need nearly nothing would outvote all others."""

    structure_weight: float = 0.0
    """Weight of :func:`training.losses.structure_loss`, which asks for SSIM, beside the pixel
    loss's 1; λ applies to both."""

    adversarial: AdversarialConfig | None = None
    """None trains without a discriminator."""

    equivariant: bool = False
    """Whether weights commute with flips and quarter turns (:mod:`training.equivariance`)."""

    patch_size: int = 64
    """Side of a training patch, in pixels."""

    batch_size: int = 64
    """Patches an iteration, over all processes."""

    busier: float = 0.0
    """Share of the patches for which the more detailed of two places in a picture is taken."""

    reduced: float = 0.0
    """Share of the places that are larger and made smaller, to half their sides at most: finer
    detail than the pictures themselves have. Of two places, `busier` takes these more often."""

    enlarged: float = 0.0
    """Share of the places that are smaller and made larger, to 1.8 times their sides at most: as
    soft as enlarged pictures and scans are. Of two places, `busier` takes these less often."""

    sharpened: float = 0.0
    """Share of the patches that are sharpened before they are compressed, as cameras do."""

    iterations: int = 1_500_000
    """Updates of the generator."""

    ema_decay: float = 0.999
    """Decay of the running mean of the weights, which is what gets validated and exported."""

    gradient_clip: float | None = None
    """Largest norm of the generator's gradient; larger ones are scaled down to it."""

    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Of both networks, as Lightning Fabric names it."""

    compile: bool = False
    """Whether ``torch.compile`` is used; it pays after some minutes."""

    seed: int = 0
    """Of the initial weights and of every patch."""

    validation_share: float = 0.06
    """Share of the pictures that are kept from training, to decide by."""

    validation_interval: int = 1000
    """Iterations between two validations."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.pixel_loss not in get_args(PixelLoss):
            kinds = ", ".join(map(repr, get_args(PixelLoss)))
            raise ValueError(f"pixel_loss: expected one of {kinds}, got {self.pixel_loss!r}")
        if self.pixel_weight <= 0:
            raise ValueError(f"pixel_weight: expected > 0, got {self.pixel_weight}")
        if self.log_floor <= 0:
            raise ValueError(f"log_floor: expected > 0, got {self.log_floor}")
        if self.structure_weight < 0:
            raise ValueError(f"structure_weight: expected >= 0, got {self.structure_weight}")
        if self.patch_size < 32 or self.patch_size % 16:
            raise ValueError(
                f"patch_size: expected a multiple of 16 from 32 on, got {self.patch_size}"
            )
        for name in ("batch_size", "iterations", "validation_interval"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected >= 1, got {getattr(self, name)}")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay: expected in [0, 1), got {self.ema_decay}")
        if self.gradient_clip is not None and self.gradient_clip <= 0:
            raise ValueError(f"gradient_clip: expected > 0 or None, got {self.gradient_clip}")
        if self.precision not in ("32-true", "bf16-mixed", "16-mixed"):
            raise ValueError(
                f"precision: expected '32-true', 'bf16-mixed' or '16-mixed', got {self.precision!r}"
            )
        if self.generator.planes > 1 and (
            self.structure_weight or self.adversarial or self.pixel_loss == "log_l2_blocks"
        ):
            raise ValueError(
                "generator.planes: expected 1 with an adversary, a structure loss or "
                f"log_l2_blocks, which look at luma, got {self.generator.planes}"
            )
        if self.equivariant:
            check_groups(self.generator)
        _check_share("busier", self.busier)
        _check_share("reduced + enlarged", self.reduced + self.enlarged)
        _check_share("sharpened", self.sharpened)
        _check_share("validation_share", self.validation_share)


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name}: expected a share in [0, 1], got {value}")
