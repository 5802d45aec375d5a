"""What a window of a picture needs: the network's change of luma, and another's of chroma."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argan_plugin import arrays, color, dct
from argan_plugin.arrays import ValueRange
from argan_plugin.blocks import Blocks
from argan_plugin.chroma import chroma_change, chroma_info, planes_of
from argan_plugin.declipping import cut_off
from argan_plugin.errors import ModelError
from argan_plugin.gaps import fill_gaps, find_gaps, gap_halo
from argan_plugin.model import RestorationModel
from argan_plugin.model_info import ModelInfo
from argan_plugin.plausible import plausible_change
from argan_plugin.strips import strips
from argan_plugin.weights import CHROMA


def step_of(model: ModelInfo, *, chroma: bool) -> int:
    """Return what a window must begin at a multiple of; arguments as in `halo_of`."""
    return math.lcm(model.size_multiple, chroma_info().size_multiple if chroma else 1)


def halo_of(model: ModelInfo, *, chroma: bool, gaps: bool, step: int | None = None) -> int:
    """Return how many pixels around its own the result of a model's `Correction` looks at.

    Parameters
    ----------
    model : ModelInfo
        Of the network of luma.
    chroma, gaps : bool
        As in `Correction`.
    step : int, optional
        What each of its parts is a multiple of; by default that of `step_of`.

    Returns
    -------
    int
        A multiple of `step`.
    """
    step = step or step_of(model, chroma=chroma)
    network = max(model.halo, chroma_info().halo if chroma else 0)
    looks = network, gap_halo(step) if gaps else 0
    return sum(math.ceil(pixels / step) * step for pixels in looks)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Seen:
    """What there is to know of a window before the network runs."""

    gaps: NDArray[np.bool_] | None
    """Where values are NaN or infinite."""

    colours: NDArray[np.float32] | None
    """If chroma or gaps need them."""

    luma: NDArray[np.float32]
    """Of the window, black at 0 and white at 1."""

    beyond: NDArray[np.float32] | None
    """What the file's decoder cut off of it, if anything."""

    whole: NDArray[np.float32]
    """Both together: what the network gets."""

    def chroma(self) -> NDArray[np.float32]:
        """Return Cb and Cr of the colours, which must be there."""
        assert self.colours is not None
        return color.chroma(self.colours, self.luma)


class Correction:
    """A function of a window of the picture, with the context that it looks at.

    Parameters
    ----------
    network : RestorationModel
        Restores luma.
    limits : ValueRange
        What is black and white in the windows.
    chroma : bool
        Whether chroma is restored, too; the windows have colours then.
    gaps : bool
        Whether windows may hold NaN and infinity, which are filled and come back.
    blocks : Blocks, optional
        Of the compression, if there is one. Windows begin at the corner of a block. What
        steps do: see `cut_off` and `plausible_change`.
    cancel : threading.Event, optional
        As in `restore`.

    Raises
    ------
    ModelError
        If `network` does not restore luma, or no network of chroma is shipped.
    """

    size_multiple: int
    """Windows begin at multiples of it."""

    halo: int
    """How many pixels around its own a result looks at, a multiple of `size_multiple`."""

    blocks: Blocks
    """Where the picture's first whole block lies: windows begin at multiples from there."""

    def __init__(
        self,
        network: RestorationModel,
        limits: ValueRange,
        *,
        chroma: bool,
        gaps: bool,
        blocks: Blocks | None = None,
        cancel: threading.Event | None,
    ) -> None:
        if network.info.planes != 1:
            raise ModelError(
                f"{network.path}: this model restores chroma, beside one that restores luma. Give "
                "a model of luma, and chroma=True."
            )
        self._network, self._limits, self._cancel = network, limits, cancel
        self._of_chroma = network.beside(CHROMA) if chroma else None
        self.blocks = Blocks() if blocks is None else blocks
        # Windows of whole blocks, if it matters where they lie.
        block = dct.BLOCK if self.blocks.matter else 1
        self.size_multiple = math.lcm(step_of(network.info, chroma=chroma), block)
        self.halo = halo_of(network.info, chroma=chroma, gaps=gaps, step=self.size_multiple)

    def __call__(self, window: NDArray[Any]) -> NDArray[np.float32]:
        """Return the change of a window, 1 being the step from black to white.

        Parameters
        ----------
        window : array of shape (height, width) or (height, width, 3)

        Returns
        -------
        float32 array
            Of luma with the shape (height, width), or with chroma of R, G and B (height, width, 3).
        """
        (change,) = self.changes([window])
        return change

    def changes(self, windows: list[NDArray[Any]]) -> list[NDArray[np.float32]]:
        """Return the changes of windows of one shape.

        Each network runs once for all of them.
        """
        prepared = [self._prepared(window) for window in windows]
        restored = self._run(self._network, [seen.whole[np.newaxis] for seen in prepared])
        colours: Sequence[NDArray[np.float32] | None] = [None] * len(prepared)
        if self._of_chroma is not None:
            planes = [planes_of(seen.luma, seen.chroma()) for seen in prepared]
            after = self._run(self._of_chroma, planes)
            colours = [chroma_change(*pair) for pair in zip(planes, after, strict=True)]
        return [
            self._change(seen, luma[0], colour)
            for seen, luma, colour in zip(prepared, restored, colours, strict=True)
        ]

    def images_at_once(self, height: int, width: int) -> int:
        """Return how many windows of a size `changes` should get; see `RestorationModel`."""
        networks = self._networks()
        fitting = min(network.images_at_once(height, width) for network in networks)
        return max(1, fitting // len(networks))  # they share a GPU's memory

    def release_memory(self) -> None:
        """Give back what the sessions hold; see `RestorationModel`."""
        for network in self._networks():
            network.release_memory()

    def _networks(self) -> list[RestorationModel]:
        return [self._network] + ([] if self._of_chroma is None else [self._of_chroma])

    def _run(
        self, network: RestorationModel, images: list[NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """Return what a network makes of images of one shape, (planes, height, width) each."""
        batch = images[0][np.newaxis] if len(images) == 1 else np.stack(images)
        return network.run(np.ascontiguousarray(batch), cancel=self._cancel)

    def _prepared(self, window: NDArray[Any]) -> _Seen:
        """Return what there is to know of a window before the network runs."""
        gaps = find_gaps(window)
        colours = None
        if gaps is None and self._of_chroma is None:
            luma = unit_luma(window, self._limits)
        else:  # these look at neighbours
            colours = arrays.to_unit(window, self._limits)
            if gaps is not None:
                colours = fill_gaps(colours, gaps)
            luma = _luma(colours)
        steps = self.blocks.steps
        beyond = None if steps is None else cut_off(luma, steps, doubtful=self.blocks.doubtful)
        whole = luma if beyond is None else luma + beyond
        return _Seen(gaps=gaps, colours=colours, luma=luma, beyond=beyond, whole=whole)

    def _change(
        self,
        seen: _Seen,
        restored: NDArray[np.float32],
        chroma: NDArray[np.float32] | None,
    ) -> NDArray[np.float32]:
        """Return a window's change, given its restored luma and the change of its chroma."""
        # In memory that is at hand: new pages would take longer than what is computed in them.
        change = np.subtract(restored, seen.whole, out=seen.whole)
        steps = self.blocks.steps
        if steps is not None and self.blocks.bounding:
            change = plausible_change(change, steps, out=change)
        if seen.beyond is not None:
            change += seen.beyond
        if chroma is not None:
            change = color.rgb_change(change, chroma)
        if seen.gaps is not None:
            change[seen.gaps] = 0
        return change


def applied(
    pixels: NDArray[Any],
    change: NDArray[np.float32],
    limits: ValueRange,
    strength: float,
    *,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Return the pixels with a change applied, in their own dtype.

    Parameters
    ----------
    pixels : array of shape (height, width) or (height, width, 3)
    change : float32 array of shape (height, width) or that of `pixels`
        From a `Correction`.
    limits : ValueRange
        What is black and white.
    strength : float
        How much of the change to apply.
    out : array of the shape and dtype of `pixels`, optional
        Where to put them; may be `pixels`. By default a new array.
    """
    result = np.empty(pixels.shape, pixels.dtype) if out is None else out
    for strip in strips(*pixels.shape[:2]):
        _apply_to_strip(pixels[strip], change[strip], limits, strength, result[strip])
    return result


def _apply_to_strip(
    pixels: NDArray[Any],
    change: NDArray[np.float32],
    limits: ValueRange,
    strength: float,
    out: NDArray[Any],
) -> None:
    with np.errstate(invalid="ignore"):  # signalling NaN, of which each bit comes back below
        values = arrays.as_floats(pixels)
        scaled = change * values.dtype.type(strength * limits.span)
        if values.ndim > scaled.ndim:
            color.add_luma_change(values, scaled)
        else:
            values += scaled
        gaps = find_gaps(pixels)
        kept = None if gaps is None else pixels[gaps]
        arrays.limit_and_round(values, pixels, limits, out=out)
    if gaps is not None:
        out[gaps] = kept


def unit_luma(window: NDArray[Any], limits: ValueRange) -> NDArray[np.float32]:
    """Return the luma of a window as float32, black at 0 and white at 1."""
    luma = np.empty(window.shape[:2], np.float32)
    for strip in strips(*window.shape[:2]):
        luma[strip] = _luma(arrays.to_unit(window[strip], limits))
    return luma


def _luma(unit: NDArray[np.float32]) -> NDArray[np.float32]:
    return color.luma(unit) if unit.ndim == 3 else unit
