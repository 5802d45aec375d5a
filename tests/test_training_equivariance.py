"""Tied weights, against what torch makes of turned pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.short_runs import MACHINE, short, weights
from training.__main__ import override
from training.checkpoint import load_weights
from training.config import TrainingConfig
from training.equivariance import ORIENTATIONS, keep_tied, tie
from training.generator import UNet, UNetConfig
from training.interpolation import interpolate, transfer
from training.paper_networks import PaperGenerator, PaperGeneratorConfig
from training.recipes import smoke
from training.train import train

_SHIPPED = Path(__file__).parents[1] / "training" / "weights" / "argan.safetensors"
SHAPE = UNetConfig(
    widths=(8, 16),
    encoder_blocks=(1,),
    bottleneck_blocks=1,
    decoder_blocks=(1,),
    block_widths=(16, 8),
)


def network(shape: UNetConfig = SHAPE) -> UNet:
    """Return a tied network whose last layer is drawn, too: it begins as zeros."""
    torch.manual_seed(0)
    made = UNet(shape)
    nn.init.normal_(made.head.weight, std=0.3)
    assert made.head.bias is not None
    nn.init.normal_(made.head.bias, std=0.3)
    tie(made)
    return made


def orientations(image: Tensor) -> list[Tensor]:
    """Return the eight, the picture itself first."""
    turned = [image.rot90(quarters, (2, 3)) for quarters in range(4)]
    return turned + [picture.flip(3) for picture in turned]


def assert_equivariant(made: UNet | PaperGenerator) -> None:
    """Hold what ``made`` makes of turned noise against its result, turned."""
    image = torch.rand(1, made.planes, 48, 48, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = orientations(made(image))
        found = [made(turned) for turned in orientations(image)]
    # It is not the identity: ten times what is tolerated, for trained weights leave noise alone.
    assert (expected[0] - image).abs().mean() > 1e-4
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("planes", [1, 3])
def test_turned_pictures_give_turned_results(stride: int, planes: int) -> None:
    assert_equivariant(network(replace(SHAPE, stem_stride=stride, planes=planes)))


def test_free_weights_do_not() -> None:
    made = network()
    with torch.no_grad():
        next(made.down.parameters()).mul_(torch.linspace(0.5, 2, 2))
    with pytest.raises(AssertionError):
        assert_equivariant(made)


def test_tied_weights_keep_their_spread_and_are_few() -> None:
    torch.manual_seed(0)
    made = UNet(UNetConfig())
    weight = next(made.bottleneck.parameters())
    spread = weight.std().item()
    tie(made)
    assert weight.std().item() == pytest.approx(spread, rel=0.03)
    # All ties of an inner convolution are of eight; two values are equal by chance now and then.
    distinct = len(set(weight.flatten().tolist()))
    assert distinct == pytest.approx(weight.numel() / ORIENTATIONS, rel=1e-3)


def test_gradients_are_means_over_what_is_tied() -> None:
    made = network()
    keep_tied(made)
    images = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(2))
    target = images.square()  # turns with the picture
    (made(images) - target).square().sum().backward()
    averaged = [weight.grad for weight in made.parameters()]
    # Free weights get the same on average over the orientations, each of which is a picture.
    free = network()
    for turned in orientations(images):
        (free(turned) - turned.square()).square().sum().div(ORIENTATIONS).backward()
    for ours, theirs in zip(averaged, free.parameters(), strict=True):
        assert ours is not None
        torch.testing.assert_close(ours, theirs.grad, atol=1e-3, rtol=1e-3)


def config() -> TrainingConfig:
    """Return a run of a few iterations with tied weights."""
    return short(4, generator=SHAPE)


def test_a_run_keeps_them_tied(images: Path, tmp_path: Path) -> None:
    path = train(config(), [images], tmp_path / "run", machine=MACHINE)
    made = load_weights(path).network()
    keep_tied(made)  # type: ignore[arg-type]
    assert_equivariant(made)


def test_the_weights_of_the_default_are_tied() -> None:
    made = load_weights(_SHIPPED).network()
    keep_tied(made)  # type: ignore[arg-type]
    assert_equivariant(made)


def test_more_blocks_are_tied_as_well(images: Path, tmp_path: Path) -> None:
    first = train(config(), [images], tmp_path / "first", machine=MACHINE)
    deeper = train(
        config(),
        [images],
        tmp_path / "deeper",
        machine=MACHINE,
        init_from=first,
        reshape=lambda shape: override(shape, "bottleneck_blocks=2"),
    )
    assert_equivariant(load_weights(deeper).network())


def test_free_weights_are_no_start_for_tied_ones(images: Path, tmp_path: Path) -> None:
    free = replace(config(), equivariant=False)
    first = train(free, [images], tmp_path / "first", machine=MACHINE)
    with pytest.raises(ValueError, match=r"commute with flips.*--set equivariant=False"):
        train(config(), [images], tmp_path / "second", machine=MACHINE, init_from=first)
    tied = train(config(), [images], tmp_path / "tied", machine=MACHINE)
    with pytest.raises(ValueError, match="commute with flips"):
        interpolate(first, tied, 0.5, tmp_path / "between.safetensors")
    with pytest.raises(ValueError, match="commute with flips"):
        transfer(tied, first, tied, 1, tmp_path / "beyond.safetensors")
    train(free, [images], tmp_path / "third", machine=MACHINE, init_from=first)
    assert weights(tmp_path / "third")


def test_shapes_without_groups_are_refused() -> None:
    with pytest.raises(ValueError, match=r"multiples of 8, got \(4, 8\)"):
        replace(smoke(), generator=replace(SHAPE, widths=(4, 8), block_widths=None))
    with pytest.raises(ValueError, match="got the paper's generator"):
        replace(smoke(), generator=PaperGeneratorConfig())
