"""The command line: how it is used, what it prints and what it loads."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import argan_plugin
from argan_plugin.cli import main
from argan_plugin.jpeg import read_jpeg_info
from argan_plugin.restoration import restore
from tests.conftest import Run
from tests.picture_files import names, pixels, save


def test_one_file(
    run: Run, jpeg_photo: Path, tiny_model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(jpeg_photo, "-o", "restored.png") == 0

    expected = restore(
        pixels(jpeg_photo),
        model=tiny_model_path,
        device="cpu",
        steps=read_jpeg_info(jpeg_photo).quantization[0],
    )
    np.testing.assert_array_equal(pixels("restored.png"), expected)
    assert capsys.readouterr() == ("", "argan: 1 done on cpu, 0 skipped, 0 failed\n")
    with Image.open("restored.png") as image:
        assert image.getexif()[0x010E] == "A disc on a slope"


def test_strength_and_tile_size(run: Run, jpeg_photo: Path, tiny_model_path: Path) -> None:
    assert run(jpeg_photo, "-o", "none.png", "--strength", "0") == 0
    assert run(jpeg_photo, "-o", "half.png", "--strength", "0.5", "--tile-size", "40") == 0

    np.testing.assert_array_equal(pixels("none.png"), pixels(jpeg_photo))
    half = restore(
        pixels(jpeg_photo),
        model=tiny_model_path,
        device="cpu",
        strength=0.5,
        steps=read_jpeg_info(jpeg_photo).quantization[0],
    )
    assert np.abs(pixels("half.png").astype(int) - half).max() <= 1


def test_options_between_the_inputs(run: Run, photo: NDArray[np.uint8]) -> None:
    save(photo, "a.jpg")
    save(photo, "b.jpg")

    assert run("a.jpg", "-o", "out", "b.jpg") == 0
    assert names("out") == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.jpg"], "required: -o/--output"),
        (["-o", "b.png"], "required: IN"),
        (["a.jpg", "-o", "b.png", "--strength", "1.5"], "--strength: expected 0 to 1, got 1.5"),
        (["a.jpg", "-o", "b.png", "--strength", "nan"], "--strength: expected 0 to 1, got nan"),
        (["a.jpg", "-o", "b.png", "--strength", "full"], "--strength: invalid number value"),
        (["a.jpg", "-o", "b.png", "--tile-size", "0"], "--tile-size: expected 1 or more, got 0"),
        (["a.jpg", "-o", "b.png", "--tile-size", "1.5"], "invalid whole number value"),
        (["a.jpg", "-o", "b.png", "--quality", "101"], "--quality: expected 1 to 100, got 101"),
        (["a.jpg", "-o", "b.png", "--device", "tpu"], "--device: invalid choice: 'tpu'"),
        (["a.jpg", "-o", "b", "--format", "gif"], "--format: invalid choice: 'gif'"),
        (["a.jpg", "-o", "b.png", "--over"], "unrecognized arguments: --over"),
    ],
)
def test_wrong_usage(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)

    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("data", [None, b"no ONNX"])
def test_bad_model(
    jpeg_photo: Path, tmp_path: Path, data: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "other.onnx"
    if data is not None:
        model.write_bytes(data)

    assert main([str(jpeg_photo), "-o", str(tmp_path / "a.png"), "--model", str(model)]) == 1

    message = capsys.readouterr().err
    assert message.startswith("argan: error: ")
    assert str(model) in message
    assert message.count("\n") == 1
    assert not (tmp_path / "a.png").exists()


def test_progress_bar_is_for_terminals(
    run: Run, photo: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def shown(*arguments: str) -> str:
        monkeypatch.setattr(sys, "stderr", terminal := Terminal())
        assert run(*arguments) == 0
        return terminal.getvalue()

    save(photo, "in/a.jpg")
    save(photo, "in/b.jpg")

    assert "| 0/2 [" in shown("in", "-o", "out")
    assert "0 tiles [" in shown("in/a.jpg", "-o", "a.png")
    assert shown("in/a.jpg", "-o", "b.png", "--quiet") == ""


def test_warnings_are_one_line(
    jpeg_photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def warn(*_: Any, **__: Any) -> None:
        warnings.simplefilter("always")
        warnings.warn("The GPU is gone.", RuntimeWarning, stacklevel=1)
        raise argan_plugin.ModelError("enough")

    monkeypatch.setattr("argan_plugin.model.open_model", warn)

    assert main([str(jpeg_photo), "-o", str(tmp_path / "a.png")]) == 1
    assert capsys.readouterr().err == ("argan: warning: The GPU is gone.\nargan: error: enough\n")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems know no such names")
def test_names_are_shown_in_one_line_and_obeyed_by_no_terminal(
    run: Run, photo: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    strange = "line\nbreak \x1b]0;title\x07 \udcff.jpg"  # the last is a byte that is no UTF-8
    save(photo[:9, :9], f"in/{strange}", format="JPEG")
    Path(f"in/bad {strange}").touch()

    assert run("in", "-o", "out", "--resume") == 1

    failed, summary = capsys.readouterr().err.splitlines()
    assert failed.startswith(r"argan: failed: in/bad line\nbreak \x1b]0;title\x07 \udcff.jpg: ")
    assert summary == "argan: 1 done on cpu, 0 skipped, 1 failed"
    assert f"{strange[:-4]}.png" in names("out")
    Path(f"in/bad {strange}").unlink()
    assert run("in", "-o", "out", "--resume") == 0


def in_new_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=Path(argan_plugin.__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    "arguments", [["--help"], ["a.jpg"], ["a.jpg", "-o", "b", "--device", "x"]]
)
def test_help_and_mistakes_load_nothing_large(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        "from argan_plugin.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "large = {'numpy', 'PIL', 'onnxruntime', 'tqdm', 'importlib.metadata', 'torch', 'napari'}\n"
        "sys.exit(sorted(large & set(sys.modules)) or 0)\n"
    )
    result = in_new_process("-c", program, *arguments)

    assert result.returncode == 0, result.stderr


def test_run_as_a_module(tmp_path: Path, jpeg_photo: Path, identity_model_path: Path) -> None:
    help_ = in_new_process("-m", "argan_plugin", "--help")
    assert help_.returncode == 0
    assert help_.stdout.startswith("usage: argan IN... -o OUT [options]\n")
    assert "exit codes:" in help_.stdout

    version = in_new_process("-m", "argan_plugin", "--version")
    assert version.stdout == f"argan {argan_plugin.__version__}\n"

    output = str(tmp_path / "out.png")
    model = str(identity_model_path)
    result = in_new_process("-m", "argan_plugin", str(jpeg_photo), "-o", output, "--model", model)
    assert (result.returncode, result.stdout) == (0, "")
    # Not a terminal, so there is no progress bar.
    assert result.stderr.startswith("argan: 1 done on ")
    np.testing.assert_array_equal(pixels(output), pixels(jpeg_photo))
