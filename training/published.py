"""Published figures, to stand beside one's own. None of them was measured here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedRow:
    """PSNR in dB on studio-range luma at q = 10, 20, 30, 40."""

    method: str
    psnr: tuple[float, float, float, float]
    source: str


_ARCNN = "Dong et al., ICCV 2015, https://arxiv.org/abs/1504.06993"
_DNCNN = "Zhang et al., IEEE TIP 2017, https://arxiv.org/abs/1608.03981"
_FBCNN = "Jiang et al., ICCV 2021, https://arxiv.org/abs/2109.14573"
_QGAC = "Ehrlich et al., ECCV 2020, https://arxiv.org/abs/2004.09320"
_SWINIR = "Liang et al., ICCVW 2021, https://arxiv.org/abs/2108.10257"

PUBLISHED: dict[str, tuple[PublishedRow, ...]] = {
    "live1": (
        PublishedRow("SA-DCT", (28.86, 30.81, 32.08, 32.99), f"as given by {_DNCNN}"),
        PublishedRow("AR-CNN", (28.96, 31.29, 32.67, 33.63), _ARCNN),
        PublishedRow("DnCNN-3", (29.19, 31.59, 32.98, 33.96), _DNCNN),
        PublishedRow("QGAC", (29.51, 31.83, 33.20, 34.16), f"{_QGAC}, as given by {_FBCNN}"),
        PublishedRow("FBCNN", (29.75, 32.13, 33.54, 34.53), _FBCNN),
        PublishedRow("SwinIR", (29.86, 32.25, 33.69, 34.67), _SWINIR),
    ),
    "classic5": (
        PublishedRow("AR-CNN", (29.03, 31.15, 32.51, 33.32), _ARCNN),
        PublishedRow("DnCNN-3", (29.40, 31.63, 32.91, 33.77), _DNCNN),
        PublishedRow("FBCNN", (30.12, 32.31, 33.54, 34.35), _FBCNN),
    ),
}
"""By the name of the test set's folder."""
