"""How much memory restoring takes, and what happens when there is none: in processes of their own.

What the shipped model takes is in benchmarks/memory.json.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.memory import (
    MOST_BESIDE,
    MOST_DECODED_SIZES,
    MOST_GROWTH,
    growth_of_process,
    peak_of_command,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_a_picture_takes_under_three_times_its_decoded_size(
    tmp_path: Path, identity_model_path: Path
) -> None:
    # By the difference of two: what the program takes by itself is the same in both.
    small, large = (
        peak_of_command("L", side, tmp_path, model=identity_model_path) for side in (3000, 5000)
    )
    decoded = large.decoded_megabytes - small.decoded_megabytes
    assert large.peak_megabytes - small.peak_megabytes < MOST_DECODED_SIZES * decoded


_WRITE_NOISE = """
import sys
from pathlib import Path
import numpy as np
from argan_plugin.metadata import Metadata
from argan_plugin.picture import Picture
from argan_plugin.writing import write_picture

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])

noise = np.random.default_rng(0).integers(0, 256, (3000, 4000), np.uint8)
write_picture(sys.argv[1], Picture(pixels=noise[:9, :9], metadata=Metadata()))
before = peak()
write_picture(sys.argv[1], Picture(pixels=noise, metadata=Metadata()), overwrite=True)
print((peak() - before) / Path(sys.argv[1]).stat().st_size)
"""


def test_to_write_a_png_file_takes_no_more_than_its_bytes(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WRITE_NOISE, str(tmp_path / "noise.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.2


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_hundred_megapixels_by_the_command(
    mode: str, tmp_path: Path, tiny_model_path: Path
) -> None:
    peak = peak_of_command(mode, 10_000, tmp_path, model=tiny_model_path)
    decoded = 1e8 * len(mode)
    assert peak.peak_megabytes * 1e6 < MOST_DECODED_SIZES * decoded + MOST_BESIDE


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_five_hundred_pictures_do_not_fill_the_memory() -> None:
    growth = growth_of_process()  # of the shipped model
    assert growth.growth_megabytes * 1e6 < MOST_GROWTH


# Opens the shipped model anew with less and less memory until there is too little for one tile.
_WITH_LESS_AND_LESS_MEMORY = """
import resource, warnings
from pathlib import Path
import numpy as np
from argan_plugin import RestorationModel, restore

def opened():
    model = RestorationModel(device="cpu", threads=1)
    restore(picture[:8, :8], model=model)  # what it loads when it first runs
    return model

def address_space():
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmSize:")).split()[1])

picture = np.random.default_rng(0).random((1200, 1200), np.float32)
expected = restore(picture, model=opened())
restored = np.empty_like(picture)
more = 2**28
while True:
    model = opened()
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + more, resource.RLIM_INFINITY))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        restore(picture, model=model, out=restored)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    if caught:
        break
    more = more * 3 // 4
assert np.abs(restored - expected).max() < 1e-3 / 255  # what the export allows a tile
assert np.array_equal(restore(picture, model=model), expected)  # with memory again
print(*[warning.message for warning in caught])
"""


def test_too_little_memory_halves_the_tiles_with_one_warning_and_the_same_result() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITH_LESS_AND_LESS_MEMORY],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        # glibc would keep what sessions before had, and so hide the limit
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("not enough memory") == 1
    assert "tile_size=" in done.stdout
