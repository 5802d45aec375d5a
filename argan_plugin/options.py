"""The options of `argan IN... -o OUT`, and its help.

Nothing here loads numpy, Pillow or ONNX Runtime, so that ``argan --help`` is answered at once.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any, get_args

from argan_plugin.devices import Device

SUFFIX_OF_FORMAT = {
    "png": ".png",
    "webp": ".webp",
    "tiff": ".tiff",
    "jxl": ".jxl",
    "jpeg": ".jpg",
    "avif": ".avif",
}

# Twice Pillow's MAX_IMAGE_PIXELS, which is where Pillow itself begins to refuse.
MAX_PIXELS = 178_956_970

_DETAILS = """\
examples:
  argan photo.jpg -o restored.png
  argan holiday scans/*.jpg -o restored/ --strength 0.7

outputs:
  One picture: OUT is a file, and its suffix says the format. OUT is a folder if it is one
  already, or ends with a slash.
  Several pictures, or a folder: OUT is a folder, and a folder's tree is mirrored in it. Of
  several inputs each folder gets a folder of its own name. PNG, TIFF and WebP files keep
  their suffix, all others become PNG, so that JPEG adds no new loss; --format changes that.
  PNG, TIFF, WebP and JPEG XL (with pillow-jxl-plugin) are written without loss, JPEG and AVIF
  with --quality and full chroma (4:4:4). EXIF, colour profile, XMP, resolution and comments
  are kept as far as the format can, and the dates of the files with --keep-times.
  An output appears whole or not at all, and an input is never overwritten.

what is left alone:
  If OUT is a folder, pictures that need nothing get no output, and a line says so: those that
  `argan info` does not call worthwhile. --skip-above-quality sets another limit than it has, and
  --all restores every picture. If OUT is a file, the picture is restored, whatever it is.

resuming:
  Start a long run with --resume, and after a stop or a change start it again in the same way.
  It keeps a list of its outputs in OUT (.argan-resume.jsonl) and does what is missing, and
  what it wrote itself from a source that has changed since, or with another model or other
  settings. An output that is not on the list, or that somebody has changed, is left alone:
  as up to date if it is no older than its source, otherwise as one that exists already. With
  --overwrite these are replaced, too, and only what is up to date by the list is skipped.

clusters:
  --dask gives the files to a cluster that exists (`dask scheduler`, and `dask worker ADDRESS` on
  each machine; pip install "argan-plugin[scale]"). All workers need this version of argan, and
  the same files under the same paths. Each opens the model once. A file that fails is tried
  again, on another worker if one dies. With --resume the list is written by this command, when
  a worker has reported.

OME-Zarr:
  argan IN.ome.zarr -o OUT.ome.zarr restores one image (pip install "argan-plugin[scale]"). The
  levels of the pyramid are made anew from the restored largest one, labels are copied. Until
  it is whole it is called OUT.ome.zarr.unfinished; run again, the command goes on.

pictures:
  JPEG, PNG, WebP, TIFF, BMP, AVIF, and GIF if it is named itself: grey, RGB, palettes (which
  become RGB), with or without transparency, and CMYK, of 8 bits; grey and RGB of 16 bits. JPEG
  and TIFF keep CMYK, for others it becomes RGB. Pages go into TIFF, animations into PNG, WebP
  or TIFF, frame by frame. Black-and-white pictures are skipped. Of an MPO file the photo
  itself is taken.

exit codes:
  0    all done
  1    a picture failed, or its output existed already; the others are done
  2    wrong usage; nothing was done
  130  stopped by Ctrl-C; what was done is whole

other commands:
  argan info FILE...           tell how strongly pictures were compressed, and whether to restore
  argan model                  list the installed models
  argan model copy NAME DEST   write a model's ONNX file, for another runtime
  (If a picture is called "info" or "model", write ./info or ./model.)
"""


def restore_parser() -> argparse.ArgumentParser:
    """Return what parses the arguments."""
    parser = argparse.ArgumentParser(
        prog="argan",
        usage="%(prog)s IN... -o OUT [options]",
        description="Remove JPEG artifacts from pictures.",
        epilog=_DETAILS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("inputs", nargs="+", metavar="IN", help="pictures, and folders of pictures")
    add("-o", "--output", required=True, metavar="OUT", help="the file or folder to write")
    add(
        "--strength",
        type=_number(float, 0, 1),
        default=1.0,
        metavar="S",
        help="how much of the correction to apply, from 0 (none) to 1 (all, the default)",
    )
    add("--chroma", action="store_true", help="reduce blocks and bleeding of colour, too")
    add(
        "--consistent",
        action="store_true",
        help="keep luma to what the JPEG file says of its original (needs pyjpegio)",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--skip-above-quality",
        type=_number(int, 1, 100),
        metavar="Q",
        help="leave pictures alone that neither file nor pixels show to be JPEG of quality Q or "
        "less; told below",
    )
    which.add_argument("--all", action="store_true", help="leave no picture alone")
    add("--model", metavar="NAME|PATH", help="an installed model, or an ONNX file of this project")
    add(
        "--device",
        choices=get_args(Device),
        default="auto",
        help="where to run; auto takes cuda if it works, then openvino if it is installed, then "
        "cpu; the others fail where they cannot be had",
    )
    add(
        "--tile-size",
        type=_number(int, 1),
        metavar="N",
        help="side of a tile in pixels; smaller needs less memory and more time",
    )
    add(
        "--format",
        choices=tuple(SUFFIX_OF_FORMAT),
        help="what all pictures in an output folder become",
    )
    add(
        "--quality",
        type=_number(int, 1, 100),
        default=95,
        metavar="N",
        help="of JPEG and AVIF outputs, from 1 to 100 (default: 95)",
    )
    add("--keep-times", action="store_true", help="give outputs the dates of their inputs")
    add("--overwrite", action="store_true", help="replace outputs that exist already")
    add("--resume", action="store_true", help="do what is missing or stale, as told below")
    add(
        "--accept-truncated",
        action="store_true",
        help="restore what is there of files that are cut off or damaged",
    )
    add(
        "--max-pixels",
        type=_number(int, 1),
        default=MAX_PIXELS,
        metavar="N",
        help=f"refuse larger pictures, which may be decompression bombs (default: {MAX_PIXELS})",
    )
    add(
        "--dask",
        metavar="ADDRESS",
        help="hand the files to the workers of a dask cluster, as tcp://host:8786; see below",
    )
    add("--quiet", action="store_true", help="say nothing but what went wrong")
    add("--version", action=_PrintVersion, nargs=0, help="print the version and exit")
    return parser


class _PrintVersion(argparse.Action):
    """Look the version up only when it is asked for: that takes a tenth of a second."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from argan_plugin import __version__

        sys.stdout.write(f"argan {__version__}\n")
        parser.exit()


def _number(kind: type[float], lowest: float, highest: float = float("inf")) -> Any:
    """Return a type for argparse: a number from `lowest` to `highest`."""

    def parse(text: str) -> float:
        number = kind(text)
        if not lowest <= number <= highest:  # NaN is not, either
            upper = f" to {highest}" if highest < float("inf") else " or more"
            raise argparse.ArgumentTypeError(f"expected {lowest}{upper}, got {text}")
        return number

    parse.__name__ = "whole number" if kind is int else "number"  # argparse: "invalid ... value"
    return parse
