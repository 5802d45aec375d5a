"""What a user would take instead of ARGAN, each as a function that prepares work to be timed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

import argan_plugin
from argan_plugin.devices import Device
from argan_plugin.model import open_model
from argan_plugin.tiling import map_tiles
from argan_plugin.weights import model_names
from benchmarks.peer_networks import ARCNN, DNCNN3, PeerNetwork
from export.runtimes import open_onnxruntime

Luma = NDArray[np.uint8]
Work = Callable[[], object]

_QUALITY = 20


class MissingProgramError(Exception):
    """A program that is not installed."""


def _argan(
    device: Device, grid: tuple[int, int] | None = None
) -> Callable[[Luma, int, Path], Work]:
    def prepare(image: Luma, threads: int, _folder: Path) -> Work:
        try:
            model = argan_plugin.RestorationModel(device=device, threads=threads)
        except argan_plugin.DeviceError as error:
            raise MissingProgramError(str(error)) from error
        return lambda: argan_plugin.restore(image, model=model, grid=grid)

    return prepare


def _torch(image: Luma, threads: int, _folder: Path) -> Work:
    import torch

    from benchmarks.models import weights_of
    from training.full_image import FullImage

    torch.set_num_threads(threads)
    network = weights_of(model_names()[0]).network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    full = FullImage(network, network.size_multiple)
    info = open_model().info

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            result: NDArray[np.float32] = full(torch.from_numpy(batch)).numpy()
        return result

    return lambda: _tiled(run, image, info.halo, info.size_multiple)


def _network(network: PeerNetwork) -> Callable[[Luma, int, Path], Work]:
    def prepare(image: Luma, threads: int, folder: Path) -> Work:
        network.save(folder / "network.onnx")
        run = open_onnxruntime(folder / "network.onnx", threads)
        return lambda: _tiled(run, image, network.radius, 1)

    return prepare


def _tiled(
    run: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    image: Luma,
    halo: int,
    size_multiple: int,
) -> Luma:
    """Restore tile by tile, as `argan_plugin.restore` does."""

    def restore(tiles: list[Luma]) -> list[Luma]:
        (tile,) = tiles
        batch = np.divide(tile, np.float32(255))[np.newaxis, np.newaxis]
        result: Luma = np.rint(np.clip(run(batch)[0, 0], 0, 1) * 255).astype(np.uint8)
        return [result]

    return map_tiles(
        restore,
        image,
        tile_size=None,
        halo=halo,
        size_multiple=size_multiple,
        out=np.empty_like(image),
    )


def _median(image: Luma, _threads: int, _folder: Path) -> Work:
    filtered = Image.fromarray(image)
    return lambda: filtered.filter(ImageFilter.MedianFilter(3))


def _wavelet(image: Luma, _threads: int, _folder: Path) -> Work:
    from skimage.restoration import denoise_wavelet

    return lambda: denoise_wavelet(image, rescale_sigma=True)


def _total_variation(image: Luma, _threads: int, _folder: Path) -> Work:
    from skimage.restoration import denoise_tv_chambolle

    return lambda: denoise_tv_chambolle(image, weight=0.05)


def _program(*command: str) -> Callable[[Luma, int, Path], Work]:
    """Return a method that runs a program on a JPEG file; it decodes and encodes as well."""

    def prepare(image: Luma, threads: int, folder: Path) -> Work:
        if shutil.which(command[0]) is None:
            raise MissingProgramError(f"{command[0]} is not installed")
        Image.fromarray(image).save(folder / "in.jpg", quality=_QUALITY)
        words = [word.format(folder=folder, threads=threads) for word in command]
        return lambda: subprocess.run(words, check=True, capture_output=True)

    return prepare


METHODS: dict[str, Callable[[Luma, int, Path], Work]] = {
    "ARGAN, ONNX Runtime": _argan("cpu"),
    # Blocks are not looked for: the network and the tiles alone, as of the networks below.
    "ARGAN, ONNX Runtime, grid given": _argan("cpu", (0, 0)),
    "ARGAN, OpenVINO": _argan("openvino"),
    "ARGAN, torch": _torch,
    "AR-CNN": _network(ARCNN),
    "DnCNN-3": _network(DNCNN3),
    "jpegqs -q 3": _program(
        "jpegqs", "-q", "3", "-i", "0", "-t", "{threads}", "{folder}/in.jpg", "{folder}/out.jpg"
    ),
    "jpeg2png": _program("jpeg2png", "{folder}/in.jpg", "-o", "{folder}/out.png"),
    "Pillow, median 3x3": _median,
    "scikit-image, wavelet": _wavelet,
    "scikit-image, TV": _total_variation,
}
"""By name: given a picture, a number of threads and a folder, they return the work to be timed."""
