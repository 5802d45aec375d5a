"""Restores in processes that are started while a session is open; `tests.test_processes` runs it.

``python -m tests.started_processes loader|dask fork|spawn MODEL``, in a process of its own:
pytest's has threads of Qt, dask and OpenVINO by then, and a fork of those can wait for ever for a
lock that one of them held.
"""

from __future__ import annotations

import sys

import dask
import dask.array as da
import numpy as np
import torch
from numpy.typing import NDArray

from argan_plugin import RestorationModel, restore
from argan_plugin.stacks import restore_lazy, restore_stack


class _Restored(torch.utils.data.Dataset[NDArray[np.uint8]]):
    """Pictures that are restored where they are loaded."""

    def __init__(self, pictures: NDArray[np.uint8], model: RestorationModel) -> None:
        self.pictures, self.model = pictures, model

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        return restore(self.pictures[index], model=self.model)


def _by_loader(
    pictures: NDArray[np.uint8], model: RestorationModel, start: str
) -> NDArray[np.uint8]:
    loader = torch.utils.data.DataLoader(
        _Restored(pictures, model),
        batch_size=2,
        num_workers=2,
        multiprocessing_context=start,
        timeout=100,
    )
    restored: NDArray[np.uint8] = torch.cat(list(loader)).numpy()
    return restored


def _by_dask(pictures: NDArray[np.uint8], model: RestorationModel, start: str) -> NDArray[np.uint8]:
    lazy = restore_lazy(da.from_array(pictures), model=model, device="cpu")
    with dask.config.set({"multiprocessing.context": start}):
        restored: NDArray[np.uint8] = lazy.compute(scheduler="processes", num_workers=2)
    return restored


def main() -> None:
    """Compare with what this process restores itself, before and after."""
    kind, start, path = sys.argv[1:]
    model = RestorationModel(path, device="cpu")
    pictures = np.random.default_rng(3).integers(0, 256, (6, 70, 90), np.uint8)
    expected = restore_stack(pictures, model=model)
    by = {"loader": _by_loader, "dask": _by_dask}[kind]
    np.testing.assert_array_equal(by(pictures, model, start), expected)
    np.testing.assert_array_equal(restore_stack(pictures, model=model), expected)


if __name__ == "__main__":
    main()
