"""Muon against torch's own, which knows flat weights alone, and against the exact factor."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from training.config import OptimizerConfig
from training.generator import UNet, UNetConfig
from training.launch import Machine, launch, make_player
from training.muon import Muon, inner_convolutions, orthogonal
from training.recipes import smoke


def random(*shape: int, seed: int = 0) -> Tensor:
    """Return normal noise."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(16, 144), (144, 16), (24, 24), (1, 9)])
def test_the_factor_is_nearly_orthogonal_and_turns_nothing(shape: tuple[int, int]) -> None:
    matrix = random(*shape)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    # In the matrix's own directions, what is left is a diagonal near one: Newton and Schulz with
    # these coefficients stop between 0.68 and 1.14.
    found = left.T @ orthogonal(matrix) @ right.T
    assert found.diagonal().min() > 0.65
    assert found.diagonal().max() < 1.2
    torch.testing.assert_close(found, torch.diag(found.diagonal()), atol=1e-3, rtol=0)


def test_the_factor_does_not_hang_on_the_gradients_length() -> None:
    matrix = random(16, 144)
    torch.testing.assert_close(orthogonal(1e-6 * matrix), orthogonal(matrix), atol=1e-4, rtol=0)


def test_zeros_stay_zeros() -> None:
    assert orthogonal(torch.zeros(4, 9)).abs().max() == 0


# Of one row or column, torch's steps differ by its bfloat16 alone; else also by what singular
# values are divided by before the rounds.
@pytest.mark.parametrize(
    ("shape", "tolerance"), [((1, 48), 0.03), ((48, 1), 0.03), ((16, 48), 0.25), ((48, 16), 0.25)]
)
def test_steps_are_those_of_torch(shape: tuple[int, int], tolerance: float) -> None:
    ours = nn.Parameter(random(*shape, 1, 1))
    theirs = nn.Parameter(ours.detach().flatten(1).clone())
    muon = Muon([ours], lr=0.01)
    reference = torch.optim.Muon(
        [theirs], lr=0.01, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
    )
    for seed in range(1, 6):
        gradient = random(*shape, seed=seed)
        ours.grad, theirs.grad = gradient.view_as(ours).clone(), gradient.clone()
        muon.step()
        reference.step()  # type: ignore[no-untyped-call]
    moved = ours.detach().flatten(1) - random(*shape)
    expected = theirs.detach() - random(*shape)
    assert (moved - expected).norm() < tolerance * expected.norm()


def test_each_weight_belongs_to_one_optimizer() -> None:
    network = UNet(UNetConfig(widths=(4, 8), encoder_blocks=(1,), decoder_blocks=(1,)))
    inner = inner_convolutions(network)
    assert all(weight is not network.stem.weight for weight in inner)
    assert all(weight is not network.head.weight for weight in inner)
    assert {tuple(weight.shape[:2]) for weight in inner} == {(4, 4), (8, 8), (8, 4)}

    fabric = launch(smoke(), Machine(accelerator="cpu"))
    player = make_player(fabric, network, OptimizerConfig(muon=True))
    moved = [
        id(weight)
        for optimizer in player.optimizers
        for group in optimizer.param_groups
        for weight in group["params"]
    ]
    assert sorted(moved) == sorted(map(id, network.parameters()))
    assert player.set_rate(0, 10) == 2e-4
    assert {group["lr"] for o in player.optimizers for group in o.param_groups} == {2e-4}
