"""Learning from a trained network beside the pristine pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import mean_squared_error

from tests.short_runs import MACHINE, assert_equal, short, weights
from training import train as train_module
from training.__main__ import main
from training.checkpoint import CheckpointError, build_generator, save_weights
from training.config import TrainingConfig
from training.losses import pixel_loss, teacher_loss
from training.run_log import read_log
from training.teacher import Teacher, oriented, upright
from training.train import train

_LEARNER = replace(short(4), adversarial=None, pixel_loss="log_l2", teacher_share=0.5)


def _teacher(path: Path, config: TrainingConfig = _LEARNER, *, idle: bool = False) -> Path:
    torch.manual_seed(7)
    network = build_generator(config.generator)
    if not idle:
        torch.nn.init.normal_(network.get_parameter("head.weight"), std=0.1)
    save_weights(path, network, config, {})
    return path


def test_orientations_are_pillows() -> None:
    image = np.random.default_rng(0).integers(0, 256, (6, 6), np.uint8)
    ways = [None, *Image.Transpose]
    pillow = {
        (
            Image.fromarray(image).transpose(way) if way is not None else Image.fromarray(image)
        ).tobytes()
        for way in ways
    }
    turned = [oriented(torch.from_numpy(image), number) for number in range(8)]
    assert {image.numpy().tobytes() for image in turned} == pillow
    assert len(pillow) == 8
    for number, other in enumerate(turned):
        assert np.array_equal(upright(other, number), image)


def test_a_teacher_sees_all_orientations_and_gives_them_back_upright() -> None:
    class Across(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.cumsum(-1)

    image = torch.arange(64.0).reshape(1, 1, 8, 8)
    teacher = Teacher(Across(), seed=3)
    expected = {upright(oriented(image, n).cumsum(-1), n).numpy().tobytes() for n in range(8)}
    got = [teacher.restore(image, iteration).numpy().tobytes() for iteration in range(60)]
    assert set(got) == expected
    assert got == [teacher.restore(image, iteration).numpy().tobytes() for iteration in range(60)]


def test_the_loss_is_in_the_units_of_log_l2() -> None:
    generator = torch.Generator().manual_seed(0)
    restored, taught, pristine = torch.rand(3, 4, 1, 16, 16, generator=generator)
    expected = [
        mean_squared_error(a, b) / (mean_squared_error(b, c) + 4e-5)
        for a, b, c in zip(restored.numpy(), taught.numpy(), pristine.numpy(), strict=True)
    ]
    assert float(teacher_loss(restored, taught, pristine)) == pytest.approx(np.mean(expected))

    # a teacher that errs as the network does, in the other direction, and the gradient of log_l2
    restored = restored.requires_grad_()
    truth = (restored + taught).detach() / 2
    (by_truth,) = torch.autograd.grad(pixel_loss("log_l2", restored, truth), restored)
    (by_teacher,) = torch.autograd.grad(teacher_loss(restored, taught, truth), restored)
    assert torch.allclose(by_teacher, 2 * by_truth, rtol=1e-4, atol=1e-9)


def test_a_teacher_that_does_nothing_has_nothing_to_teach(images: Path, tmp_path: Path) -> None:
    idle = _teacher(tmp_path / "idle.safetensors", idle=True)
    config = replace(_LEARNER, teacher_share=1.0)
    train(config, [images], tmp_path / "all", machine=MACHINE, teacher_from=idle)
    torch.manual_seed(config.seed)
    assert_equal(weights(tmp_path / "all"), build_generator(config.generator).state_dict())
    assert read_log(tmp_path / "all" / "log.csv")[-1]["teacher"] == 0

    train(_LEARNER, [images], tmp_path / "half", machine=MACHINE, teacher_from=idle)
    with pytest.raises(AssertionError):
        assert_equal(weights(tmp_path / "half"), weights(tmp_path / "all"))


def test_a_resumed_run_keeps_its_teacher(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _teacher(tmp_path / "teacher.safetensors")
    train(_LEARNER, [images], tmp_path / "whole", machine=MACHINE, teacher_from=path)

    stops = iter([False, False, True])
    monkeypatch.setattr(train_module, "_stopped", lambda *_: next(stops))
    train(_LEARNER, [images], tmp_path / "parts", machine=MACHINE, teacher_from=path)
    monkeypatch.undo()
    path.unlink()
    train(_LEARNER, [images], tmp_path / "parts", machine=MACHINE, resume=True)

    assert_equal(weights(tmp_path / "whole"), weights(tmp_path / "parts"))


def test_the_command_wants_a_teacher_and_its_share(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teacher = _teacher(tmp_path / "teacher.safetensors")
    begin = ["train", "smoke", "--images", str(images), "--output", str(tmp_path / "run")]
    begin += ["--accelerator", "cpu", "--workers", "0", "--set", "adversarial=None"]
    share = ["--set", "pixel_loss=log_l2", "--set", "teacher_share=0.5"]
    for lacking in (["--teacher", str(teacher)], share):
        assert main([*begin, *lacking]) == 1
        assert "A teacher needs both --teacher FILE and" in capsys.readouterr().err
    assert main([*begin, *share[2:], "--teacher", str(teacher)]) == 1
    assert "teacher_share: expected 0, or log_l2" in capsys.readouterr().err
    assert main([*begin, *share, "--teacher", str(teacher)]) == 0
    assert main([*begin, "--resume", "--teacher", str(teacher)]) == 1
    assert "drop --set, --init-from, --reshape, --teacher" in capsys.readouterr().err
    with pytest.raises(CheckpointError, match="found none"):
        train(_LEARNER, [images], tmp_path / "no", machine=MACHINE, teacher_from=tmp_path / "none")
