"""Weights between two networks and beyond, against the numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.short_runs import MACHINE, short
from training.__main__ import main, override
from training.checkpoint import build_generator, load_weights, save_weights
from training.config import TrainingConfig
from training.generator import UNetConfig
from training.paper_networks import PaperGeneratorConfig
from training.recipes import smoke
from training.train import train


def written(path: Path, config: TrainingConfig, seed: int) -> Path:
    torch.manual_seed(seed)
    save_weights(path, build_generator(config.generator), config, {"iterations": seed})
    return path


def command(first: Path, second: Path, share: float, target: Path) -> int:
    return main(["interpolate", str(first), str(second), "--share", str(share), "-o", str(target)])


@pytest.mark.parametrize("generator", [smoke().generator, PaperGeneratorConfig()])
def test_weights_lie_between_and_say_how_far(
    generator: UNetConfig | PaperGeneratorConfig, tmp_path: Path
) -> None:
    config = replace(smoke(), generator=generator, equivariant=False)
    first = written(tmp_path / "first.safetensors", replace(config, seed=1), 1)
    second = written(tmp_path / "second.safetensors", replace(config, seed=2), 2)
    assert command(first, second, 0.25, tmp_path / "between.safetensors") == 0
    between = load_weights(tmp_path / "between.safetensors")
    start, end = load_weights(first).state, load_weights(second).state
    for name, value in between.state.items():
        ends = start[name].numpy(), end[name].numpy()
        np.testing.assert_allclose(value.numpy(), 0.75 * ends[0] + 0.25 * ends[1], atol=1e-6)
    between.network()
    assert between.training == replace(config, seed=2)
    assert between.facts == {"iterations": 2, "interpolated": 0.25}

    assert command(first, tmp_path / "between.safetensors", 0.5, tmp_path / "half.safetensors") == 0
    half = load_weights(tmp_path / "half.safetensors")
    assert half.facts["interpolated"] == 0.125
    name = next(iter(start))
    expected = start[name].lerp(end[name], 0.125)
    torch.testing.assert_close(half.state[name], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("generator", [smoke().generator, PaperGeneratorConfig()])
def test_what_one_network_learned_is_added_to_another(
    generator: UNetConfig | PaperGeneratorConfig, tmp_path: Path
) -> None:
    config = replace(smoke(), generator=generator, equivariant=False)
    first, second, onto = (
        written(tmp_path / f"{seed}.safetensors", replace(config, seed=seed), seed)
        for seed in (1, 2, 3)
    )
    target = tmp_path / "target.safetensors"
    options = ["--onto", str(onto), "--share", "0.8", "-o", str(target)]
    assert main(["transfer", str(first), str(second), *options]) == 0
    found = load_weights(target)
    start, end, base = (load_weights(path).state for path in (first, second, onto))
    for name, value in found.state.items():
        moved = base[name].numpy() + 0.8 * (end[name].numpy() - start[name].numpy())
        np.testing.assert_allclose(value.numpy(), moved, atol=1e-6)
    found.network()
    assert found.training == replace(config, seed=3)
    assert found.facts == {"iterations": 3, "transferred": 0.8}


def test_only_between_networks_of_one_shape(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = written(tmp_path / "first.safetensors", smoke(), 1)
    other = replace(smoke(), generator=PaperGeneratorConfig(), equivariant=False)
    second = written(tmp_path / "second.safetensors", other, 2)
    target = tmp_path / "target.safetensors"
    options = ["--onto", str(first), "-o", str(target)]
    assert main(["transfer", str(first), str(second), *options]) == 1
    assert f"{second}: expected a network of the shape of" in capsys.readouterr().err
    assert main(["transfer", str(first), str(first), *options, "--share", "-1"]) == 1
    assert "expected a number in [0, 1], got -1" in capsys.readouterr().err
    assert not target.exists()


def test_other_shapes_and_shares_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = written(tmp_path / "first.safetensors", smoke(), 1)
    other = replace(smoke(), generator=PaperGeneratorConfig(), equivariant=False)
    second = written(tmp_path / "second.safetensors", other, 2)
    target = tmp_path / "between.safetensors"
    assert command(first, second, 0.5, target) == 1
    assert "expected a network of the shape of" in capsys.readouterr().err
    assert command(first, first, 1.5, target) == 1
    assert "expected a number in [0, 1], got 1.5" in capsys.readouterr().err
    assert not target.exists()


def test_with_more_blocks_the_way_begins_where_the_run_began(images: Path, tmp_path: Path) -> None:
    first = train(short(1), [images], tmp_path / "first", machine=MACHINE)
    still = replace(short(1), optimizer=replace(short(1).optimizer, learning_rate=1e-12))
    deeper = train(
        still,
        [images],
        tmp_path / "deeper",
        machine=MACHINE,
        init_from=first,
        reshape=lambda shape: override(shape, "bottleneck_blocks=3"),
    )
    assert command(first, deeper, 0, tmp_path / "begun.safetensors") == 0
    begun, end = (load_weights(path) for path in (tmp_path / "begun.safetensors", deeper))
    assert len(end.state) > len(load_weights(first).state)
    for name, value in end.state.items():
        torch.testing.assert_close(begun.state[name], value, atol=1e-9, rtol=0)
