"""Losses against closed forms and scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import mean_squared_error

from training import metrics
from training.losses import (
    adversarial_loss,
    discriminator_loss,
    pixel_loss,
    ssim,
    structure_loss,
)


def patches() -> tuple[torch.Tensor, torch.Tensor]:
    pristine = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(3, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    return pristine + noise * torch.tensor([0.05, 0.1, 0.3]).view(3, 1, 1, 1), pristine


def test_log_l2_is_the_mean_psnr_in_another_unit() -> None:
    restored, pristine = patches()
    errors = [
        mean_squared_error(a, b) for a, b in zip(pristine.numpy(), restored.numpy(), strict=True)
    ]
    loss = float(pixel_loss("log_l2", restored, pristine))
    assert loss == pytest.approx(np.mean(np.log(np.array(errors) + 4e-5)), rel=1e-4)


def test_log_l2_of_equal_patches_has_no_gradient() -> None:
    pristine = patches()[1]
    restored = pristine.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(pixel_loss("log_l2", restored, pristine), restored)
    assert (gradient == 0).all()


def test_every_patch_counts_the_same_in_log_l2() -> None:
    restored, pristine = patches()
    together = float(pixel_loss("log_l2", restored, pristine))
    alone = [
        float(pixel_loss("log_l2", restored[i : i + 1], pristine[i : i + 1])) for i in range(3)
    ]
    assert together == pytest.approx(np.mean(alone))


def test_log_l2_blocks_goes_a_tenth_of_the_way_to_psnr_b() -> None:
    # A flat original has no steps of its own, so all of PSNR-B's blocking counts.
    pristine = np.full((24, 40), 128, np.uint8)
    blocks = np.random.default_rng(0).integers(-9, 10, (3, 5)).repeat(8, 0).repeat(8, 1)
    restored = (pristine + blocks).astype(np.uint8)
    error = mean_squared_error(restored / 255, pristine / 255)
    with_blocks = 10 ** (-metrics.psnr_b(restored, pristine) / 10)
    assert with_blocks > 1.5 * error
    error += 0.1 * (with_blocks - error)
    images = (torch.from_numpy(image / 255).float()[None, None] for image in (restored, pristine))
    inputs, targets = images
    for floor in (4e-5, 4e-6):
        loss = float(pixel_loss("log_l2_blocks", inputs, targets, floor))
        assert loss == pytest.approx(np.log(error + floor))


def test_steps_that_the_original_has_do_not_count_as_blocks() -> None:
    pristine = torch.rand(2, 1, 3, 5, generator=torch.Generator().manual_seed(0))
    pristine = pristine.repeat_interleave(8, 2).repeat_interleave(8, 3)
    restored = 0.5 + 0.9 * (pristine - 0.5)
    assert pixel_loss("log_l2_blocks", restored, pristine) == pixel_loss(
        "log_l2", restored, pristine
    )


def test_ssim_is_scikit_images() -> None:
    rng = np.random.default_rng(0)
    smooth = np.linspace(40, 200, 33 * 47).reshape(33, 47)
    references = np.stack([smooth, rng.integers(0, 256, (33, 47))]).astype(np.uint8)
    noise = rng.normal(0, [[[3.0]], [[40.0]]], references.shape)
    images = np.clip(references + noise, 0, 255).astype(np.uint8)
    ours = ssim(*(torch.from_numpy(i / 255).float()[:, None] for i in (images, references)))
    theirs = [metrics.ssim(*pair) for pair in zip(images, references, strict=True)]
    assert ours.numpy() == pytest.approx(theirs, abs=1e-5)


def test_structure_loss_is_the_mean_logarithm_of_what_is_missing_in_ssim() -> None:
    restored, pristine = patches()
    missing = 1 - ssim(restored, pristine).numpy()
    assert np.ptp(missing) > 0.3
    loss = float(structure_loss(restored, pristine))
    assert loss == pytest.approx(np.mean(np.log(missing + 0.01)), rel=1e-4)


def test_l2_and_l1_are_numpys_means() -> None:
    restored, pristine = patches()
    difference = (restored - pristine).numpy()
    assert float(pixel_loss("l2", restored, pristine)) == pytest.approx(np.mean(difference**2))
    assert float(pixel_loss("l1", restored, pristine)) == pytest.approx(np.abs(difference).mean())
    # quadratic under its ε, else the absolute value
    assert float(pixel_loss("charbonnier", restored, pristine)) == pytest.approx(
        np.abs(difference).mean(), rel=1e-2
    )


def test_a_discriminator_that_cannot_tell_has_the_loss_of_two_coins() -> None:
    unsure = torch.zeros(4, 1)
    assert float(discriminator_loss(unsure, unsure)) == pytest.approx(2 * np.log(2))
    assert float(adversarial_loss(unsure)) == pytest.approx(np.log(2))
