"""Training in colour: planes against Pillow, patches, and a run that restores chroma."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from argan_plugin.jpeg import round_trip
from tests.short_runs import MACHINE, short, weights
from training.checkpoint import begin_generator
from training.config import AdversarialConfig, DegradationConfig, TrainingConfig
from training.datasets import PatchBatches, validation_crops
from training.degradation import degrade, margin, source_size
from training.generator import UNetConfig
from training.pictures import PictureStore, build_store, open_store
from training.planes import GREY, grey, judged, to_planes
from training.recipes import chroma, smoke
from training.train import train
from training.validation import Validation

SIZE = 64
COLOURED = UNetConfig(
    planes=3, widths=(8, 16), encoder_blocks=(1,), bottleneck_blocks=1, decoder_blocks=(1,)
)


def config(**degradation: float) -> TrainingConfig:
    """Return a tiny run in colour with one kind of degradation."""
    shares = DegradationConfig(**degradation)  # type: ignore[arg-type]
    return replace(smoke(), generator=COLOURED, degradation=shares, batch_size=8, adversarial=None)


@pytest.fixture(scope="module")
def store(photo: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> PictureStore:
    folder = tmp_path_factory.mktemp("pictures")
    tall = np.tile(photo, (2, 2, 1))
    Image.fromarray(tall).save(folder / "colours.png")
    Image.fromarray(tall[..., 1]).save(folder / "grey.png")
    build_store([folder], folder / "store", 48, planes=3)
    return open_store(folder / "store")


def test_planes_are_those_of_pillow_within_a_level(photo: NDArray[np.uint8]) -> None:
    batch = torch.from_numpy(photo.transpose(2, 0, 1).copy())[None]
    expected = np.asarray(Image.fromarray(photo).convert("YCbCr")).transpose(2, 0, 1)
    planes = to_planes(batch)
    assert np.abs(planes[0].numpy() * 255 - expected).max() < 1.5  # Pillow rounds in fixed point
    assert torch.equal(judged(planes), planes[:, 1:])
    luma = to_planes(batch[:, :1])
    assert torch.equal(luma, batch[:, :1] / 255)
    assert torch.equal(judged(luma), luma)
    assert np.abs(grey(photo).astype(int) - expected[0]).max() <= 1


def test_pictures_are_kept_in_colour(store: PictureStore, photo: NDArray[np.uint8]) -> None:
    assert store.names == ("colours.png", "grey.png")
    assert np.array_equal(store[0], np.tile(photo, (2, 2, 1)))
    assert np.array_equal(store[1], np.repeat(store[1][..., :1], 3, axis=2))


@pytest.mark.parametrize("kind", ["clean", "recompressed", "resized", "other_tables", "drawings"])
def test_every_kind_gives_patches_in_colour(store: PictureStore, kind: str) -> None:
    run = replace(config(**{kind: 1.0}), reduced=0.3, enlarged=0.3, sharpened=0.5, busier=0.5)
    compressed, pristine = PatchBatches(store, [0], run, 0, 1)[0]
    assert compressed.shape == pristine.shape == (8, 3, run.patch_size, run.patch_size)
    assert torch.equal(compressed, pristine) == (kind == "clean")
    if kind == "drawings":
        coloured = (pristine != pristine[:, :1]).flatten(1).any(dim=1)
        assert 0 < coloured.sum() < len(coloured)


def test_aligned_patches_lie_on_the_grid_of_chroma(photo: NDArray[np.uint8]) -> None:
    run = DegradationConfig(quality=(20, 20), aligned=1.0)
    assert margin(3) == 32
    source = np.tile(photo, (2, 2, 1))[: source_size(SIZE, run, 3), : source_size(SIZE, run, 3)]
    found = set()
    for seed in range(12):
        compressed, pristine = degrade(source, SIZE, run, np.random.default_rng(seed))
        for subsampling in ("4:2:0", "4:4:4", "4:2:2"):
            again = round_trip(pristine, quality=20, subsampling=subsampling)
            # At its ends enlarged chroma knows what is beyond the patch.
            if np.array_equal(again[:-2, :-2], compressed[:-2, :-2]):
                found.add(subsampling)
    assert found >= {"4:2:0", "4:4:4"}


def test_grey_is_zero_for_the_network_up_to_its_edges() -> None:
    network = begin_generator(config()).eval()
    with torch.no_grad():
        nn.init.normal_(network.state_dict()["head.weight"])
        for name, values in network.state_dict().items():
            if name.endswith("bias"):
                values.zero_()
        grey_picture = torch.full((1, 3, 16, 24), GREY)
        assert torch.equal(network(grey_picture), grey_picture)
        assert not torch.equal(network(grey_picture + 0.1), grey_picture + 0.1)


def test_validation_judges_chroma_stored_at_half_the_size(store: PictureStore) -> None:
    crops = list(validation_crops(store, [0, 1]))
    network = begin_generator(config()).eval()  # the identity, as it begins
    scores, samples = Validation(crops).measure(network, torch.device("cpu"))
    expected = []
    for crop in crops:
        given = round_trip(crop, quality=10, subsampling="4:2:0")
        planes = [np.asarray(Image.fromarray(one).convert("YCbCr")) for one in (given, crop)]
        error = np.mean((planes[0][..., 1:].astype(float) - planes[1][..., 1:]) ** 2)
        expected.append(min(10 * np.log10(255**2 / max(error, 1e-9)), 60))
    assert scores["psnr_q10"] == pytest.approx(np.mean(expected), abs=0.05)
    assert scores["psnr_clean"] == 60
    assert samples[0][0].shape == (crops[0].shape[0], 2 * crops[0].shape[1])


def test_a_run_restores_chroma_and_leaves_luma_alone(
    photo: NDArray[np.uint8], tmp_path: Path
) -> None:
    (tmp_path / "pictures").mkdir()
    Image.fromarray(photo).save(tmp_path / "pictures" / "photo.png")
    run = short(4, generator=COLOURED, adversarial=None)
    train(run, [tmp_path / "pictures"], tmp_path / "run", machine=MACHINE)
    state = weights(tmp_path / "run")
    head = state["head.weight"]
    planes = head.view(3, 4, *head.shape[1:])
    assert not planes[0].any()
    assert planes[1:].flatten(1).any(dim=1).all()


def test_what_looks_at_luma_is_refused() -> None:
    changes: list[dict[str, Any]] = [
        {"structure_weight": 0.1},
        {"pixel_loss": "log_l2_blocks"},
        {"adversarial": AdversarialConfig()},
    ]
    for change in changes:
        with pytest.raises(ValueError, match=r"generator\.planes"):
            replace(chroma(), **change)
    with pytest.raises(ValueError, match="planes"):
        UNetConfig(planes=2)
