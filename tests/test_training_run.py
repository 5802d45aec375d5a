"""Whole runs, tiny: what is written, resuming, diverging, stopping."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.short_runs import MACHINE, assert_equal, short, weights
from training import train as train_module
from training.checkpoint import (
    CheckpointError,
    begin_generator,
    load_state,
    load_weights,
)
from training.config import AdversarialConfig, DegradationConfig
from training.discriminator import PatchDiscriminator
from training.recipes import paper, smoke
from training.run_log import read_log
from training.train import LossMeans, TrainingDiverged, train


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


def test_structure_counts_by_its_weight(images: Path, tmp_path: Path) -> None:
    for weight in (0.0, 1.0, 2.0):
        config = short(2, adversarial=None, structure_weight=weight)
        train(config, [images], tmp_path / str(weight), machine=MACHINE)
        (row,) = read_log(tmp_path / str(weight) / "log.csv")
        assert ("structure" in row) == bool(weight)
    with pytest.raises(AssertionError):
        assert_equal(weights(tmp_path / "1.0"), weights(tmp_path / "2.0"))


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
    config = short(400, adversarial=None, batch_size=8, validation_interval=1000)
    # one kind of patch, so that the loss falls steadily
    config = replace(config, degradation=DegradationConfig(quality=(10, 40)))
    train(config, [images], tmp_path, machine=MACHINE)
    losses = [row["pixel"] for row in read_log(tmp_path / "log.csv")]
    assert losses[-1] < 0.8 * losses[0]


def test_the_discriminator_learns_alone_in_its_head_start(images: Path, tmp_path: Path) -> None:
    config = short(2, adversarial=AdversarialConfig(head_start=2))
    train(config, [images], tmp_path, machine=MACHINE)
    torch.manual_seed(config.seed)
    begun = begin_generator(config).state_dict()
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


def test_nan_stops_the_run_and_keeps_the_good_checkpoint(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(short(2), [images], tmp_path, machine=MACHINE)
    good = (tmp_path / "last.ckpt").read_bytes()
    monkeypatch.setattr(
        "training.steps.pixel_loss", lambda _kind, restored, *_: restored.mean() * torch.nan
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


def test_a_run_stops_after_its_minutes_and_can_go_on(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_module, "_LOG_INTERVAL", 1)
    config = short(3, adversarial=None)
    train(config, [images], tmp_path, machine=MACHINE, minutes=0)
    assert load_state(tmp_path / "last.ckpt")["iteration"] == 1
    train(config, [images], tmp_path, machine=MACHINE, resume=True)
    assert load_state(tmp_path / "last.ckpt")["iteration"] == 3
