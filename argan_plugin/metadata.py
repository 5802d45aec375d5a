"""What a picture file holds beside its pixels, from any format to any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import ExifTags, Image, PngImagePlugin

# The tags of a TIFF's or a photo's first directory that say nothing of the file's own layout.
_DESCRIPTIVE_TAGS = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
)
_EXIF_HEADER = b"Exif\0\0"
_XMP_TAG = 700
_PNG_XMP_KEY = "XML:com.adobe.xmp"


@dataclass(frozen=True, kw_only=True, slots=True)
class Metadata:
    """The metadata of one picture; empty or None means that there is none."""

    exif: bytes = b""
    """EXIF data behind the six bytes that it begins with in a JPEG file."""

    icc_profile: bytes = b""
    """The colour profile."""

    xmp: bytes = b""
    """An XMP packet: XML in UTF-8."""

    dpi: tuple[float, float] | None = None
    """Pixels per inch, across and down, above 0 and below 65536."""

    comment: bytes = b""
    """A JPEG file's comment."""

    text: Mapping[str, str] = field(default_factory=dict)
    """A PNG file's texts by keyword, without XMP."""


def read_metadata(image: Image.Image, *, tiff_exif: bytes) -> Metadata:
    """Take the metadata from a picture that Pillow has opened and loaded.

    Parameters
    ----------
    image : PIL.Image.Image
        Loaded, because a PNG file's metadata can lie behind its pixels.
    tiff_exif : bytes
        What `descriptive_exif` returned before loading, if this is a TIFF file; else empty.
    """
    info = image.info
    text = getattr(image, "text", {})
    return Metadata(
        exif=tiff_exif or _with_header(_bytes(info.get("exif"))),
        icc_profile=_bytes(info.get("icc_profile")),
        xmp=_bytes(info.get("xmp")),
        dpi=_sane_dpi(info.get("dpi")),
        comment=_bytes(info.get("comment")),
        text={str(key): str(text[key]) for key in text if key != _PNG_XMP_KEY},
    )


def save_options(pillow_format: str, metadata: Metadata) -> dict[str, Any]:
    """Return the keywords with which Pillow's `Image.save` writes metadata, as far as they can be.

    JPEG, PNG and TIFF hold the resolution, the others do not; a comment goes into JPEG and PNG, and
    the texts of a PNG file into PNG alone. AVIF takes EXIF data if they are not damaged, TIFF the
    descriptive part of them: the rest would contradict the file's own tags.

    Parameters
    ----------
    pillow_format : str
        ``"AVIF"``, ``"JPEG"``, ``"JXL"``, ``"PNG"``, ``"WEBP"`` or ``"TIFF"``.
    metadata : Metadata
        What to write.
    """
    options: dict[str, Any] = {"exif": metadata.exif, "icc_profile": metadata.icc_profile}
    if metadata.dpi is not None:
        options["dpi"] = metadata.dpi
    if pillow_format == "PNG":
        options["pnginfo"] = _png_texts(metadata)
    elif pillow_format == "TIFF":
        exif = _parsed(metadata.exif)
        options["exif"] = descriptive_exif(exif, orientation=True, xmp=metadata.xmp)
    else:
        options["xmp"] = metadata.xmp
    if pillow_format == "AVIF" and not len(_parsed(metadata.exif)):
        options["exif"] = b""  # Pillow looks into them, for AVIF has an orientation of its own
    if pillow_format == "JPEG":
        options["comment"] = metadata.comment
    return options


def descriptive_exif(exif: Image.Exif, *, orientation: bool = False, xmp: bytes = b"") -> bytes:
    """Return the part of EXIF data that says nothing of the layout of the file it came from.

    Parameters
    ----------
    exif : PIL.Image.Exif
        Of a TIFF file that is still open, or of a photo.
    orientation : bool
        Whether to keep the orientation: not from a TIFF file, whose pixels Pillow turns itself.
    xmp : bytes
        An XMP packet to add, for TIFF keeps it as a tag.

    Returns
    -------
    bytes
        Empty if nothing is left.
    """
    kept = Image.Exif()
    tags = _DESCRIPTIVE_TAGS + ((ExifTags.Base.Orientation,) if orientation else ())
    for tag in tags:
        if tag in exif:
            kept[tag] = exif[tag]
    if xmp:
        kept[_XMP_TAG] = xmp
    for group in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        entries = dict(exif.get_ifd(group))
        entries.pop(ExifTags.IFD.Interop, None)  # the place of a directory in the old file
        if entries:
            kept[group] = entries
    return kept.tobytes() if len(kept) else b""


def _parsed(data: bytes) -> Image.Exif:
    """Return EXIF data as Pillow understands it, nothing if it is damaged."""
    exif = Image.Exif()
    try:
        exif.load(data)
        dict(exif)
        exif.get_ifd(ExifTags.IFD.Exif)
        exif.get_ifd(ExifTags.IFD.GPSInfo)
    except Exception:  # Pillow raises nearly anything at damaged data
        return Image.Exif()
    return exif


def _png_texts(metadata: Metadata) -> PngImagePlugin.PngInfo:
    texts = PngImagePlugin.PngInfo()
    if metadata.comment:
        try:
            comment = metadata.comment.decode()
        except UnicodeDecodeError:
            comment = metadata.comment.decode("latin-1")  # which takes any bytes
        texts.add_text("Comment", comment)
    for key, value in metadata.text.items():
        texts.add_text(key, value)
    if metadata.xmp:
        texts.add_itxt(_PNG_XMP_KEY, metadata.xmp.decode("utf-8", "replace"))
    return texts


def _with_header(exif: bytes) -> bytes:
    """Return EXIF data as Pillow's writers take it; its WebP reader leaves the header out."""
    return _EXIF_HEADER + exif if exif and not exif.startswith(_EXIF_HEADER) else exif


def _bytes(value: object) -> bytes:
    """Return metadata that is what it should be, and nothing for what a damaged file has there."""
    return value if isinstance(value, bytes) else b""


def _sane_dpi(dpi: Any) -> tuple[float, float] | None:
    """Return a resolution that every format can hold; damaged files state 0, infinity or NaN."""
    if dpi is None:
        return None
    try:
        across, down = (float(value) for value in dpi)
    except ZeroDivisionError:  # 1/0 in a TIFF file; seen with Pillow 11.3
        return None
    return (across, down) if 0 < across < 65536 and 0 < down < 65536 else None
