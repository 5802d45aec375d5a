"""The measured receptive field against closed forms for known stacks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from export.receptive_field import measure_halo, measure_radius
from training.checkpoint import build_generator
from training.generator import UNetConfig


@pytest.mark.parametrize("layers", [0, 1, 7])
def test_each_3x3_convolution_adds_one_pixel(layers: int) -> None:
    stack = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1) for _ in range(layers)))
    assert measure_radius(stack, 1) == layers


def test_the_longer_side_of_a_kernel_counts() -> None:
    assert measure_radius(nn.Conv2d(1, 1, (3, 7), padding=(1, 3)), 1) == 3
    assert measure_radius(nn.Conv2d(1, 1, (9, 5), padding=(4, 2)), 1) == 4


def test_strided_layers_see_from_the_first_to_the_last_pixel_of_their_squares() -> None:
    # An output pixel sees its own square of 8 and the one on each side: up to 15 pixels away.
    network = nn.Sequential(
        nn.Conv2d(1, 2, 8, stride=8),
        nn.Conv2d(2, 2, 3, padding=1),
        nn.ConvTranspose2d(2, 1, 8, stride=8),
    )
    assert measure_radius(network, 8) == 15


def test_each_plane_counts() -> None:
    network = nn.Conv2d(3, 3, 9, padding=4)
    with torch.no_grad():
        network.weight[0] = 0  # Y comes back, whatever is in it
        network.weight[1:, :, :2] = 0
    assert measure_radius(network, 1, 3) == 4
    assert measure_halo(network, 1, 4, 3) == 4


def test_unet_without_levels() -> None:
    config = UNetConfig(
        widths=(2,), encoder_blocks=(), bottleneck_blocks=3, decoder_blocks=(), stem_stride=1
    )
    assert measure_radius(build_generator(config), 1) == 1 + 3 * 2 + 1


def test_unet_with_three_levels() -> None:
    config = UNetConfig(
        widths=(2, 2, 2), encoder_blocks=(1, 2), bottleneck_blocks=3, decoder_blocks=(2, 1)
    )
    # Convolutions times the stride where they are, and the rest of the pixel's own square of 8.
    fine, middle, coarse = 2 * (1 + 2) * 2, 2 * (2 + 1) * 4, 2 * 3 * 8
    stem_and_head = 2 + 2
    assert measure_radius(build_generator(config), 8) == fine + middle + coarse + stem_and_head + 7


def test_weights_of_zero_hide_nothing() -> None:
    layer = nn.Conv2d(1, 1, 5, padding=2)
    nn.init.zeros_(layer.weight)
    assert measure_radius(layer, 1) == 2


def test_the_network_is_left_as_it_was() -> None:
    network = nn.Conv2d(1, 1, 3, padding=1).train()
    measure_radius(network, 1)
    assert network.training
    assert next(network.parameters()).dtype == torch.float32


def test_a_network_that_sees_everything_cannot_have_tiles() -> None:
    class MinusMean(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return image - image.mean(dim=(2, 3), keepdim=True)

    with pytest.raises(ValueError, match="radius up to"):
        measure_radius(MinusMean(), 1)


def _blur(layers: int, share: float) -> nn.Sequential:
    """Return layers that each give `share` of a pixel to its neighbour left and right."""
    stack = nn.Sequential(*(nn.Conv2d(1, 1, (1, 3), padding=(0, 1)) for _ in range(layers)))
    for layer in stack:
        assert isinstance(layer, nn.Conv2d)
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
        layer.weight.data[0, 0, 0] = torch.tensor([share, 1 - 2 * share, share])
    return stack


@pytest.mark.parametrize(("multiple", "halo"), [(1, 5), (2, 6), (8, 8)])
def test_where_every_pixel_counts_the_halo_is_the_radius_rounded_up(
    multiple: int, halo: int
) -> None:
    network = _blur(5, 1 / 3)
    assert measure_radius(network, 1) == 5
    assert measure_halo(network, multiple, 5) == halo


def test_pixels_that_change_nothing_in_numbers_need_no_halo() -> None:
    # At a distance of d the 8 layers pass on C(8, d) * 1e-3 ** d: 8e-3, 3e-5, and 6e-8, which is
    # under a ten thousandth of a level, 4e-7.
    network = _blur(8, 1e-3)
    assert measure_radius(network, 1) == 8
    assert measure_halo(network, 1, 8) == 2


def test_what_a_network_makes_of_the_end_of_a_tile_counts() -> None:
    # Zeros around a tile reach 4 pixels far, whatever the pixels there are: these are multiplied
    # by zero at first, and what is left is the bias.
    network = nn.Sequential(nn.Conv2d(1, 1, 1), _blur(4, 1 / 3))
    first = network[0]
    assert isinstance(first, nn.Conv2d) and first.bias is not None
    nn.init.zeros_(first.weight)
    nn.init.ones_(first.bias)
    assert measure_halo(network, 1, 4) == 4


def test_a_total_stride_that_is_no_power_of_two() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 12, stride=12), nn.ConvTranspose2d(1, 1, 12, 12))
    assert measure_radius(network, 12) == 11
    # Each pixel sees its own square of 12 alone, and tiles are made of whole ones.
    assert measure_halo(network, 12, 11) == 0


def test_a_network_of_single_pixels_needs_no_halo() -> None:
    assert measure_halo(nn.Conv2d(1, 1, 1), 8, 0) == 0


def test_the_halo_of_a_network_in_training_is_that_of_its_use() -> None:
    network = nn.Sequential(nn.BatchNorm2d(1), _blur(1, 1 / 3)).train()
    assert measure_halo(network, 1, 1) == 1
    assert network.training
