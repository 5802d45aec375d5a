"""Whole runs, tiny: what is written, resuming, diverging, stopping, several processes."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from training import options
from training import train as train_module
from training.__main__ import main, override
from training.checkpoint import (
    CheckpointError,
    build_generator,
    load_into,
    load_state,
    load_weights,
    save_state,
)
from training.config import AdversarialConfig, DegradationConfig, TrainingConfig
from training.datasets import PictureFolderError
from training.discriminator import PatchDiscriminator
from training.evaluate import METRICS
from training.generator import UNetConfig
from training.launch import Machine
from training.recipes import RECIPES, paper, smoke
from training.run_log import read_log
from training.train import LossMeans, TrainingDiverged, train

MACHINE = Machine(accelerator="cpu", devices=1, threads=1, workers=0)

pytestmark = pytest.mark.filterwarnings(
    # inside Lightning Fabric and torch, on purpose there
    "ignore:.*does not have many workers.*",
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for seed in range(3):
        noise = np.random.default_rng(seed).normal(size=(120, 140))
        pixels = np.clip(gaussian_filter(noise, 2) * 300 + 128, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{seed}.png")
    return folder


def short(iterations: int = 4, **changes: Any) -> TrainingConfig:
    return replace(smoke(), iterations=iterations, **changes)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_weights(folder / "weights.safetensors").state


def assert_equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_a_run_leaves_weights_state_log_and_samples(images: Path, tmp_path: Path) -> None:
    path = train(short(2), [images], tmp_path, machine=MACHINE)
    made = load_weights(path)
    assert made.generator == smoke().generator
    assert made.training == short(2)
    assert made.facts["iterations"] == 2
    assert made.facts["pictures"] == 2  # of three, one is kept for validation
    made.network()
    rows = read_log(tmp_path / "log.csv")
    assert [row["iteration"] for row in rows] == [2]
    assert {"pixel", "adversarial", "discriminator", "psnr_q10", "psnr_clean"} <= rows[0].keys()
    with Image.open(tmp_path / "samples" / "00000002.png") as samples:
        assert samples.mode == "L"
    assert any((tmp_path / "tensorboard").iterdir())


def test_an_interrupted_and_resumed_run_equals_an_uninterrupted_one(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(short(6), [images], tmp_path / "whole", machine=MACHINE)

    stops = iter([False, False, False, True])
    monkeypatch.setattr(train_module, "_stopped", lambda *_: next(stops))
    train(short(6), [images], tmp_path / "parts", machine=MACHINE)
    assert load_state(tmp_path / "parts" / "last.ckpt")["iteration"] == 3
    monkeypatch.undo()
    train(short(6), [images], tmp_path / "parts", machine=MACHINE, resume=True)

    assert_equal(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    whole, parts = (load_state(tmp_path / name / "last.ckpt") for name in ("whole", "parts"))
    for network, other in zip(whole["networks"], parts["networks"], strict=True):
        assert_equal(network, other)


def test_training_lowers_the_loss(images: Path, tmp_path: Path) -> None:
    config = short(150, adversarial=None, batch_size=8, validation_interval=1000)
    # one kind of patch, so that the loss falls steadily
    config = replace(config, degradation=DegradationConfig(quality=(10, 40)))
    train(config, [images], tmp_path, machine=MACHINE)
    losses = [row["pixel"] for row in read_log(tmp_path / "log.csv")]
    assert losses[-1] < 0.9 * losses[0]


def test_the_discriminator_learns_alone_in_its_head_start(images: Path, tmp_path: Path) -> None:
    config = short(2, adversarial=AdversarialConfig(head_start=2))
    train(config, [images], tmp_path, machine=MACHINE)
    torch.manual_seed(config.seed)
    begun = build_generator(config.generator).state_dict()
    judge = PatchDiscriminator().state_dict()
    generator, discriminator = load_state(tmp_path / "last.ckpt")["networks"]
    assert_equal(begun, generator)
    assert any(not torch.equal(value, discriminator[name]) for name, value in judge.items())
    assert read_log(tmp_path / "log.csv")[0]["learning_rate"] == 0


def test_the_papers_networks_train(images: Path, tmp_path: Path) -> None:
    config = replace(paper(), iterations=1, batch_size=2)
    path = train(config, [images], tmp_path, machine=MACHINE)
    assert load_weights(path).generator == config.generator


def test_a_run_starts_from_given_weights_and_their_shape(images: Path, tmp_path: Path) -> None:
    first = train(short(2), [images], tmp_path / "first", machine=MACHINE)
    config = replace(paper(), adversarial=None, iterations=1, batch_size=2)
    second = train(config, [images], tmp_path / "second", machine=MACHINE, init_from=first)
    assert load_weights(second).generator == smoke().generator


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
    narrower = build_generator(replace(weights.generator, block_widths=(3, 7)))
    load_into(narrower, state)
    image = torch.rand(1, 1, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(narrower(image), network(image))
    wider = build_generator(replace(weights.generator, block_widths=(5, 8)))
    with pytest.raises(CheckpointError, match="do not fit"):
        load_into(wider, state)


def test_the_command_reshapes_the_network_of_given_weights(images: Path, tmp_path: Path) -> None:
    first = train(short(1), [images], tmp_path / "first", machine=MACHINE)
    arguments = ["train", "smoke", "--images", str(images), "--output", str(tmp_path / "second")]
    arguments += ["--accelerator", "cpu", "--threads", "1", "--reshape", "bottleneck_blocks=2"]
    assert main(arguments) == 1  # there are no weights to reshape
    assert main([*arguments, "--init-from", str(first), "--iterations", "1"]) == 0
    shape = load_weights(tmp_path / "second" / "weights.safetensors").generator
    assert isinstance(shape, UNetConfig) and shape.bottleneck_blocks == 2


def test_nan_stops_the_run_and_keeps_the_good_checkpoint(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(short(2), [images], tmp_path, machine=MACHINE)
    good = (tmp_path / "last.ckpt").read_bytes()
    monkeypatch.setattr(
        "training.steps.pixel_loss", lambda _kind, restored, _pristine: restored.mean() * torch.nan
    )
    with pytest.raises(TrainingDiverged, match="--resume"):
        train(short(4), [images], tmp_path, machine=MACHINE, resume=True)
    assert (tmp_path / "last.ckpt").read_bytes() == good


def test_means_start_again_after_they_are_taken() -> None:
    means = LossMeans()
    for value in (1.0, 3.0):
        means.add({"pixel": torch.tensor(value)})
    assert means.take(2) == {"pixel": 2.0}
    means.add({"pixel": torch.tensor(5.0)})
    assert means.take(3) == {"pixel": 5.0}


def test_a_full_disk_costs_the_save_and_not_the_run(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(short(2), [images], tmp_path, machine=MACHINE)
    good = (tmp_path / "last.ckpt").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("training.run_state.save_state", full)
    monkeypatch.setattr(train_module, "_SAVE_SECONDS", -1)
    monkeypatch.setattr(train_module, "_LOG_INTERVAL", 1)
    with (
        pytest.warns(RuntimeWarning, match="the one before it is kept"),
        pytest.raises(OSError, match="No space"),  # the last save must not be lost silently
    ):
        train(short(4), [images], tmp_path, machine=MACHINE, resume=True)
    assert (tmp_path / "last.ckpt").read_bytes() == good


def test_lost_rows_are_dropped_from_the_log(images: Path, tmp_path: Path) -> None:
    train(short(2), [images], tmp_path, machine=MACHINE)
    with (tmp_path / "log.csv").open("a", newline="") as file:
        csv.writer(file).writerow([3, 1.0])
    train(short(5), [images], tmp_path, machine=MACHINE, resume=True)
    assert [row["iteration"] for row in read_log(tmp_path / "log.csv")] == [2, 5]


def test_another_runs_state_is_refused(images: Path, tmp_path: Path) -> None:
    train(short(2), [images], tmp_path, machine=MACHINE)
    with pytest.raises(CheckpointError, match="another run"):
        train(short(4, seed=1), [images], tmp_path, machine=MACHINE, resume=True)


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


def test_an_empty_folder_is_an_error_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PictureFolderError):
        train(short(), [tmp_path], tmp_path / "run", machine=MACHINE)
    code = main(["train", "smoke", "--images", str(tmp_path), "--output", str(tmp_path / "run")])
    assert code == 1
    assert "expected pictures" in capsys.readouterr().err.splitlines()[-1]


def test_the_command_line_does_not_start_over_a_run(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(short(2), [images], tmp_path, machine=MACHINE)
    assert main(["train", "smoke", "--images", str(images), "--output", str(tmp_path)]) == 1
    assert "--resume" in capsys.readouterr().err


def test_the_command_line_knows_every_recipe_and_metric() -> None:
    assert tuple(RECIPES) == options.RECIPES
    assert tuple(METRICS) == options.METRICS


def test_settings_are_overridden_and_checked() -> None:
    changed = override(smoke(), "optimizer.learning_rate=0.5")
    assert changed == replace(smoke(), optimizer=replace(smoke().optimizer, learning_rate=0.5))
    assert override(smoke(), "pixel_loss=l1").pixel_loss == "l1"
    assert override(smoke(), "adversarial=None").adversarial is None
    for nonsense in ("learning_rate=1", "seed", "optimizer.rate=1"):
        with pytest.raises(ValueError, match="--set"):
            override(smoke(), nonsense)
    with pytest.raises(ValueError, match="pixel_loss"):
        override(smoke(), "pixel_loss=l7")


@contextmanager
def run_command(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "training", "train", "smoke"),
            *("--accelerator", "cpu", "--threads", "1"),
            *map(str, arguments),
        ],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # its own processes end with it
    )
    with process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_two_processes_train_as_one(images: Path, tmp_path: Path) -> None:
    config = short(3, adversarial=None)
    train(config, [images], tmp_path / "one", machine=MACHINE)
    two = ("--devices", "2", "--workers", "0", "--iterations", "3", "--set", "adversarial=None")
    with run_command("--images", images, "--output", tmp_path / "two", *two) as process:
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    other = weights(tmp_path / "two")
    for name, value in weights(tmp_path / "one").items():
        torch.testing.assert_close(other[name], value, rtol=1e-4, atol=1e-5)


def test_ctrl_c_saves(images: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    options = ("--iterations", "1000000", "--workers", "1")
    with run_command("--images", images, "--output", tmp_path, *options) as process:
        while not log.exists() or len(log.read_text().splitlines()) < 2:
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert load_state(tmp_path / "last.ckpt")["iteration"] >= 50


def test_a_run_stops_after_its_minutes_and_can_go_on(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_module, "_LOG_INTERVAL", 1)
    config = short(3, adversarial=None)
    train(config, [images], tmp_path, machine=MACHINE, minutes=0)
    assert load_state(tmp_path / "last.ckpt")["iteration"] == 1
    train(config, [images], tmp_path, machine=MACHINE, resume=True)
    assert load_state(tmp_path / "last.ckpt")["iteration"] == 3
