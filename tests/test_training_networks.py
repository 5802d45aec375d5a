"""Networks: shapes, the paper's layers, and the identity at the start."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from training.discriminator import PatchDiscriminator
from training.full_image import FullImage
from training.generator import UNet, UNetConfig
from training.paper_networks import PaperDiscriminator, PaperGenerator
from training.recipes import fidelity


def test_the_unet_starts_as_the_identity() -> None:
    image = torch.rand(2, 1, 32, 48)
    assert torch.equal(UNet(UNetConfig())(image), image)


def test_the_stem_is_a_convolution_on_pixel_unshuffled_input() -> None:
    stem = UNet(UNetConfig(widths=(6,), encoder_blocks=(), decoder_blocks=())).stem
    image = torch.rand(1, 1, 16, 24)
    # weight[f, (row, column), i, j] of the 3x3 convolution on 2x2 squares
    squares = stem.weight.reshape(6, 3, 2, 3, 2).permute(0, 2, 4, 1, 3).reshape(6, 4, 3, 3)
    expected = nn.functional.conv2d(
        nn.functional.pixel_unshuffle(image, 2), squares, stem.bias, padding=1
    )
    torch.testing.assert_close(stem(image), expected)


@pytest.mark.parametrize("sizes", [(1, 1), (7, 3), (16, 33), (50, 64)])
def test_any_size_is_restored_and_the_identity_stays_exact(sizes: tuple[int, int]) -> None:
    network = UNet(UNetConfig(widths=(4, 8), encoder_blocks=(1,), decoder_blocks=(1,)))
    image = torch.rand(3, 1, *sizes)
    assert torch.equal(FullImage(network, network.size_multiple)(image), image)


def test_blocks_can_be_narrower_inside() -> None:
    network = UNet(UNetConfig(widths=(32, 96, 160), block_widths=(32, 80, 160)))
    shapes = {name: tuple(weight.shape) for name, weight in network.named_parameters()}
    assert shapes["encoder.1.0.conv1.weight"] == (80, 96, 3, 3)
    assert shapes["encoder.1.0.conv2.weight"] == (96, 80, 3, 3)
    assert shapes["bottleneck.0.conv1.weight"] == (160, 160, 3, 3)


def test_the_default_costs_at_most_as_much_as_ar_cnn() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    config = fidelity().generator
    assert isinstance(config, UNetConfig)
    with FlopCounterMode(display=False) as counter:
        UNet(config)(torch.zeros(1, 1, 128, 128))
    # AR-CNN: 2 * 106,448 multiply-adds a pixel (its layers 9-1-1-5 of 64, 32, 16, 1 channels)
    assert counter.get_total_flops() / 128**2 <= 213_000


@pytest.mark.parametrize(
    "changes",
    [
        {"widths": ()},
        {"widths": (8, 0)},
        {"encoder_blocks": (1,)},
        {"decoder_blocks": (1, -1)},
        {"bottleneck_blocks": -1},
        {"stem_stride": 0},
        {"block_widths": (8, 8)},
        {"block_widths": (8, 0, 8)},
    ],
)
def test_a_shape_that_does_not_fit_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        UNetConfig(**changes)  # type: ignore[arg-type]


def test_the_papers_generator_has_the_papers_layers() -> None:
    network = PaperGenerator()
    kinds = [type(module) for module in network.modules() if not list(module.children())]
    encoder = kinds[: kinds.index(nn.ConvTranspose2d)]
    decoder = kinds[kinds.index(nn.ConvTranspose2d) :]
    assert encoder.count(nn.Conv2d) == decoder.count(nn.ConvTranspose2d) == 4
    assert nn.LeakyReLU in encoder
    assert nn.BatchNorm2d in encoder
    assert nn.LeakyReLU not in decoder
    assert decoder.count(nn.ReLU) == decoder.count(nn.BatchNorm2d) == 3
    image = torch.rand(2, 1, 64, 96)
    assert network(image).shape == image.shape


def test_the_papers_discriminator_gives_one_logit_a_patch() -> None:
    discriminator = PaperDiscriminator()
    assert discriminator(torch.rand(3, 1, 64, 64)).shape == (3, 1)
    kinds = {type(module) for module in discriminator.modules()}
    assert nn.LeakyReLU in kinds
    assert nn.ReLU not in kinds


def test_the_discriminator_judges_squares_of_8_pixels_by_the_64_around_them() -> None:
    discriminator = PatchDiscriminator((4, 4, 4)).eval()
    image = torch.rand(1, 1, 128, 128, requires_grad=True)
    logits = discriminator(image, torch.rand(1, 1, 128, 128))
    assert logits.shape == (1, 16 * 16)
    logits[0, 8 * 16 + 8].backward()
    assert image.grad is not None
    seen = image.grad[0, 0].nonzero()
    assert (seen.amax(dim=0) - seen.amin(dim=0) + 1).tolist() == [64, 64]


def test_the_discriminator_sees_a_level_of_difference_in_bfloat16() -> None:
    torch.manual_seed(0)
    discriminator = PatchDiscriminator((4, 4, 4)).eval()
    grey = torch.full((1, 1, 64, 64), 0.7)
    dots = grey.clone()
    dots[..., ::4, ::4] += 1 / 255
    with torch.autocast("cpu", torch.bfloat16):
        plain = discriminator(grey, grey)
        other = discriminator(dots, grey)
        brighter = discriminator(grey + 0.1, grey + 0.1)
    assert plain.dtype == torch.float32
    assert not torch.allclose(plain, other)
    assert torch.allclose(plain, brighter, atol=1e-3)
