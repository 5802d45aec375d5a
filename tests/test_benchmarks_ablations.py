"""The ablations: each arm is a run of its own, and a run of seconds gives a row."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import ablations
from training.paper_networks import PaperGeneratorConfig
from training.recipes import smoke


def test_no_two_arms_are_the_same_run() -> None:
    arms = list(chain.from_iterable(ablations.GROUPS.values()))
    assert len({arm.name for arm in arms}) == len(arms)
    assert len({(str(arm.config), arm.winograd) for arm in arms}) == len(arms)


def test_the_shapes_cost_what_the_base_costs() -> None:
    base = ablations.kflop_per_pixel(ablations.GROUPS["base"][0].config.generator)
    for arm in ablations.GROUPS["shape"]:
        assert ablations.kflop_per_pixel(arm.config.generator) == pytest.approx(base, rel=0.02)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_an_arm_is_trained_for_its_minutes_and_measured(tmp_path: Path, batch_norm: bool) -> None:
    for seed in range(3):
        noise = np.random.default_rng(seed).integers(0, 256, (80, 90), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{seed}.png")
    config = replace(
        smoke(),
        generator=PaperGeneratorConfig(batch_norm=batch_norm),
        adversarial=None,
        equivariant=False,
        iterations=1000,
        validation_interval=1000,
    )
    arm = ablations.Arm(name="short", config=config, winograd=False)
    row = ablations.measure(arm, tmp_path, minutes=0.001)
    assert 0 < row.iterations < 1000
    assert set(row.scores) == {"psnr_q10", "psnr_q20", "psnr_q30", "psnr_q40", "psnr_clean"}
    assert str(row).count("|") == ablations.HEADER.splitlines()[0].count("|")
