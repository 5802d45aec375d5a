"""`python -m training train`: its options, its errors, Ctrl-C, several processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.short_runs import MACHINE, short, weights
from training import options
from training.__main__ import main, override
from training.checkpoint import load_state, load_weights
from training.evaluate import METRICS
from training.generator import UNetConfig
from training.pictures import PictureFolderError
from training.recipes import RECIPES, smoke
from training.train import train


def test_the_command_reshapes_the_network_of_given_weights(images: Path, tmp_path: Path) -> None:
    first = train(short(1), [images], tmp_path / "first", machine=MACHINE)
    arguments = ["train", "smoke", "--images", str(images), "--output", str(tmp_path / "second")]
    arguments += ["--accelerator", "cpu", "--threads", "1", "--reshape", "bottleneck_blocks=2"]
    assert main(arguments) == 1  # there are no weights to reshape
    assert main([*arguments, "--init-from", str(first), "--iterations", "1"]) == 0
    shape = load_weights(tmp_path / "second" / "weights.safetensors").generator
    assert isinstance(shape, UNetConfig) and shape.bottleneck_blocks == 2


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
    for word in ("true", "True"):
        assert override(smoke(), f"compile={word}").compile is True
    assert override(RECIPES["fidelity"](), "compile=false").compile is False
    for other_kind in ("compile=no", "compile=0", "seed=first", "optimizer.learning_rate=(1, 2)"):
        with pytest.raises(ValueError, match=r"--set.*: expected (True or False|a number), got"):
            override(smoke(), other_kind)
    with pytest.raises(ValueError, match="pixel_loss"):
        override(smoke(), "pixel_loss=l7")
    with pytest.raises(ValueError, match="structure_weight"):
        override(smoke(), "structure_weight=-1")


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
