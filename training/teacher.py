"""A trained network that shows a run what can be known, beside the pristine picture.

What a JPEG has lost can only be guessed, so most of the distance from a restored patch to its
pristine one is chance, and so is most of a batch's gradient. A trained network's result is near the
mean of all that the patch may have been, which is what a network can learn (Hinton, Vinyals, Dean:
"Distilling the Knowledge in a Neural Network", 2015, https://arxiv.org/abs/1503.02531). It sees
each batch in another orientation: the mean over these is better than any one of them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from argan_plugin.whole_file import written_whole
from training.checkpoint import load_weights

_TEACHER_FILE = "teacher.safetensors"


class Teacher:
    """Restores batches, each in one of the eight orientations of a square.

    Parameters
    ----------
    network
        A trained generator; it stays as it is.
    seed
        Of the orientations.
    """

    def __init__(self, network: nn.Module, seed: int) -> None:
        # torch's stubs do not know this form of `to`
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network = network.eval().requires_grad_(False)
        self._seed = seed

    def restore(self, compressed: Tensor, iteration: int) -> Tensor:
        """Return the patches as the network would have them, values in [0, 1] but for overshoot.

        Parameters
        ----------
        compressed
            Float32 ``(batch, 1, side, side)`` in [0, 1].
        iteration
            The same one gives the same orientation, in a resumed run as well.
        """
        orientation = int(np.random.default_rng((self._seed, iteration)).integers(8))
        seen = oriented(compressed, orientation).contiguous(memory_format=torch.channels_last)
        # Half the time of float32 where the processor knows it; the error is that of 8-bit rounding
        # in one of twenty pixels (docs/experiments.md, "OpenVINO and bfloat16").
        with torch.no_grad(), torch.autocast(compressed.device.type, torch.bfloat16):
            restored: Tensor = self._network(seen)
        return upright(restored.float(), orientation)


def open_teacher(fabric: Fabric, path: Path | None, folder: Path, seed: int) -> Teacher:
    """Return the teacher of the run in ``folder``, which keeps a copy of its weights.

    Parameters
    ----------
    path
        A ``.safetensors`` file of ``python -m training``; None takes the copy.

    Raises
    ------
    CheckpointError
        If the file is missing or damaged.
    """
    copy = folder / _TEACHER_FILE
    network = load_weights(path or copy).network()
    if path is not None and fabric.is_global_zero:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as source, written_whole(copy, overwrite=True) as target:
            shutil.copyfileobj(source, target)
    return Teacher(network.to(fabric.device), seed)


def oriented(images: Tensor, orientation: int) -> Tensor:
    """Return ``(…, height, width)`` in one of eight orientations; 0 is as it is."""
    mirrored = images.flip(-1) if orientation >= 4 else images
    return mirrored.rot90(orientation % 4, (-2, -1))


def upright(images: Tensor, orientation: int) -> Tensor:
    """Undo :func:`oriented`."""
    turned = images.rot90(-orientation % 4, (-2, -1))
    return turned.flip(-1) if orientation >= 4 else turned
