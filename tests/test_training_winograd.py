"""Winograd's algorithm against torch's convolutions, and the runs that use it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

from training.checkpoint import load_weights
from training.generator import ResidualBlock, UNetConfig
from training.launch import Machine
from training.recipes import paper, smoke
from training.train import train
from training.winograd import build, residual_block

MACHINE = Machine(accelerator="cpu", threads=2, workers=0, winograd=True)

CONFIG = replace(
    smoke(),
    generator=UNetConfig(
        widths=(16, 32), encoder_blocks=(1,), bottleneck_blocks=1, decoder_blocks=(1,)
    ),
    adversarial=None,
    iterations=3,
)

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")


def block_of(width: int, inner_width: int) -> ResidualBlock:
    torch.manual_seed(0)
    block = ResidualBlock(width, inner_width)
    for bias in (block.conv1.bias, block.conv2.bias):
        assert bias is not None
        nn.init.normal_(bias)
    return block


def result_and_gradients(block: ResidualBlock, features: Tensor) -> list[Tensor]:
    """Return what a block gives and the gradients of its features and weights, as float64."""
    features = features.clone().requires_grad_()
    result = block(features)
    weights = torch.linspace(-1, 1, result.numel(), dtype=result.dtype).reshape(result.shape)
    gradients = torch.autograd.grad((result * weights).sum(), [features, *block.parameters()])
    return [tensor.double() for tensor in (result.detach(), *gradients)]


@needs_compiler
@pytest.mark.parametrize(
    ("width", "inner_width", "shape"),
    [
        (16, 16, (1, 4, 4)),
        (32, 16, (3, 8, 20)),
        (16, 48, (2, 12, 4)),
        (32, 32, (9, 16, 16)),  # more images than go through the steps together
    ],
)
def test_results_and_gradients_are_those_of_convolutions(
    width: int, inner_width: int, shape: tuple[int, int, int]
) -> None:
    block = block_of(width, inner_width)
    batch, *sides = shape
    features = torch.randn(batch, width, *sides)
    exact = result_and_gradients(block.double(), features.double())
    block.float().by_winograd = True
    for expected, got in zip(exact, result_and_gradients(block, features), strict=True):
        # A hidden value beside zero may fall on the other side of ReLU: few values, a little off.
        assert (got - expected).norm() < 1e-4 * expected.norm()


@needs_compiler
def test_gradients_have_the_same_bits_again() -> None:
    block, features = block_of(32, 32), torch.randn(8, 32, 16, 16)
    block.by_winograd = True
    first, second = (result_and_gradients(block, features) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@needs_compiler
def test_the_layout_of_features_does_not_matter() -> None:
    block, features = block_of(16, 16), torch.randn(2, 16, 8, 8)
    last = features.contiguous(memory_format=torch.channels_last)
    assert torch.equal(
        residual_block(features, block.conv1, block.conv2),
        residual_block(last, block.conv1, block.conv2),
    )


@needs_compiler
def test_a_run_learns_what_it_would_learn_by_convolutions(images: Path, tmp_path: Path) -> None:
    paths = [
        train(
            CONFIG, [images], tmp_path / str(winograd), machine=replace(MACHINE, winograd=winograd)
        )
        for winograd in (False, True)
    ]
    plain, fast = (load_weights(path).state for path in paths)
    for name, expected in plain.items():
        assert (fast[name] - expected).abs().max() < 1e-4, name


@needs_compiler
def test_a_killed_build_holds_nobody_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    loaded = []

    def load(name: str, sources: list[str], *, build_directory: str, **_: object) -> str:
        # torch waits here for as long as its lock is there, and a second process for ours.
        assert not Path(build_directory, "lock").exists()
        with pytest.raises(Timeout):
            FileLock(Path(build_directory, "build.lock"), timeout=0).acquire()
        loaded.append(Path(build_directory))
        return name

    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    monkeypatch.setattr("torch.utils.cpp_extension.load", load)
    build.__wrapped__()
    (loaded[0] / "lock").touch()
    assert build.__wrapped__() == "argan_winograd"
    assert loaded[0].parent == tmp_path
    assert len(loaded) == 2


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (replace(CONFIG, precision="bf16-mixed"), "precision=32-true"),
        (replace(paper(), adversarial=None), "paper's generator"),
        (replace(CONFIG, generator=UNetConfig(block_widths=(32, 88, 160))), "multiples of 16"),
        (replace(CONFIG, patch_size=48, generator=UNetConfig()), "multiple of 32"),
    ],
)
def test_what_cannot_be_trained_so_is_refused(
    config: object, problem: str, images: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=problem):
        train(config, [images], tmp_path, machine=MACHINE)  # type: ignore[arg-type]
