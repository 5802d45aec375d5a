"""How one plane of a stack is restored, as it is sent to the processes that do it."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike, NDArray

from argan_plugin.arrays import Nonfinite
from argan_plugin.change_cache import ChangeCache
from argan_plugin.changes import apply_change, colour_change, luma_change
from argan_plugin.devices import Device
from argan_plugin.model import RestorationModel
from argan_plugin.tilewise import AnyModel, Grid


@dataclass(frozen=True)
class PlaneRecipe:
    """How to restore one plane, with the meaning of each field as in `restore`."""

    rgb: bool
    strength: float
    chroma: bool
    model: AnyModel | bytes
    """In another process than where it was open, pickled."""

    device: Device
    value_range: tuple[float, float] | None
    nonfinite: Nonfinite
    tile_size: int | None
    changes: ChangeCache | None
    steps: ArrayLike | None = None
    grid: Grid = None

    def __getstate__(self) -> dict[str, Any]:
        # A dask worker unpickles tasks outside of its threads, where a model would take all cores,
        # and for some tasks that it never runs.
        if not isinstance(self.model, RestorationModel):
            return self.__dict__
        return {**self.__dict__, "model": pickle.dumps(self.model)}

    @property
    def plane_ndim(self) -> int:
        """The number of axes of a plane."""
        return 3 if self.rgb else 2

    def restore(
        self,
        plane: NDArray[Any],
        *,
        key: tuple[int, ...],
        progress: Callable[[int, int], None] | None,
        cancel: threading.Event | None,
    ) -> NDArray[Any]:
        """Return the restored plane; `key` tells it from the others in the cache."""
        channel_axis = -1 if self.rgb else None
        change = None if self.changes is None else self.changes.get(key)
        if change is None:
            model = self.model
            find_change = colour_change if self.chroma else luma_change
            change = find_change(
                plane,
                model=pickle.loads(model) if isinstance(model, bytes) else model,
                device=self.device,
                channel_axis=channel_axis,
                value_range=self.value_range,
                nonfinite=self.nonfinite,
                steps=self.steps,
                grid=self.grid,
                tile_size=self.tile_size,
                progress=progress,
                cancel=cancel,
            )
            if self.changes is not None:
                self.changes.put(key, change)
        return apply_change(
            plane,
            change,
            strength=self.strength,
            channel_axis=channel_axis,
            value_range=self.value_range,
            nonfinite=self.nonfinite,
        )
