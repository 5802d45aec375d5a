"""Evaluation: the luma of the literature, the table, the JSON and the figure."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2ycbcr

from argan_plugin.model import RestorationModel
from argan_plugin.weights import model_names
from training.__main__ import main
from training.checkpoint import save_weights
from training.evaluate import (
    Score,
    load_results,
    open_restorer,
    save_results,
    score_pictures,
    studio_luma,
    weights_of,
)
from training.full_image import FullImage
from training.generator import UNet, UNetConfig
from training.published import PUBLISHED
from training.recipes import smoke
from training.worst import draw_worst

# JPEG alone, as published to the last digit by AR-CNN, DnCNN and all who follow them.
JPEG_PSNR = {
    "live1": (27.770, 30.072, 31.407, 32.355),
    "classic5": (27.821, 30.123, 31.484, 32.428),
}


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("originals")
    noise = np.random.default_rng(0).normal(size=(70, 93, 3))
    pixels = np.clip(gaussian_filter(noise, (2, 2, 0)) * 300 + 128, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "colour.png")
    Image.fromarray(pixels[..., 0]).save(folder / "grey.png")
    return folder


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights whose network changes nothing: what an untrained U-Net is."""
    path = tmp_path_factory.mktemp("weights") / "identity.safetensors"
    config = smoke().generator
    assert isinstance(config, UNetConfig)
    save_weights(path, UNet(config), smoke(), {})
    return path


def test_luma_is_that_of_matlab(originals: Path) -> None:
    with Image.open(originals / "colour.png") as image:
        expected = rgb2ycbcr(np.asarray(image))[..., 0]  # "as in MATLAB", says scikit-image
    assert (studio_luma(originals / "colour.png") == np.rint(expected)).all()


def test_a_grey_picture_is_its_own_luma(originals: Path) -> None:
    with Image.open(originals / "grey.png") as image:
        assert (studio_luma(originals / "grey.png") == np.asarray(image)).all()


def test_the_identity_scores_as_the_jpeg(originals: Path, identity: Path) -> None:
    names = ("psnr", "ssim", "ssim-8x8", "psnr-b")
    scores = score_pictures(open_restorer(identity), sorted(originals.glob("*.png")), names)
    assert len(scores) == 2 * 4
    for score in scores:
        assert score.restored == score.compressed
        assert tuple(score.restored) == names


def test_an_onnx_file_goes_through_the_plugin(originals: Path, identity_model_path: Path) -> None:
    restorer = open_restorer(identity_model_path)
    image = studio_luma(originals / "colour.png")
    assert (restorer(image) == image).all()


def test_the_command_prints_a_table_and_writes_json_and_figure(
    originals: Path, identity: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    live1 = tmp_path / "LIVE1"  # as people call it
    live1.mkdir()
    (live1 / "a.png").write_bytes((originals / "colour.png").read_bytes())
    code = main(
        [
            "evaluate",
            str(identity),
            "--compare",
            "--images",
            str(live1),
            "--metrics",
            "psnr",
            "ssim",
            "--json",
            str(tmp_path / "scores.json"),
            "--figure",
            str(tmp_path / "figure.png"),
            "--plot",
            str(tmp_path / "plot.png"),
            "--worst",
            str(tmp_path / "worst.png"),
        ]
    )
    assert code == 0
    table = capsys.readouterr().out
    assert table.count("| JPEG") == 4
    assert "AR-CNN (published)" in table
    assert "studio range" in table
    assert PUBLISHED["live1"][1].source in table
    scores = load_results(tmp_path / "scores.json")[1]["live1"]["identity"]
    assert {score.quality for score in scores} == {10, 20, 30, 40}
    with Image.open(tmp_path / "plot.png") as plot:
        assert plot.size[0] > 500
    for name in ("figure-live1.png", "worst.png"):
        with Image.open(tmp_path / name) as figure:
            assert figure.size[0] > 500


def test_the_worst_pictures_are_drawn_worst_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def score(picture: str, gain: float, quality: int = 10) -> Score:
        sides = {"compressed": {"psnr": 30.0}, "restored": {"psnr": 30.0 + gain}}
        return Score(picture=picture, quality=quality, **sides)

    folders = {
        tmp_path / "a": [tmp_path / "a" / "1.png"],
        tmp_path / "b": [tmp_path / "b" / "1.png"],
    }
    results = {
        "a": {"ours": [score("1.png", 0.5), score("1.png", -9, 20)], "other": [score("1.png", -9)]},
        "b": {"ours": [score("1.png", -0.5)], "other": [score("1.png", 0)]},
    }
    drawn: list[Path] = []
    monkeypatch.setattr("training.worst.draw_crops", lambda _, paths, *__: drawn.extend(paths))
    restorers = {"ours": np.copy, "other": np.copy}
    draw_worst(results, restorers, folders, tmp_path / "worst.png")
    assert drawn == [tmp_path / "b" / "1.png", tmp_path / "a" / "1.png"]


def test_all_shipped_models_are_those_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr("training.evaluate.evaluate", lambda models, *_, **__: asked.extend(models))
    assert main(["evaluate", "--all-models", "--images", str(tmp_path)]) == 0
    assert asked == list(model_names())


def test_figures_tell_the_weights_of_exported_models(identity: Path, tmp_path: Path) -> None:
    (name, *_) = model_names()
    save_results(tmp_path / "scores.json", {}, weights_of([identity, name]))
    told = json.loads((tmp_path / "scores.json").read_text())["weights"]
    assert told == {name: RestorationModel(name, device="cpu").info.weights_sha256}


def test_no_model_at_all_is_one_line(originals: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--images", str(originals)]) == 1
    assert "expected a model, or --all-models" in capsys.readouterr().err


def test_a_plot_needs_psnr(
    originals: Path, identity: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--metrics", "ssim", "--plot", str(tmp_path / "plot.png")]
    assert main(["evaluate", str(identity), "--images", str(originals), *arguments]) == 1
    assert "needs the metric psnr" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["nowhere.safetensors", "nowhere.onnx", "no-such-model"])
def test_a_model_that_is_not_there_is_one_line(
    model: str, originals: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", model, "--images", str(originals)]) == 1
    assert model.split(".")[0] in capsys.readouterr().err


def test_a_folder_without_originals_is_one_line(
    identity: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(identity), "--images", str(tmp_path)]) == 1
    assert "expected a folder of original pictures" in capsys.readouterr().err


def test_published_rows_rise_with_quality_and_name_their_source() -> None:
    for rows in PUBLISHED.values():
        for row in rows:
            assert list(row.psnr) == sorted(row.psnr)
            assert "https://" in row.source
            assert list(row.ssim or ()) == sorted(row.ssim or ())
            # PSNR-B takes the blocks off PSNR
            assert all(b <= a for a, b in zip(row.psnr, row.psnr_b or row.psnr, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["live1", "classic5"])
def test_jpeg_rows_are_the_published_ones(name: str, identity: Path) -> None:
    """Needs the test sets: ``ARGAN_TEST_SETS=FOLDER`` with ``live1`` and ``classic5`` inside."""
    sets = os.environ.get("ARGAN_TEST_SETS")
    if sets is None:
        pytest.skip("set ARGAN_TEST_SETS to the folder that holds live1 and classic5")
    pictures = sorted(Path(sets, name).glob("*.png"))
    scores = score_pictures(lambda image: image, pictures, ["psnr"])
    for quality, expected in zip((10, 20, 30, 40), JPEG_PSNR[name], strict=True):
        here = [score.compressed["psnr"] for score in scores if score.quality == quality]
        assert np.mean(here) == pytest.approx(expected, abs=0.005)


def test_full_image_pads_with_the_edge() -> None:
    network = UNet(UNetConfig(widths=(4, 8), encoder_blocks=(1,), decoder_blocks=(1,)))
    wrapped = FullImage(network, network.size_multiple)
    image = torch.rand(1, 1, 5, 6)
    padded = np.pad(image[0, 0].numpy(), ((0, 3), (0, 2)), mode="edge")
    seen: list[torch.Tensor] = []
    network.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    wrapped(image)
    assert (seen[0][0, 0].numpy() == padded).all()
