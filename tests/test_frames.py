"""Pages and animations: each frame is read, restored and written, with its time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from argan_plugin.bands import part_of
from argan_plugin.errors import ImageFileError
from argan_plugin.files import read_picture, strict_decoding
from argan_plugin.metadata import Metadata
from argan_plugin.picture import Animation, Picture
from argan_plugin.writing import write_picture

_random = np.random.default_rng(9)
FRAMES = tuple(_random.integers(0, 256, (3, 9, 7, 3), np.uint8))
CLEAR = tuple(_random.integers(0, 256, (3, 9, 7, 4), np.uint8))
MOVIE = Animation(durations=(40.0, 500.0, 70.0), plays=3)


def animated(frames: tuple[NDArray[np.uint8], ...], plays: int = 3) -> Picture:
    return Picture(
        pixels=frames[0],
        later_frames=frames[1:],
        animation=Animation(durations=MOVIE.durations, plays=plays),
        metadata=Metadata(icc_profile=b"a profile"),
    )


def shown(path: Path) -> list[tuple[NDArray[Any], float]]:
    """Return what Pillow shows: each frame and how long."""
    with Image.open(path) as image:
        frames = []
        for frame in ImageSequence.Iterator(image):
            frame.load()
            frames.append((np.asarray(frame.convert("RGBA")), float(frame.info["duration"])))
        return frames


@pytest.mark.parametrize("suffix", [".png", ".webp"])
@pytest.mark.parametrize("frames", [FRAMES, CLEAR], ids=["RGB", "RGBA"])
def test_animation_out_and_in(
    tmp_path: Path, suffix: str, frames: tuple[NDArray[np.uint8], ...]
) -> None:
    path = tmp_path / f"a{suffix}"

    write_picture(path, animated(frames))

    seen = shown(path)
    assert [duration for _, duration in seen] == list(MOVIE.durations)
    for (pixels, _), expected in zip(seen, frames, strict=True):
        visible = pixels[..., 3] > 0
        np.testing.assert_array_equal(pixels[visible][:, :3], expected[visible][:, :3])
        if expected.shape[2] == 4:
            np.testing.assert_array_equal(pixels[..., 3], expected[..., 3])
    with Image.open(path) as image:
        assert image.info["loop"] == 3
        assert image.info["icc_profile"] == b"a profile"
    picture = read_picture(path)
    assert picture.animation == MOVIE
    assert len(picture.frames) == 3
    assert np.array_equal(picture.frames[1][..., :3][visible], shown(path)[1][0][visible][:, :3])


def test_equal_frames_stay_as_many(tmp_path: Path) -> None:
    frames = (FRAMES[0], FRAMES[0], FRAMES[1])
    for suffix in (".png", ".webp"):
        write_picture(tmp_path / f"a{suffix}", animated(frames))
        durations = [duration for _, duration in shown(tmp_path / f"a{suffix}")]
        # Writers may show one frame for longer in place of two equal ones.
        assert sum(durations) == sum(MOVIE.durations)


@pytest.mark.parametrize(("loop", "plays"), [(None, 1), (0, 0), (4, 5)])
def test_gif(tmp_path: Path, loop: int | None, plays: int) -> None:
    path = tmp_path / "a.gif"
    options: dict[str, Any] = {} if loop is None else {"loop": loop}
    flat = [Image.new("RGB", (7, 9), colour) for colour in ("red", "lime", "blue")]
    flat[0].save(path, save_all=True, append_images=flat[1:], duration=[40, 500, 70], **options)

    picture = read_picture(path)

    assert picture.animation == Animation(durations=(40, 500, 70), plays=plays)
    for frame, (expected, _) in zip(picture.frames, shown(path), strict=True):
        np.testing.assert_array_equal(frame[..., :3], expected[..., :3])
    assert "its palette became full colour" in picture.note

    write_picture(tmp_path / "b.png", picture)
    assert [duration for _, duration in shown(tmp_path / "b.png")] == [40, 500, 70]


def test_frames_of_a_gif_file_with_and_without_alpha(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    clear = Image.new("RGBA", (7, 9), (255, 0, 0, 255))
    clear.paste((0, 0, 0, 0), (0, 0, 3, 3))
    Image.new("RGB", (7, 9), "blue").save(
        path, save_all=True, append_images=[clear], disposal=2, duration=50
    )

    modes = set(read_picture(path).modes)

    assert len(modes) == 1
    assert modes <= {"RGB", "RGBA"}


def test_still_picture_in_front_of_an_animation(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    first, *others = map(Image.fromarray, FRAMES)
    first.save(path, save_all=True, append_images=others, default_image=True, duration=[40, 50])

    picture = read_picture(path)

    assert len(picture.frames) == 2
    np.testing.assert_array_equal(picture.pixels, FRAMES[1])
    assert "still picture for old viewers" in picture.note


def test_pages(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    grey, deep = FRAMES[1][:4, ..., 0], FRAMES[2][..., 0].astype(np.uint16) * 257
    pages = (FRAMES[0], np.ascontiguousarray(grey), deep)
    metadata = Metadata(dpi=(300, 300), icc_profile=b"a profile")

    write_picture(path, Picture(pixels=pages[0], later_frames=pages[1:], metadata=metadata))

    with Image.open(path) as image:
        for page, expected in zip(ImageSequence.Iterator(image), pages, strict=True):
            np.testing.assert_array_equal(np.asarray(page), expected)
            assert page.info["dpi"] == (300, 300)
    picture = read_picture(path)
    assert picture.animation is None
    for pixels, expected in zip(picture.frames, pages, strict=True):
        np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg", ".avif", ".jxl"])
def test_pages_go_into_tiff_alone(tmp_path: Path, suffix: str) -> None:
    picture = Picture(pixels=FRAMES[0], later_frames=FRAMES[1:], metadata=Metadata())
    with pytest.raises(ImageFileError, match="cannot hold 3 pages; write TIFF"):
        write_picture(tmp_path / f"a{suffix}", picture)


@pytest.mark.parametrize("suffix", [".jpg", ".avif", ".jxl"])
def test_animation_needs_a_format_that_has_it(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ImageFileError, match="cannot hold 3 frames; write PNG, WebP or TIFF"):
        write_picture(tmp_path / f"a{suffix}", animated(FRAMES))


def test_many_small_frames_are_many_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    write_picture(path, animated(FRAMES))  # 3 frames of 63 pixels

    with strict_decoding(max_pixels=188), pytest.raises(ImageFileError, match="--max-pixels"):
        read_picture(path)
    with strict_decoding(max_pixels=190):
        assert len(read_picture(path).frames) == 3


def test_progress_of_parts_goes_on() -> None:
    calls: list[tuple[int, int]] = []

    for part in range(3):
        report = part_of(lambda done, total: calls.append((done, total)), part, 3)
        assert report is not None
        for done in (1, 2):
            report(done, 2)

    assert calls == [(done, 6) for done in range(1, 7)]
    assert part_of(None, 0, 3) is None
