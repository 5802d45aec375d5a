"""Image quality against the original, on 8-bit luma."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, uniform_filter
from skimage.metrics import structural_similarity

Luma = NDArray[np.uint8]

_PEAK = 255.0
_COARSE = 0.7  # pixels: what a Gaussian of this sigma keeps does not count as detail


def psnr(image: Luma, reference: Luma) -> float:
    """Return the peak signal-to-noise ratio in dB; inf for equal images.

    Parameters
    ----------
    image, reference
        uint8 ``(height, width)``.
    """
    return _decibels(_mean_squared_error(image, reference))


def ssim(image: Luma, reference: Luma) -> float:
    """Return the structural similarity with a Gaussian window of 11x11 pixels, sigma 1.5.

    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE
    Transactions on Image Processing 13(4), 2004; what most tables of the field hold. Sides of at
    least 11 pixels.
    """
    value = structural_similarity(
        image,
        reference,
        data_range=_PEAK,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(value)


def ssim_uniform(image: Luma, reference: Luma) -> float:
    """Return the structural similarity with a uniform window of 8x8 pixels.

    The older scale, of the SA-DCT and AR-CNN tables; about 0.02 above :func:`ssim` on low-quality
    JPEG. scikit-image has odd windows alone. Sides of at least 8 pixels.
    """
    x, y = image.astype(np.float64), reference.astype(np.float64)
    c1, c2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        inside = tuple(slice(4, size - 3) for size in values.shape)  # windows that fit in
        filtered: NDArray[np.float64] = uniform_filter(values, 8)[inside]
        return filtered

    mean_x, mean_y = mean(x), mean(y)
    # MATLAB's ssim_index, which those tables come from, has population (co)variances
    variance_x, variance_y = mean(x * x) - mean_x**2, mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    likeness = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    scale = (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    return float(np.mean(likeness / scale))


def psnr_b(image: Luma, reference: Luma, block: int = 8) -> float:
    """Return PSNR-B in dB: the error grows by how much blocks stand out in ``image``.

    Yim and Bovik, "Quality assessment of deblocked images", IEEE Transactions on Image Processing
    20(1), 2011, equations 5 to 11. Both axes of ``image`` count.
    """
    error = _mean_squared_error(image, reference) + _blocking_effect(
        image.astype(np.float64), block
    )
    return _decibels(error)


def ssimulacra2(image: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """Return the SSIMULACRA2 score: 90 is near visually lossless, 50 is medium, below 0 is awful.

    https://github.com/cloudinary/ssimulacra2, by the package ``ssimulacra2``.

    Parameters
    ----------
    image, reference
        uint8, luma ``(height, width)``, which counts as a grey sRGB picture, or sRGB
        ``(height, width, 3)``.
    """
    # takes a second to import
    from ssimulacra2 import compute_ssimulacra2

    return float(compute_ssimulacra2(_png(reference), _png(image)))


def detail(image: Luma, reference: Luma) -> float:
    """Return the power of what is finer than 0.7 pixels, as a share of the reference's.

    Below 1 the image is smoother, whether or not what is there is what was there. NaN where the
    reference has none.

    Parameters
    ----------
    image, reference
        uint8 ``(height, width)``.
    """
    power, whole = (
        np.mean((values - gaussian_filter(values, _COARSE)) ** 2)
        for values in (image.astype(np.float64), reference.astype(np.float64))
    )
    return float(power / whole) if whole else float("nan")


def _png(image: NDArray[np.uint8]) -> io.BytesIO:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", compress_level=0)
    return file


def _mean_squared_error(image: Luma, reference: Luma) -> float:
    if image.shape != reference.shape:
        raise ValueError(f"expected images of one shape, got {image.shape} and {reference.shape}")
    return float(np.mean((image.astype(np.float64) - reference) ** 2))


def _decibels(mean_squared_error: float) -> float:
    if mean_squared_error == 0:
        return float("inf")
    return float(10 * np.log10(_PEAK**2 / mean_squared_error))


def _blocking_effect(image: NDArray[np.float64], block: int) -> float:
    at_borders, elsewhere = [], []
    for axis in (0, 1):
        steps = np.diff(image, axis=axis) ** 2
        is_border = np.arange(1, image.shape[axis]) % block == 0
        at_borders.append(np.compress(is_border, steps, axis=axis).ravel())
        elsewhere.append(np.compress(~is_border, steps, axis=axis).ravel())
    borders, inside = np.concatenate(at_borders), np.concatenate(elsewhere)
    if borders.size == 0 or borders.mean() <= inside.mean():
        return 0.0
    weight = np.log2(block) / np.log2(min(image.shape))
    return float(weight * (borders.mean() - inside.mean()))
