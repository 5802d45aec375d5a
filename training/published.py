"""Published figures, to stand beside one's own. None of them was measured here."""

from __future__ import annotations

from dataclasses import dataclass

Figures = tuple[float, float, float, float]
"""At q = 10, 20, 30, 40."""


@dataclass(frozen=True, kw_only=True)
class PublishedRow:
    """Means over a test set, on studio-range luma."""

    method: str
    psnr: Figures
    """In dB."""
    ssim: Figures | None = None
    """With the Gaussian window."""
    psnr_b: Figures | None = None
    """In dB."""
    source: str

    @property
    def kflop_per_pixel(self) -> float | None:
        """Cost counted from the layers that the paper names; a multiply-add is two operations."""
        return _KFLOP_PER_PIXEL.get(self.method)

    def figures(self, metric: str) -> Figures | None:
        """Return those of a metric of :data:`training.evaluate.METRICS`, if they are known."""
        return {"psnr": self.psnr, "ssim": self.ssim, "psnr-b": self.psnr_b}.get(metric)


_ARCNN = "Dong et al., ICCV 2015, https://arxiv.org/abs/1504.06993"
_DNCNN = "Zhang et al., IEEE TIP 2017, https://arxiv.org/abs/1608.03981"
_FBCNN = "Jiang et al., ICCV 2021, https://arxiv.org/abs/2109.14573"
_QGAC = "Ehrlich et al., ECCV 2020, https://arxiv.org/abs/2004.09320"
_SWINIR = "Liang et al., ICCVW 2021, https://arxiv.org/abs/2108.10257"

_KFLOP_PER_PIXEL = {"AR-CNN": 213, "DnCNN-3": 1_329, "FBCNN": 5_400}  # the last: about

PUBLISHED: dict[str, tuple[PublishedRow, ...]] = {
    "live1": (
        PublishedRow(
            method="SA-DCT", psnr=(28.86, 30.81, 32.08, 32.99), source=f"as given by {_DNCNN}"
        ),
        PublishedRow(
            method="AR-CNN",
            psnr=(28.96, 31.29, 32.67, 33.63),
            ssim=(0.8076, 0.8733, 0.9043, 0.9198),
            psnr_b=(28.68, 30.76, 32.14, 33.11),
            source=f"{_ARCNN}; SSIM and PSNR-B as given by {_FBCNN}",
        ),
        PublishedRow(
            method="DnCNN-3",
            psnr=(29.19, 31.59, 32.98, 33.96),
            ssim=(0.8123, 0.8802, 0.9090, 0.9247),
            psnr_b=(28.90, 31.07, 32.34, 33.28),
            source=f"{_DNCNN}; PSNR-B as given by {_FBCNN}",
        ),
        PublishedRow(
            method="QGAC",
            psnr=(29.51, 31.83, 33.20, 34.16),
            ssim=(0.825, 0.888, 0.914, 0.929),
            source=f"{_QGAC}, as given by {_FBCNN}",
        ),
        PublishedRow(
            method="FBCNN",
            psnr=(29.75, 32.13, 33.54, 34.53),
            ssim=(0.827, 0.889, 0.916, 0.931),
            psnr_b=(29.40, 31.57, 32.83, 33.74),
            source=_FBCNN,
        ),
        PublishedRow(
            method="SwinIR",
            psnr=(29.86, 32.25, 33.69, 34.67),
            ssim=(0.8287, 0.8909, 0.9174, 0.9317),
            source=_SWINIR,
        ),
    ),
    "classic5": (
        PublishedRow(method="AR-CNN", psnr=(29.03, 31.15, 32.51, 33.32), source=_ARCNN),
        PublishedRow(method="DnCNN-3", psnr=(29.40, 31.63, 32.91, 33.77), source=_DNCNN),
        PublishedRow(method="FBCNN", psnr=(30.12, 32.31, 33.54, 34.35), source=_FBCNN),
    ),
}
"""By :func:`training.evaluate.name_of_set`."""
