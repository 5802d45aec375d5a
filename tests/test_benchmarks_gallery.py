"""The gallery: what is drawn is what was measured, from originals that hold no JPEG artifacts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from argan_plugin.inspection import inspect_jpeg
from argan_plugin.model import open_model
from argan_plugin.weights import model_names
from benchmarks import gallery, gallery_scores, gallery_sheets
from benchmarks.gallery_pictures import PICTURES, SIZE, Picture
from training.metrics import psnr

_PAGE = Path(__file__).parents[1] / "docs" / "gallery.md"


def named(name: str) -> Picture:
    return next(picture for picture in PICTURES if picture.name == name)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_originals(picture: Picture, tmp_path: Path) -> None:
    pixels = picture.load()
    assert pixels.dtype == np.uint8
    assert pixels.shape[:2] == SIZE
    top, left = picture.crop
    height, width = gallery_sheets.CROP
    assert top + height <= SIZE[0]
    assert left + width <= SIZE[1]
    Image.fromarray(pixels).save(tmp_path / "original.png")
    assert inspect_jpeg(tmp_path / "original.png").earlier is None


def test_the_page_shows_each_sheet_and_is_small() -> None:
    shown = set(re.findall(r"\(gallery/([\w-]+)\.webp\)", _PAGE.read_text(encoding="utf-8")))
    sheets = {path.stem for path in gallery_scores.FOLDER.glob("*.webp")}
    failures = {f"failures-{name}" for name in model_names()}
    beside = {gallery.MODELS_SHEET} if len(model_names()) > 1 else set()
    assert sheets == failures | beside | {p.name for p in PICTURES if p.sheet}
    assert shown == sheets - failures | {f"failures-{model_names()[0]}"}
    assert (
        sum(p.stat().st_size for p in gallery_scores.FOLDER.rglob("*") if p.is_file()) < 2_000_000
    )


def test_the_gallery_is_of_the_shipped_weights() -> None:
    shipped = {name: open_model(name, device="cpu").info.weights_sha256 for name in model_names()}
    assert gallery_scores.Gallery.load().weights_sha256 == shipped, "run: make gallery"


def test_a_sheet_holds_the_pixels(tmp_path: Path) -> None:
    pixels = named("grass").load()
    row = gallery_sheets.Row("q = 5", (7, 9), [gallery_sheets.Panel(pixels, ("a caption",))])
    gallery_sheets.draw_sheet(tmp_path / "sheet.webp", ["grass"], [row])
    with Image.open(tmp_path / "sheet.webp") as sheet:
        drawn = np.asarray(sheet.convert("L"))
    height, width = gallery_sheets.CROP
    expected = pixels[7 : 7 + height, 9 : 9 + width].repeat(3, axis=0).repeat(3, axis=1)
    places = np.lib.stride_tricks.sliding_window_view(drawn, expected.shape)
    assert (places[:, :, ::40, ::40] == expected[::40, ::40]).all(axis=(2, 3)).any()


def test_the_best_setting_is_the_one_nearest_to_the_original() -> None:
    original = named("cat").load()
    jpeg = gallery.compressed(named("cat"), 10)
    results = {
        name: np.asarray(Image.fromarray(jpeg).filter(how))
        for name, how in (("little", ImageFilter.SMOOTH()), ("much", ImageFilter.BoxBlur(9)))
    }
    filters = {name: lambda _, name=name: results[name] for name in results}
    setting, pixels = gallery.best_of(filters, jpeg, original)
    assert setting == "little"
    assert pixels is results["little"]


def test_a_picture_is_scored_with_each_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "FOLDER", tmp_path)
    monkeypatch.setattr(gallery, "QUALITIES", (20,))
    text = named("text")
    scores = list(
        gallery.draw_picture(text, dict.fromkeys(("ARGAN", "in colour"), lambda *_: text.load()))
    )
    assert [score.method for score in scores] == ["JPEG", "Pillow", "scikit-image", "ARGAN"]
    jpeg, pillow, skimage, ours = scores
    with Image.open(tmp_path / "text.webp") as sheet:
        assert sheet.width > 5 * 3 * gallery_sheets.CROP[1]
    assert jpeg.psnr == psnr(gallery.compressed(text, 20), text.load())
    assert pillow.setting in gallery.LIBRARIES["Pillow"]
    assert skimage.setting in gallery.LIBRARIES["scikit-image"]
    assert ours.psnr == float("inf")
    assert ours.ssimulacra2 == pytest.approx(100)


def test_models_stand_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "FOLDER", tmp_path)
    white = np.full_like(named("grass").load(), 255)
    gallery.draw_models([named("grass")], {"same": lambda jpeg, _: jpeg, "white": lambda *_: white})
    with Image.open(tmp_path / "models.webp") as sheet:
        drawn = np.asarray(sheet.convert("L"))
    height, width = gallery_sheets.CROP
    top, left = named("grass").crop
    panels = [
        gallery.compressed(named("grass"), 10),
        gallery.compressed(named("grass"), 10),
        white,
        named("grass").load(),
    ]
    places = [
        drawn[23 : 23 + 3 * height : 3, start : start + 3 * width : 3]
        for start in range(64, drawn.shape[1], 3 * width + 8)
    ]
    assert len(places) == len(panels)
    for place, panel in zip(places, panels, strict=True):
        np.testing.assert_array_equal(place, panel[top : top + height, left : left + width])


def test_failures_are_the_smallest_gains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "_FAILURE_QUALITIES", (10, 90))
    monkeypatch.setattr(gallery, "_WORST", 1)
    pictures = [named("dots"), named("cell")]

    def blur(pixels: gallery.Pixels, _: int) -> gallery.Pixels:
        return np.asarray(Image.fromarray(pixels).filter(ImageFilter.BoxBlur(1)))

    worst, second = gallery.find_failures(pictures, blur)
    assert (worst.jpeg.picture, worst.jpeg.quality) == ("dots", 90)
    assert (second.jpeg.picture, second.jpeg.quality) == ("cell", 10)
    assert worst.psnr_gain < -20


def test_scores_survive_the_file(tmp_path: Path) -> None:
    measured = replace(gallery_scores.Gallery.load(), date="2000-01-01")
    measured.save(tmp_path / "scores.json")
    assert gallery_scores.Gallery.load(tmp_path / "scores.json") == measured
