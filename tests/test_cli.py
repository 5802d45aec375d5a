"""The command, mostly in this process: its results, its messages and its exit codes."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import argan_plugin
from argan_plugin import restore_file, weights
from argan_plugin.cli import main
from argan_plugin.formats import FORMAT_OF_SUFFIX
from argan_plugin.jpeg import read_jpeg_info
from argan_plugin.options import SUFFIX_OF_FORMAT
from argan_plugin.restoration import restore
from argan_plugin.writing import write_picture

Run = Callable[..., int]


@pytest.fixture
def run(tiny_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command with the tiny model, from a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> int:
        words = [str(argument) for argument in arguments]
        return main([*words, "--model", str(tiny_model_path), "--device", "cpu"])

    return run


def pixels(path: str | Path) -> NDArray[Any]:
    with Image.open(path) as image:
        return np.asarray(image)


def save(array: NDArray[Any], path: str | Path, **options: Any) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return Path(path)


def names(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def test_one_file(
    run: Run, jpeg_photo: Path, tiny_model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(jpeg_photo, "-o", "restored.png") == 0

    expected = restore(pixels(jpeg_photo), model=tiny_model_path, device="cpu")
    np.testing.assert_array_equal(pixels("restored.png"), expected)
    assert capsys.readouterr() == ("", "argan: 1 done on cpu, 0 skipped, 0 failed\n")
    with Image.open("restored.png") as image:
        assert image.getexif()[0x010E] == "A disc on a slope"


def test_strength_and_tile_size(run: Run, jpeg_photo: Path, tiny_model_path: Path) -> None:
    assert run(jpeg_photo, "-o", "none.png", "--strength", "0") == 0
    assert run(jpeg_photo, "-o", "half.png", "--strength", "0.5", "--tile-size", "40") == 0

    np.testing.assert_array_equal(pixels("none.png"), pixels(jpeg_photo))
    half = restore(pixels(jpeg_photo), model=tiny_model_path, device="cpu", strength=0.5)
    assert np.abs(pixels("half.png").astype(int) - half).max() <= 1


def test_chroma(run: Run, jpeg_photo: Path, tiny_model_path: Path) -> None:
    assert run(jpeg_photo, "-o", "restored.png", "--chroma") == 0

    given = pixels(jpeg_photo)
    expected = restore(given, model=tiny_model_path, device="cpu", chroma=True)
    np.testing.assert_array_equal(pixels("restored.png"), expected)


@pytest.mark.parametrize(
    ("channels", "restored"), [(None, (...,)), (2, (..., 0)), (3, (...,)), (4, (..., slice(3)))]
)
def test_modes(
    run: Run, photo: NDArray[np.uint8], tiny_model_path: Path, channels: int | None, restored: Any
) -> None:
    colours = photo[..., :3] if channels in (3, 4) else photo[..., :1]
    alpha = 255 - photo[..., :1]
    given = np.concatenate([colours, alpha], axis=-1) if channels in (2, 4) else colours
    given = given[..., 0] if channels is None else given
    save(given, "given.png")

    assert run("given.png", "-o", "restored.png") == 0

    result = pixels("restored.png")
    assert result.shape == given.shape
    expected = restore(given[restored], model=tiny_model_path, device="cpu")
    np.testing.assert_array_equal(result[restored], expected)
    if channels in (2, 4):
        np.testing.assert_array_equal(result[..., -1], given[..., -1])


def test_sixteen_bits(run: Run, photo: NDArray[np.uint8], tiny_model_path: Path) -> None:
    given = photo[..., 0].astype(np.uint16) * 257
    save(given, "given.png")

    assert run("given.png", "-o", "restored.tif") == 0

    expected = restore(given, model=tiny_model_path, device="cpu")
    np.testing.assert_array_equal(pixels("restored.tif"), expected)


def test_batch_goes_on_after_bad_files(
    run: Run, photo: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    save(photo, "in/a.jpg")
    save(photo, "in/deep/z.jpg")
    Path("in/broken.jpg").write_bytes(Path("in/a.jpg").read_bytes()[:-500])
    Path("in/deep/lie.png").write_text("no picture")
    Path("in/notes.txt").touch()

    assert run("in", "gone.jpg", "-o", "out") == 1

    written = {path.as_posix() for path in Path("out").rglob("*") if path.is_file()}
    assert written == {"out/in/a.png", "out/in/deep/z.png"}
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "argan: skipped in/notes.txt: no picture, by its suffix"
    assert lines[1].startswith("argan: failed: in/broken.jpg: cannot be decoded, it is damaged")
    assert lines[2].startswith("argan: failed: in/deep/lie.png: expected a picture")
    assert lines[3] == "argan: failed: gone.jpg: cannot be read: No such file or directory."
    assert lines[4:] == ["argan: 2 done on cpu, 1 skipped, 3 failed"]


def test_format_and_quality(run: Run, photo: NDArray[np.uint8]) -> None:
    save(photo, "in/a.png")
    save(photo, "in/b.jpg")

    assert run("in", "-o", "out", "--format", "jpeg", "--quality", "83") == 0

    for name in ("out/a.jpg", "out/b.jpg"):
        info = read_jpeg_info(name)
        assert (info.quality, info.subsampling) == (83, "4:4:4")


def test_dates_are_kept_on_request(run: Run, photo: NDArray[np.uint8]) -> None:
    source = save(photo, "in/a.jpg")
    os.utime(source, ns=(10**18, 11 * 10**17))

    assert run("in", "-o", "out", "--keep-times") == 0
    assert Path("out/a.png").stat().st_mtime_ns == 11 * 10**17
    assert run("in", "-o", "other") == 0
    assert Path("other/a.png").stat().st_mtime_ns > 11 * 10**17


def test_inks(
    run: Run, photo: NDArray[np.uint8], tiny_model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in").mkdir()
    Image.fromarray(photo).convert("CMYK").save("in/a.jpg")

    assert run("in/a.jpg", "-o", "a.tif") == 0
    with Image.open("in/a.jpg") as image, Image.open("a.tif") as restored:
        inks = np.asarray(image)
        light = 255 - inks[..., :3]
        expected = restore(light, model=tiny_model_path, device="cpu")
        assert restored.mode == "CMYK"
        np.testing.assert_array_equal(255 - np.asarray(restored)[..., :3], expected)
    assert "note" not in capsys.readouterr().err

    # A folder's JPEG files become PNG, which knows no inks.
    assert run("in", "-o", "out") == 0
    assert pixels("out/a.png").shape == (93, 118, 3)
    assert "argan: note: in/a.jpg: PNG knows no CMYK, so it became RGB" in capsys.readouterr().err


def test_frames(run: Run, photo: NDArray[np.uint8], tiny_model_path: Path) -> None:
    turned = photo[::-1].copy()
    save(photo, "a.tif", save_all=True, append_images=[Image.fromarray(turned)])

    assert run("a.tif", "-o", "b.tif") == 0

    with Image.open("b.tif") as image:
        assert image.n_frames == 2  # type: ignore[attr-defined]
        image.seek(1)
        expected = restore(turned, model=tiny_model_path, device="cpu")
        np.testing.assert_array_equal(np.asarray(image), expected)


def test_black_and_white_is_skipped(
    run: Run, photo: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    save(photo, "in/a.jpg")
    Image.fromarray(photo).convert("1").save("in/b.png")

    assert run("in", "-o", "out") == 0

    assert names("out") == ["a.png"]
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "argan: skipped in/b.png: black and white only, so it holds no JPEG artifacts to remove",
        "argan: 1 done on cpu, 1 skipped, 0 failed",
    ]


def test_what_cannot_be_written_is_said_before_the_work(
    run: Run, photo: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    def restored(*_: Any, **__: Any) -> NDArray[Any]:
        raise AssertionError("restored in vain")

    monkeypatch.setattr(restore_file, "restore_bands", restored)
    save(np.dstack([photo, photo[..., 0]]), "a.png")

    assert run("a.png", "-o", "a.jpg") == 1


def test_formats_can_be_written() -> None:
    assert set(SUFFIX_OF_FORMAT.values()) <= set(FORMAT_OF_SUFFIX)


def test_existing_output_is_kept_unless_told(
    run: Run, jpeg_photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("out.png").write_bytes(b"precious")

    assert run(jpeg_photo, "-o", "out.png", "--quiet") == 1
    assert Path("out.png").read_bytes() == b"precious"
    assert capsys.readouterr().err == (
        "argan: skipped out.png: exists already; --overwrite replaces it\n"
    )

    assert run(jpeg_photo, "-o", "out.png", "--overwrite", "--quiet") == 0
    assert pixels("out.png").shape == (93, 118, 3)
    assert capsys.readouterr().err == ""


def test_output_that_appears_during_the_work_is_kept(
    run: Run, jpeg_photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow_restore(image: NDArray[Any], *_: Any, **__: Any) -> NDArray[Any]:
        Path("out.png").write_bytes(b"precious")
        return image

    monkeypatch.setattr(restore_file, "restore_bands", slow_restore)

    assert run(jpeg_photo, "-o", "out.png") == 1
    assert Path("out.png").read_bytes() == b"precious"


@pytest.mark.parametrize("link", [None, "hardlink_to", "symlink_to"])
def test_input_is_never_overwritten(
    run: Run, jpeg_photo: Path, link: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    before = jpeg_photo.read_bytes()
    output = jpeg_photo
    if link:
        output = Path("link.jpg")
        getattr(output, link)(jpeg_photo)

    assert run(jpeg_photo, "-o", output, "--overwrite") == 2

    assert jpeg_photo.read_bytes() == before
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "inputs are never overwritten" in message


def test_only_the_photo_of_an_mpo_file_is_noted(
    run: Run, photo: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    second = [Image.fromarray(photo[::2, ::2])]
    save(photo, "two.mpo", save_all=True, append_images=second)

    assert run("two.mpo", "-o", "out.png") == 0
    assert "argan: note: two.mpo: only the photo was taken" in capsys.readouterr().err


def test_leftovers_of_a_killed_run_are_removed(run: Run, photo: NDArray[np.uint8]) -> None:
    save(photo[:9, :9], "in/deep/a.jpg")
    leftover = Path("out/deep/.argan-0123456789abcdef")
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    os.utime(leftover, (0, 0))

    assert run("in", "-o", "out") == 0
    assert names("out/deep") == ["a.png"]


def test_batch_goes_on_after_what_nobody_foresaw(
    run: Run,
    photo: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save(photo[:9], "in/a.jpg")
    save(photo[:8], "in/b.jpg")

    def broken_restore(image: NDArray[Any], *_: Any, **__: Any) -> NDArray[Any]:
        return image[: 1 // (len(image) - 9)]

    monkeypatch.setattr(restore_file, "restore_bands", broken_restore)

    assert run("in", "-o", "out") == 1
    assert names("out") == ["b.png"]
    assert "failed: in/a.jpg: could not be restored for a reason" in capsys.readouterr().err


def test_ctrl_c_keeps_what_is_done(
    run: Run,
    photo: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in "abc":
        save(photo, f"in/{name}.jpg")

    def interrupted_write(path: Path, *arguments: Any, **options: Any) -> str:
        if path.name == "b.png":
            raise KeyboardInterrupt
        return write_picture(path, *arguments, **options)

    monkeypatch.setattr(restore_file, "write_picture", interrupted_write)

    assert run("in", "-o", "out") == 130

    assert names("out") == ["a.png"]
    summary = "argan: 1 done on cpu, 0 skipped, 0 failed, stopped by Ctrl-C\n"
    assert capsys.readouterr().err == summary


def test_too_little_memory_for_one_of_them(
    run: Run,
    photo: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save(photo, "in/a.jpg")
    save(photo[:50], "in/b.jpg")

    def hungry_restore(image: NDArray[Any], *_: Any, **__: Any) -> NDArray[Any]:
        if image.shape[0] > 50:
            raise MemoryError
        return image

    monkeypatch.setattr(restore_file, "restore_bands", hungry_restore)

    assert run("in", "-o", "out") == 1
    assert names("out") == ["b.png"]
    assert "failed: in/a.jpg: there is not enough memory" in capsys.readouterr().err


def test_truncated_files_on_request(
    run: Run, photo: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    data = save(photo, "whole.jpg", quality=90).read_bytes()
    Path("short.jpg").write_bytes(data[: -len(data) // 4])

    assert run("short.jpg", "-o", "out.png") == 1
    assert ". --accept-truncated restores what is there." in capsys.readouterr().err
    assert run("short.jpg", "-o", "out.png", "--accept-truncated") == 0
    assert capsys.readouterr().err.splitlines() == [
        "argan: note: short.jpg: is damaged or cut off; what is there was restored, "
        "the rest is blank",
        "argan: 1 done on cpu, 0 skipped, 0 failed",
    ]
    assert run("whole.jpg", "-o", "whole.png", "--accept-truncated") == 0
    assert "note" not in capsys.readouterr().err
    np.testing.assert_array_equal(pixels("out.png")[:16], pixels("whole.png")[:16])


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


def test_too_many_pixels(run: Run, jpeg_photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(jpeg_photo, "-o", "out.png", "--max-pixels", "10000") == 1
    assert "allow more with --max-pixels" in capsys.readouterr().err
    assert run(jpeg_photo, "-o", "out.png", "--max-pixels", "12000") == 0


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


def test_options_between_the_inputs(run: Run, photo: NDArray[np.uint8]) -> None:
    save(photo, "a.jpg")
    save(photo, "b.jpg")

    assert run("a.jpg", "-o", "out", "b.jpg") == 0
    assert names("out") == ["a.png", "b.png"]


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


@pytest.fixture
def shipped(tiny_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ship the tiny model as the only one."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    model = folder / "tiny.onnx"
    shutil.copy(tiny_model_path, model)
    checksum = hashlib.sha256(model.read_bytes()).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{checksum}  tiny.onnx\n")
    monkeypatch.setattr(weights, "_MODELS", folder)
    monkeypatch.setattr(weights, "_checksums", weights._checksums.__wrapped__)
    return model


@pytest.mark.parametrize("arguments", [["model"], ["model", "list"]])
def test_model_list(
    shipped: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0

    name, *facts = capsys.readouterr().out.splitlines()
    assert name == "tiny (default): A tiny network with random weights, for tests."
    assert dict(fact.strip().split("  ", 1) for fact in facts).keys() == {
        "file",
        "size",
        "cost",
        "JPEG quality",
        "halo",
        "licence",
    }
    assert f"    file          {shipped}" in facts
    assert "    cost          0.01 kFLOP per pixel" in facts
    assert "    JPEG quality  5 to 95" in facts


def test_model_copy(shipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()

    assert main(["model", "copy", "tiny", str(folder)]) == 0
    assert (folder / "tiny.onnx").read_bytes() == shipped.read_bytes()

    (folder / "tiny.onnx").write_bytes(b"precious")
    assert main(["model", "copy", "tiny", str(folder / "tiny.onnx")]) == 1
    assert (folder / "tiny.onnx").read_bytes() == b"precious"
    assert "exists already" in capsys.readouterr().err

    assert main(["model", "copy", "tiny", str(folder / "tiny.onnx"), "--overwrite"]) == 0
    assert (folder / "tiny.onnx").read_bytes() == shipped.read_bytes()


@pytest.mark.parametrize(
    ("name", "destination", "message"),
    [
        ("huge", "x.onnx", "no model named 'huge'. Shipped models: tiny"),
        ("tiny", "not/there/x.onnx", "cannot be written: No such file or directory"),
        ("tiny", "shipped", "is the installed model itself"),
    ],
)
def test_model_copy_that_fails(
    shipped: Path,
    tmp_path: Path,
    name: str,
    destination: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = shipped.read_bytes()

    assert main(["model", "copy", name, str(tmp_path / destination), "--overwrite"]) == 1

    assert message in capsys.readouterr().err
    assert shipped.read_bytes() == before


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
