"""Which file becomes which, worked out and checked before the first of them is opened.

Only names and folders are looked at here; `restore_files` carries the plan out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from argan_plugin.formats import FORMAT_OF_SUFFIX, LOSSLESS, READABLE_SUFFIXES
from argan_plugin.ngff import is_zarr


@dataclass(frozen=True, slots=True)
class Job:
    """One picture to restore."""

    source: Path
    """The file to read."""

    target: Path
    """The file to write; it ends with a key of `FORMAT_OF_SUFFIX`, in lower or upper case."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run of the command has to do."""

    jobs: list[Job] = field(default_factory=list)
    """In the order of the inputs, the files of a folder by name."""

    skipped: list[tuple[Path, str]] = field(default_factory=list)
    """What a folder holds beside pictures, each with the reason why it is left alone."""

    failed: list[tuple[Path, str]] = field(default_factory=list)
    """Folders that cannot be looked into, each with the reason."""

    folder: Path | None = None
    """The output folder; None if one file becomes another."""


def plan_batch(inputs: Sequence[str], output: str, *, suffix: str | None = None) -> Plan:
    """Work out which file is read and which is written for each picture.

    One input file becomes the file `output`, or a file in it if it is a folder (it exists as one,
    or ends with a separator). With several inputs, or a folder, `output` is a folder: the one
    input folder's tree is mirrored in it; of several inputs each folder gets a folder of its own
    name.

    Parameters
    ----------
    inputs : sequence of str
        Files and folders. A file need not exist, nor end with a readable suffix.
    output : str
        The file or folder to write to.
    suffix : str, optional
        What the names in an output folder end with, a key of `FORMAT_OF_SUFFIX`. By default PNG,
        TIFF and WebP files keep their suffix and all others become ``.png``.

    Returns
    -------
    Plan
        No two jobs have the same target, and no target is the source of any job.

    Raises
    ------
    ValueError
        If there is no such plan; the message says what to change.
    """
    if len(inputs) == 1 and not _is_folder(Path(inputs[0])) and not _means_folder(output):
        if suffix is not None:
            raise ValueError(
                f"a format is only for an output folder; the suffix of {output} says it already"
            )
        plan = Plan(jobs=[Job(Path(inputs[0]), Path(output))])
        _check_suffix(output)
    else:
        plan = _plan_folder(inputs, output, suffix)
        if not plan.jobs and not plan.failed:
            raise ValueError(f"there is no picture in {', '.join(inputs)}")
    _check_targets(plan.jobs)
    return plan


def file_identity(path: Path) -> tuple[int, int] | None:
    """Return the device and number of a file or folder, which all of its names share.

    None if it is not there or not to be reached: reading or writing will say so.
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _means_folder(output: str) -> bool:
    return _is_folder(Path(output)) or output.endswith((os.sep, os.altsep or os.sep))


def _is_folder(path: Path) -> bool:
    """Tell as `Path.is_dir` does, yet without an error for what cannot be reached or cannot be."""
    return os.path.isdir(path)  # noqa: PTH112


def _check_suffix(output: str) -> None:
    if Path(output).suffix.lower() not in FORMAT_OF_SUFFIX:
        raise ValueError(
            f"the output {output} must end with one of {', '.join(FORMAT_OF_SUFFIX)}, "
            f"or with {os.sep} if it is to be a folder"
        )


def _plan_folder(inputs: Sequence[str], output: str, suffix: str | None) -> Plan:
    folder = Path(output)
    exists = os.path.lexists(folder)
    if exists and not _is_folder(folder):
        raise ValueError(f"several pictures need a folder as output, but {output} is a file")
    if not exists and folder.suffix.lower() in FORMAT_OF_SUFFIX:
        raise ValueError(f"several pictures need a folder as output, but {output} names a file")
    plan = Plan(folder=folder)
    for given in inputs:
        source = Path(given)
        if not _is_folder(source):
            plan.jobs.append(Job(source, folder / _output_name(source, suffix)))
            continue
        if _is_same(source, folder):
            raise ValueError(f"the output {output} is the input folder itself; choose another")
        # Not resolve: a link keeps its own name, while "." and ".." get one.
        name = os.path.basename(os.path.abspath(source))  # noqa: PTH100, PTH119
        root = folder if len(inputs) == 1 else folder / name
        for picture in _pictures(source, folder, plan):
            place = root / picture.parent.relative_to(source)
            plan.jobs.append(Job(picture, place / _output_name(picture, suffix)))
    return plan


def _output_name(source: Path, suffix: str | None) -> str:
    """Name the output. JPEG becomes PNG: writing it as JPEG would add a new loss to the old."""
    if suffix is None:
        kept = FORMAT_OF_SUFFIX.get(source.suffix.lower()) in LOSSLESS
        suffix = source.suffix if kept else ".png"
    return source.stem + suffix


def _pictures(folder: Path, output: Path, plan: Plan) -> Iterator[Path]:
    """Yield the pictures of a folder's tree, and note in the plan what is no picture.

    An output folder inside the tree is left out, so that a second run does not restore the results
    of the first. Links to folders are not followed: they can form a circle.
    """

    def note_failure(error: OSError) -> None:
        plan.failed.append((Path(error.filename), f"cannot be looked into: {error.strerror}"))

    for parent, folders, names in os.walk(folder, onerror=note_failure):
        here = Path(parent)
        visited = []
        for name in sorted(folders):
            path = here / name
            if name.startswith("."):
                plan.skipped.append((path, "hidden"))
            elif path.is_symlink():
                plan.skipped.append((path, "a link to a folder"))
            elif _is_same(path, output):
                plan.skipped.append((path, "the output folder"))
            elif is_zarr(path):
                plan.skipped.append((path, "an OME-Zarr image: restore it by itself"))
            else:
                visited.append(name)
        folders[:] = visited  # os.walk goes on with these
        for name in sorted(names):
            path = here / name
            if name.startswith("."):
                plan.skipped.append((path, "hidden"))
            elif path.suffix.lower() not in READABLE_SUFFIXES:
                plan.skipped.append((path, "no picture, by its suffix"))
            else:
                yield path


def _check_targets(jobs: list[Job]) -> None:
    """Refuse what would lose a picture: two jobs with one target, or a target that is a source."""
    sources = dict(_identities(job.source for job in jobs))
    source_of: dict[str, Path] = {}
    for job in jobs:
        other = source_of.setdefault(os.path.normcase(job.target), job.source)
        if other is not job.source:
            raise ValueError(
                f"{other} and {job.source} would both become {job.target}; "
                "restore them into different folders, or rename one"
            )
    # By the files' identities, not by their names: links and case can give one file many names.
    for identity, target in _identities(job.target for job in jobs):
        if identity in sources:
            raise ValueError(
                f"the output {target} is the input {sources[identity]} itself; "
                "inputs are never overwritten, so choose another output"
            )


def _identities(paths: Iterable[Path]) -> Iterator[tuple[tuple[int, int], Path]]:
    """Yield the identity of each file that exists."""
    for path in paths:
        if identity := file_identity(path):
            yield identity, path


def _is_same(path: Path, other: Path) -> bool:
    identity = file_identity(path)
    return identity is not None and identity == file_identity(other)
