"""Damaged files through the command, and odd arrays through `restore`; see `tests/fuzz`."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray

from argan_plugin.errors import ImageFileError, UnsupportedImageError
from argan_plugin.files import read_picture
from argan_plugin.restoration import restore
from tests.fuzz.__main__ import CORPUS
from tests.fuzz.command import Command, Finding
from tests.fuzz.mutations import mutated

SEEDS = [path.read_bytes() for path in sorted(CORPUS.iterdir())]


def test_a_few_hundred_damaged_files(tmp_path: Path, tiny_model_path: Path) -> None:
    command = Command(tmp_path, tiny_model_path)

    restored = 0
    for run in range(200):
        random = Random(run)
        restored += command.run(mutated(random, SEEDS), random)

    assert 20 < restored < 100  # the damage is neither too small nor too large


@pytest.mark.parametrize(
    ("breakage", "finding"),
    [
        (lambda *_: 3, "exit code 3"),
        (lambda *_: 1 / 0, "ZeroDivisionError escaped"),
        (lambda *_: os.write(2, b"debugging") and 1, "not one line and a summary"),
        (lambda words: Path(words[2]).write_text("new\nnew\n") and 1, "not one line"),
    ],
)
def test_harness_finds_what_is_wrong(
    tmp_path: Path,
    tiny_model_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    breakage: Any,
    finding: str,
) -> None:
    monkeypatch.setattr("tests.fuzz.command.main", breakage)

    with pytest.raises(Finding, match=finding):
        Command(tmp_path, tiny_model_path).run(b"", Random(0))


def test_seeds_are_small_and_of_all_kinds() -> None:
    assert sum(map(len, SEEDS)) < 100_000
    suffixes = {path.suffix for path in CORPUS.iterdir()}
    assert {".jpg", ".png", ".tif", ".webp", ".gif", ".bmp"} <= suffixes
    readable = 0
    for path in CORPUS.iterdir():
        try:
            read_picture(path)
        except ImageFileError:
            continue
        readable += 1
    assert readable >= 25


@st.composite
def arrays(draw: st.DrawFn) -> NDArray[Any]:
    """Draw an array of nearly any dtype, byte order, shape, strides and values."""
    dtype = draw(
        st.one_of(
            st_numpy.unsigned_integer_dtypes(endianness="?"),
            st_numpy.integer_dtypes(endianness="?"),
            st_numpy.floating_dtypes(endianness="?"),
            st_numpy.scalar_dtypes(),
        )
    )
    shape = draw(st_numpy.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=12))
    if len(shape) == 3 and draw(st.booleans()):
        shape = (*shape[:2], draw(st.sampled_from((3, 4))))
    array = draw(st_numpy.arrays(dtype, shape))
    if array.ndim and draw(st.booleans()):
        array = array[:: draw(st.sampled_from((-1, 2, -2)))]
    if draw(st.booleans()):
        array = array.swapaxes(0, 1) if array.ndim >= 2 else array
    if draw(st.booleans()):
        array.flags.writeable = False
    return array


@given(
    image=arrays(),
    channel_axis=st.sampled_from((None, None, 0, -1, 3)),
    value_range=st.sampled_from((None, None, (0, 1), (-1e30, 1e30), (0, 255))),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_odd_arrays(
    identity_model_path: Path,
    image: NDArray[Any],
    channel_axis: int | None,
    value_range: tuple[float, float] | None,
) -> None:
    before = image.copy()

    try:
        restored = restore(
            image,
            model=identity_model_path,
            device="cpu",
            channel_axis=channel_axis,
            value_range=value_range,
        )
    except (UnsupportedImageError, ValueError) as error:
        assert len(str(error)) > 20
    else:
        assert (restored.shape, restored.dtype) == (image.shape, image.dtype)
        assert not np.shares_memory(restored, image)
        if image.dtype.kind in "iu" and image.dtype.itemsize <= 2:
            np.testing.assert_array_equal(restored, image)  # nothing is changed by this model
        elif image.dtype.kind == "f":
            assert np.isfinite(restored).all()
    assert image.tobytes() == before.tobytes()  # NaN, too
