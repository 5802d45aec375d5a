"""Weights and states: networks of another shape, damage, code, newer formats."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.short_runs import MACHINE, short
from training.checkpoint import (
    CheckpointError,
    build_generator,
    load_into,
    load_state,
    load_weights,
    save_state,
)
from training.generator import UNetConfig
from training.train import train


def test_a_deepened_network_starts_with_the_results_of_its_weights(
    images: Path, tmp_path: Path
) -> None:
    first = train(short(2), [images], tmp_path / "first", machine=MACHINE)
    weights = load_weights(first)
    assert isinstance(weights.generator, UNetConfig)
    deeper = build_generator(replace(weights.generator, bottleneck_blocks=3, decoder_blocks=(2,)))
    load_into(deeper, weights.state)
    image = torch.rand(1, 1, 16, 16)
    with torch.no_grad():
        assert torch.equal(deeper(image), weights.network()(image))
    wider = build_generator(replace(weights.generator, widths=(8, 8)))
    with pytest.raises(CheckpointError, match="do not fit"):
        load_into(wider, weights.state)
    longer = build_generator(
        replace(weights.generator, widths=(4, 8, 8), encoder_blocks=(1, 1), decoder_blocks=(1, 1))
    )
    with pytest.raises(CheckpointError, match="do not fit"):
        load_into(longer, weights.state)


def test_a_narrowed_block_keeps_the_channels_that_count(images: Path, tmp_path: Path) -> None:
    weights = load_weights(train(short(2), [images], tmp_path, machine=MACHINE))
    assert isinstance(weights.generator, UNetConfig)
    state = {name: value.clone() for name, value in weights.state.items()}
    for name, value in state.items():
        if name.endswith("conv2.weight"):
            value[:, 1] = 0  # whatever this channel holds, nothing comes of it
    network = build_generator(weights.generator)
    network.load_state_dict(state)
    narrower = build_generator(replace(weights.generator, block_widths=(7, 15)))
    load_into(narrower, state)
    image = torch.rand(1, 1, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(narrower(image), network(image))
    wider = build_generator(replace(weights.generator, block_widths=(9, 16)))
    with pytest.raises(CheckpointError, match="do not fit"):
        load_into(wider, state)


def test_damaged_checkpoints_are_refused(tmp_path: Path) -> None:
    for name, load in (("last.ckpt", load_state), ("w.safetensors", load_weights)):
        path = tmp_path / name
        with pytest.raises(CheckpointError, match="found none"):
            load(path)
        path.write_bytes(b"something else")
        with pytest.raises(CheckpointError, match=name):
            load(path)


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"format_version": 1, "state": Hostile()}, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError):
        load_state(tmp_path / "last.ckpt")
    assert not (tmp_path / "ran").exists()


def test_a_newer_state_is_refused(tmp_path: Path) -> None:
    save_state(tmp_path / "last.ckpt", {})
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)
    torch.save(state | {"format_version": 99}, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match="newer"):
        load_state(tmp_path / "last.ckpt")
