"""Charts as matplotlib draws them: axes, numbers, thin lines, even areas."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from training.pages import letters

Luma = NDArray[np.uint8]

# Half of them as matplotlib draws them when nobody says how.
_STYLES = ("default", "bmh", "classic", "dark_background", "fivethirtyeight", "ggplot", "grayscale")
_DEFAULT_SHARE = 0.5
_DOTS_PER_INCH = (60, 160)
_LARGEST = 1.6  # times what is cut out of it
_MOST_SERIES = 5
_WIDTHS = (0.5, 3.0)  # points
_DASHES = ("-", "-", "--", ":", "-.")
_MARKERS = (None, None, "o", "x", "s", "^", "+")
_MAPS = ("viridis", "gray", "coolwarm", "Blues")


def chart(shape: tuple[int, ...], rng: np.random.Generator) -> Luma:
    """Return a place of a chart: of curves, points, columns, a matrix, contours or a pie.

    Parameters
    ----------
    shape
        ``(height, width)``.
    rng
        Decides everything.

    Returns
    -------
    ndarray
        uint8 ``(height, width)``.
    """
    height, width = shape
    larger = rng.uniform(1, _LARGEST)
    whole = round(width * larger), round(height * larger)
    dpi = rng.uniform(*_DOTS_PER_INCH)
    style = "default" if rng.random() < _DEFAULT_SHARE else str(rng.choice(_STYLES))
    with matplotlib.style.context(style):
        figure = Figure(figsize=((whole[0] + 0.5) / dpi, (whole[1] + 0.5) / dpi), dpi=dpi)
        axes = figure.add_subplot()
        _KINDS[rng.integers(len(_KINDS))](axes, rng)
        _describe(axes, rng)
        canvas = FigureCanvasAgg(figure)
        # matplotlib gives these two no types.
        canvas.draw()  # type: ignore[no-untyped-call]
        pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    luma = np.asarray(Image.fromarray(pixels).convert("L"))
    top = int(rng.integers(luma.shape[0] - height + 1))
    left = int(rng.integers(luma.shape[1] - width + 1))
    return np.ascontiguousarray(luma[top : top + height, left : left + width])


def _describe(axes: Axes, rng: np.random.Generator) -> None:
    axes.set_title(letters(int(rng.integers(4, 24)), rng))
    axes.set_xlabel(letters(int(rng.integers(2, 16)), rng))
    axes.set_ylabel(letters(int(rng.integers(2, 16)), rng))
    if rng.random() < 0.4:
        axes.grid()
    if rng.random() < 0.4 and axes.get_legend_handles_labels()[0]:
        axes.legend()


def _curves(axes: Axes, rng: np.random.Generator) -> None:
    """Draw walks by chance or sums of waves, some filled below."""
    number = int(rng.integers(8, 120))
    x = np.linspace(0, 10 ** rng.uniform(-2, 3), number)
    for _ in range(int(rng.integers(1, _MOST_SERIES + 1))):
        if rng.random() < 0.5:
            y = np.cumsum(rng.normal(size=number))
        else:
            order = np.arange(1, 6)[:, None]
            phases = order * np.linspace(0, np.pi, number) + rng.uniform(0, 6, order.shape)
            y = (rng.normal(size=order.shape) / order * np.cos(phases)).sum(axis=0)
        axes.plot(
            x,
            y,
            linestyle=_DASHES[rng.integers(len(_DASHES))],
            marker=_MARKERS[rng.integers(len(_MARKERS))],
            linewidth=rng.uniform(*_WIDTHS),
            label=letters(int(rng.integers(2, 8)), rng),
        )
        if rng.random() < 0.15:
            axes.fill_between(x, y, alpha=rng.uniform(0.1, 0.6))


def _points(axes: Axes, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(1, _MOST_SERIES + 1))):
        x, y = rng.normal(size=(2, int(rng.integers(5, 80))))
        axes.scatter(x, y, s=rng.uniform(4, 60), alpha=rng.uniform(0.4, 1))


def _columns(axes: Axes, rng: np.random.Generator) -> None:
    number = int(rng.integers(2, 20))
    draw = axes.bar if rng.random() < 0.7 else axes.barh
    edge = "black" if rng.random() < 0.3 else None
    colour = f"C{rng.integers(10)}"
    draw(np.arange(number), rng.random(number), rng.uniform(0.3, 1), color=colour, edgecolor=edge)


def _matrix(axes: Axes, rng: np.random.Generator) -> None:
    axes.imshow(rng.random(rng.integers(2, 24, size=2)), cmap=str(rng.choice(_MAPS)), aspect="auto")


def _contours(axes: Axes, rng: np.random.Generator) -> None:
    draw = axes.contour if rng.random() < 0.6 else axes.contourf
    values = rng.random(rng.integers(4, 12, size=2))
    draw(values, levels=int(rng.integers(3, 12)), cmap=str(rng.choice(_MAPS)))


def _pie(axes: Axes, rng: np.random.Generator) -> None:
    parts = rng.uniform(0.1, 1, int(rng.integers(2, 8)))
    axes.pie(parts, labels=[letters(4, rng) for _ in parts])


_KINDS: tuple[Callable[[Axes, np.random.Generator], None], ...] = (
    _curves,
    _curves,
    _curves,
    _points,
    _columns,
    _matrix,
    _contours,
    _pie,
)
