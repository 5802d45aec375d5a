"""Picture folders, the split and the patches of an iteration."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from training.config import DegradationConfig
from training.datasets import PatchBatches, smallest_side, validation_crops
from training.pictures import (
    PictureFolderError,
    PictureStore,
    build_store,
    open_store,
    read_luma,
    split,
)
from training.recipes import smoke


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    (folder / "deep").mkdir()
    for number, name in enumerate(["a.png", "deep/b.png", "c.jpg", "d.webp"]):
        pixels = random.integers(0, 256, (90 + number, 120, 3), np.uint8)
        Image.fromarray(pixels).save(folder / name)
    Image.fromarray(random.integers(0, 256, (80, 90), np.uint8)).save(folder / "grey.png")
    return folder


@pytest.fixture(scope="module")
def store(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> PictureStore:
    target = tmp_path_factory.mktemp("store") / "pictures.luma"
    build_store([folder], target, 48)
    return open_store(target)


def test_every_picture_is_stored_as_its_luma(store: PictureStore, folder: Path) -> None:
    assert store.names == ("a.png", "c.jpg", "d.webp", "deep/b.png", "grey.png")
    for number, name in enumerate(store.names):
        assert (store[number] == read_luma(folder / name)).all()


def test_luma_is_that_of_pillow_within_a_level(folder: Path) -> None:
    expected = np.asarray(Image.open(folder / "a.png").convert("L"), np.int16)
    assert np.abs(read_luma(folder / "a.png") - expected).max() <= 1


def test_pictures_are_read_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.new("RGB", (60, 40)).save(tmp_path / "turned.jpg", exif=exif)
    assert read_luma(tmp_path / "turned.jpg").shape == (60, 40)


def test_unusable_pictures_are_named_and_skipped(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "broken.png").write_bytes((folder / "a.png").read_bytes()[:200])
    (tmp_path / "text.jpg").write_text("no picture")
    Image.new("L", (20, 200)).save(tmp_path / "narrow.png")
    Image.new("L", (64, 64)).save(tmp_path / "good.png")
    (tmp_path / "notes.txt").write_text("not looked at")
    with caplog.at_level(logging.WARNING):
        build_store([tmp_path], tmp_path / "store", 48)
    assert open_store(tmp_path / "store").names == ("good.png",)
    for name in ("broken.png", "text.jpg", "narrow.png"):
        assert name in caplog.text
    assert "notes.txt" not in caplog.text


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PictureFolderError, match="expected pictures"):
        build_store([tmp_path], tmp_path / "store", 48)
    with pytest.raises(PictureFolderError, match="nowhere"):
        build_store([tmp_path / "nowhere"], tmp_path / "store", 48)
    Image.new("L", (8, 8)).save(tmp_path / "tiny.png")
    with pytest.raises(PictureFolderError, match="None of the 1"):
        build_store([tmp_path], tmp_path / "store", 48)
    assert not list(tmp_path.glob("store*"))


def test_the_split_is_stable_and_whole(store: PictureStore) -> None:
    training, kept = split(store, 0.2)
    assert sorted(training + kept) == list(range(len(store)))
    assert len(kept) == 1
    fewer = replace(store, shapes=store.shapes[:-1], names=store.names[:-1])
    again = split(fewer, 0.25)[1]
    assert again == kept or kept == [len(store) - 1]


def test_a_single_picture_serves_both_ends(store: PictureStore) -> None:
    one = replace(store, shapes=store.shapes[:1], names=store.names[:1])
    assert split(one, 0.06) == ([0], [0])


def test_processes_share_the_batch_of_one_process(store: PictureStore) -> None:
    config = replace(smoke(), batch_size=6)
    numbers = range(len(store))
    whole = PatchBatches(store, numbers, config, 0, 1)[5]
    parts = [PatchBatches(store, numbers, config, rank, 3)[5] for rank in range(3)]
    for which in range(2):
        assert torch.equal(whole[which], torch.cat([part[which] for part in parts]))
    other = PatchBatches(store, numbers, config, 0, 1)[6]
    assert not torch.equal(whole[1], other[1])


def test_busier_places_are_taken_more_often() -> None:
    picture = np.zeros((200, 400), np.uint8)
    picture[:, 200:] = np.random.default_rng(0).integers(0, 256, (200, 200))
    store = PictureStore(picture.ravel(), (picture.shape,), ("half.png",))
    degradation = DegradationConfig(clean=1.0)
    deviations = []
    for busier in (0.0, 1.0):
        config = replace(smoke(), degradation=degradation, busier=busier, batch_size=64)
        pristine = PatchBatches(store, [0], config, 0, 1)[0][1].float()
        deviations.append(float((pristine.flatten(1).std(dim=1) > 1).float().mean()))
    # Half of the places are busy or nearly; of two places, one is in three of four cases.
    assert 0.4 < deviations[0] < 0.7 < deviations[1] < 0.95


def test_a_reduced_place_shows_a_larger_one_with_its_detail_mixed() -> None:
    rows, columns = np.mgrid[:600, :600]
    # a ramp of one level in two pixels, with a checkerboard on it that no smaller picture can show
    picture = (columns // 2 * 0.8 + 8 * ((rows + columns) % 2)).astype(np.uint8)
    store = PictureStore(picture.ravel(), (picture.shape,), ("ramp.png",))
    degradation = DegradationConfig(clean=1.0)
    ranges, boards = [], []
    for reduced in (0.0, 1.0):
        config = replace(smoke(), degradation=degradation, reduced=reduced, batch_size=32)
        patches = PatchBatches(store, [0], config, 0, 1)[0][1].float()
        smooth = torch.nn.functional.avg_pool2d(patches, 8)
        ranges.append(float((smooth.amax((1, 2, 3)) - smooth.amin((1, 2, 3))).mean()))
        boards.append(float(patches.diff(dim=3).abs().median()))
    # factors from 0.5 to 1 show 1 / 0.75 as much or a little more on average
    assert 1.2 < ranges[1] / ranges[0] < 1.7
    assert boards[1] < boards[0] / 2


def test_a_picture_that_is_too_small_is_not_reduced() -> None:
    config = replace(smoke(), reduced=1.0, degradation=DegradationConfig(clean=1.0))
    side = smallest_side(config)
    board = np.random.default_rng(0).choice(np.array([0, 255], np.uint8), (side, side))
    store = PictureStore(board.ravel(), (board.shape,), ("board.png",))
    patches = PatchBatches(store, [0], config, 0, 1)[0][1]
    assert patches.shape == (config.batch_size, 1, config.patch_size, config.patch_size)
    assert set(np.unique(patches.numpy())) == {0, 255}  # resampling would give greys


def test_an_enlarged_place_shows_a_smaller_one_and_is_softer() -> None:
    rows, columns = np.mgrid[:600, :600]
    noise = np.random.default_rng(0).normal(0, 8, rows.shape)
    picture = (columns / 3 + 20 + noise).astype(np.uint8)
    store = PictureStore(picture.ravel(), (picture.shape,), ("noise.png",))
    slopes, details = [], []
    for enlarged in (0.0, 1.0):
        degradation = DegradationConfig(clean=1.0)
        config = replace(smoke(), degradation=degradation, enlarged=enlarged, batch_size=64)
        patches = PatchBatches(store, [0], config, 0, 1)[0][1][:, 0].float()
        halves = [half.mean((1, 2)) for half in patches.chunk(2, dim=2)]
        across = (halves[1] - halves[0]).abs()
        down = [half.mean((1, 2)) for half in patches.chunk(2, dim=1)]
        slopes.append(float(torch.maximum(across, (down[1] - down[0]).abs()).mean()))
        details.append(float(patches.diff(dim=2).square().mean()))
    # factors from 1 to 1.8 show ln(1.8) / 0.8 = 0.73 as much on average
    assert 0.65 < slopes[1] / slopes[0] < 0.82
    assert details[1] < 0.6 * details[0]


def test_an_enlarged_place_of_a_narrow_picture_keeps_its_proportions() -> None:
    degradation = DegradationConfig(clean=0.99, resized=0.01)  # which asks for larger places
    config = replace(smoke(), degradation=degradation, enlarged=1.0, batch_size=32)
    rows, columns = np.mgrid[: smallest_side(config), :200]
    picture = (rows + columns).astype(np.uint8)
    store = PictureStore(picture.ravel(), (picture.shape,), ("ramp.png",))
    patches = PatchBatches(store, [0], config, 0, 1)[0][1][:, 0].float()
    down, across = (patches.diff(dim=dim).abs().mean((1, 2)) for dim in (1, 2))
    torch.testing.assert_close(down, across, rtol=0.1, atol=0)


@pytest.mark.parametrize("reduced", [0.0, 0.3])
def test_shares_of_places_are_those_that_were_asked_for(reduced: float) -> None:
    size = 600
    board = np.indices((size, size)).sum(axis=0).astype(np.uint8) % 2 * 255
    store = PictureStore(board.ravel(), (board.shape,), ("board.png",))
    degradation = DegradationConfig(clean=1.0)
    config = replace(
        smoke(), degradation=degradation, reduced=reduced, enlarged=0.2, batch_size=400
    )
    patches = PatchBatches(store, [0], config, 0, 1)[0][1].flatten(1)
    untouched = float(((patches == 0) | (patches == 255)).all(dim=1).float().mean())
    assert untouched == pytest.approx(1 - reduced - 0.2, abs=0.06)


def test_places_cannot_be_both_reduced_and_enlarged() -> None:
    with pytest.raises(ValueError, match=r"reduced \+ enlarged: expected a share in \[0, 1\]"):
        replace(smoke(), reduced=0.6, enlarged=0.5)


def test_sharpened_patches_overshoot_at_edges_and_keep_their_mean() -> None:
    picture = np.full((400, 400), 100, np.uint8)
    picture[:, 20::40] = picture[:, 21::40] = 150
    store = PictureStore(picture.ravel(), (picture.shape,), ("lines.png",))
    config = replace(smoke(), degradation=DegradationConfig(clean=1.0), batch_size=32)
    plain, sharp = (
        PatchBatches(store, [0], replace(config, sharpened=share), 0, 1)[0][1].float()
        for share in (0.0, 1.0)
    )
    assert set(np.unique(plain.numpy())) == {100, 150}
    # the faintest masks change nothing beside a line
    assert float((sharp.amin((1, 2, 3)) < 100).float().mean()) > 0.8
    assert float((sharp.amax((1, 2, 3)) > 150).float().mean()) > 0.8
    assert float(sharp.mean()) == pytest.approx(float(plain.mean()), abs=2)


def test_a_batch_that_cannot_be_shared_is_refused(store: PictureStore) -> None:
    with pytest.raises(ValueError, match="no multiple of 4"):
        PatchBatches(store, [0], replace(smoke(), batch_size=6), 0, 4)


def test_validation_crops_are_the_centres(store: PictureStore) -> None:
    crops = list(validation_crops(store, [0, 4], side=64))
    assert [crop.shape for crop in crops] == [(64, 64), (64, 64)]
    assert (crops[0] == store[0][13:77, 28:92]).all()
