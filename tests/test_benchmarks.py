"""The measurements behind docs/runtimes.md: the table of variants, and that the page is in step."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from argan_plugin.jpeg import round_trip
from argan_plugin.model import open_model
from argan_plugin.weights import model_names
from benchmarks import chroma, quality, tables, variants
from export.graph import GraphForm
from training.checkpoint import load_weights, save_weights
from training.full_image import FullImage
from training.generator import UNet, UNetConfig
from training.metrics import psnr
from training.recipes import smoke
from training.validation import restore_judged


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(6)
    shape = UNetConfig(widths=(4,), encoder_blocks=(), bottleneck_blocks=1, decoder_blocks=())
    network = UNet(shape)
    nn.init.normal_(network.head.weight, 0, 0.05)
    path = tmp_path_factory.mktemp("run") / "weights.safetensors"
    save_weights(path, network, replace(smoke(), generator=shape, equivariant=False), {})
    return path


def save_pictures(folder: Path, *sizes: tuple[int, int]) -> Path:
    folder.mkdir()
    random = np.random.default_rng(3)
    for number, size in enumerate(sizes):
        grain = random.integers(0, 256, (9, 11), np.uint8)
        Image.fromarray(grain).resize(size).save(folder / f"{number}.png")
    return folder


def test_the_table_of_variants(
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(variants, "TIMED_SHAPE", (1, 1, 16, 16))
    originals = save_pictures(tmp_path / "originals", (44, 36), (44, 36), (37, 50))
    others = save_pictures(tmp_path / "others", (256, 256), (256, 256))
    rows = tmp_path / "rows.json"
    arguments = ["--images", originals, "--calibration-images", others, "--json", rows]
    assert variants.main([str(argument) for argument in (checkpoint, *arguments)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(variants.HEADER)
    default, bare, fixed, half, small = (
        variants.Row(**row) for row in json.loads(rows.read_text())["rows"]
    )
    assert (fixed.options, fixed.pictures) == ("`--batch 1 --height 36 --width 44`", 2)
    assert {row.pictures for row in (default, bare, half, small)} == {3}
    for row in (default, bare, fixed, half, small):
        assert str(row) in printed
        assert row.seconds_per_megapixel > 0
    assert (default.loss, bare.loss, fixed.loss) == (0, 0, 0)
    assert half.megabytes < default.megabytes
    assert abs(half.loss) < 0.01
    # by hand, in torch; one picture is no multiple of the stride
    network = load_weights(checkpoint).network()
    full = FullImage(network, network.size_multiple)
    scores = []
    for path in originals.iterdir():
        original = np.asarray(Image.open(path))
        compressed = round_trip(original, quality=10)
        scores.append(psnr(restore_judged(full, compressed, torch.device("cpu")), original))
    assert default.psnr[0] == pytest.approx(np.mean(scores), abs=0.01)


def test_a_variant_that_cannot_be_says_why(
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = {"(none)": GraphForm(), "int8": GraphForm(precision="int8")}
    monkeypatch.setattr(variants, "forms", lambda _: both)
    originals = save_pictures(tmp_path / "originals", (36, 44))  # too small to calibrate on
    arguments = ["--images", originals, "--calibration-images", originals]
    assert variants.main([str(argument) for argument in (checkpoint, *arguments)]) == 0
    *_, row, _, _ = capsys.readouterr().out.splitlines()
    assert row.startswith("| int8 | int8: expected folders with at least two pictures")
    assert row.count("|") == variants.HEADER.splitlines()[0].count("|")


def test_bad_input(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(checkpoint), "--images", str(tmp_path), "--calibration-images", str(tmp_path)]
    assert variants.main(arguments) == 1
    assert "expected a folder of original pictures" in capsys.readouterr().err
    assert variants.main(["missing.safetensors", *arguments[1:]]) == 1
    assert "missing.safetensors" in capsys.readouterr().err


@pytest.mark.parametrize("name", tables.PAGES)
def test_the_pages_have_the_tables_of_the_measurements(name: str) -> None:
    page = (tables.ROOT / name).read_text(encoding="utf-8")
    assert tables.refreshed(page, tables.PAGES[name]) == page, "run: python -m benchmarks.tables"


@pytest.mark.parametrize("name", tables.PLOTS)
def test_each_plot_is_drawn_and_shown_on_a_page(name: str, tmp_path: Path) -> None:
    tables.PLOTS[name](tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as plot:
        assert plot.width > 500
    pages = [*tables.ROOT.glob("docs/**/*.md"), tables.ROOT / "argan_plugin/models/README.md"]
    assert any(f"/{Path(name).name})" in page.read_text(encoding="utf-8") for page in pages)


def test_the_figures_of_quality_are_those_of_the_shipped_weights() -> None:
    shipped = {name: open_model(name, device="cpu").info.weights_sha256 for name in model_names()}
    told = json.loads((tables.ROOT / "docs/evaluation.json").read_text(encoding="utf-8"))
    assert told["weights"] == shipped, "docs/releasing.md says how to evaluate them"
    assert all(models.keys() == shipped.keys() for models in told["sets"].values())


def test_a_model_without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tables._TABLES, "card argan", lambda: quality.card("second"))
    page = "<!-- table card argan -->\n<!-- end card argan -->"
    with pytest.raises(ValueError, match=r"no figures of 'second'.*releasing"):
        tables.refreshed(page, ["card argan"])


def test_the_tables_of_two_models(monkeypatch: pytest.MonkeyPatch) -> None:
    date, measured = quality.results()
    both = {name: dict.fromkeys(("argan", "second"), of["argan"]) for name, of in measured.items()}
    monkeypatch.setattr(quality, "results", lambda: (date, both))
    opened = open_model("argan", device="cpu")
    monkeypatch.setattr(quality, "open_model", lambda *_, **__: opened)
    first, second = quality.summary().splitlines()[-4:-2]
    assert first.replace("argan", "second") == second
    cards = [quality.card(name).replace(name, "NAME").split() for name in ("argan", "second")]
    first_words, second_words = ([w for w in card if w.strip("|-")] for card in cards)
    assert first_words == second_words


def test_a_page_without_a_place_for_a_table() -> None:
    names = tables.PAGES["docs/runtimes.md"]
    page = (tables.ROOT / "docs/runtimes.md").read_text(encoding="utf-8")
    for mark in ("<!-- table variants -->", "<!-- end runtimes -->"):
        with pytest.raises(ValueError, match="expected <!-- table"):
            tables.refreshed(page.replace(mark, ""), names)


def test_the_table_of_chroma(
    tiny_model_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chroma, "_CASES", [("4:2:0", 40), (None, 100)])
    originals = save_pictures(tmp_path / "originals", (44, 36), (37, 50))
    assert chroma.main(["--images", str(originals), "--model", str(tiny_model_path)]) == 0

    header, _, coded, original, *_ = capsys.readouterr().out.splitlines()
    assert chroma.HEADER.startswith(header)
    cells = coded.split("|")
    assert cells[1].strip() == "4:2:0, q = 40"
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in sorted(originals.iterdir())]
    expected = [
        psnr(round_trip(picture, quality=40, subsampling="4:2:0"), picture) for picture in pictures
    ]
    assert float(cells[2]) == pytest.approx(np.mean(expected), abs=0.006)
    assert original.split("|")[1:3] == [" original ", "  "]

    assert chroma.main(["--images", str(tmp_path / "nothing")]) == 1
    assert "expected a folder of original pictures" in capsys.readouterr().err
