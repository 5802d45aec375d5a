"""A run's log and its learning curve, against the file itself and against matplotlib."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from training.__main__ import main
from training.run_log import RunLog

ROWS = [
    {"iteration": 50, "hours": 0.25, "pixel": -6.5, "psnr_q10": 29.5},
    {"iteration": 100, "hours": 0.5, "pixel": -7.25, "psnr_q10": 30.0},
]


def write_log(folder: Path, rows: list[dict[str, float]]) -> None:
    folder.mkdir()
    log = RunLog(folder, 0)
    for row in rows:
        log.write(row)
    log.close()


def test_a_resumed_run_keeps_the_rows_as_they_were(tmp_path: Path) -> None:
    write_log(tmp_path / "run", ROWS)
    lines = (tmp_path / "run" / "log.csv").read_text().splitlines()
    RunLog(tmp_path / "run", 100).close()
    assert (tmp_path / "run" / "log.csv").read_text().splitlines() == lines
    RunLog(tmp_path / "run", 99).close()
    assert (tmp_path / "run" / "log.csv").read_text().splitlines() == lines[:-1]


def test_a_full_disk_does_not_cost_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_log(tmp_path / "run", ROWS)
    before = (tmp_path / "run" / "log.csv").read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        RunLog(tmp_path / "run", 100)
    assert (tmp_path / "run" / "log.csv").read_bytes() == before


@pytest.mark.parametrize("loss", ["log_l2", "l2"])
def test_the_learning_curve_shows_every_row(
    loss: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {**row, "pixel": row["pixel"] if loss == "log_l2" else np.exp(row["pixel"])} for row in ROWS
    ]
    write_log(tmp_path / "run", rows)
    drawn: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *arguments: object, **options: object) -> None:
        drawn.append(figure)
        save(figure, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", keep)
    assert main(["plot", str(tmp_path / "run"), "-o", str(tmp_path / "curve.png")]) == 0
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    for axes, column in zip(drawn[0].axes, ("psnr_q10", "pixel"), strict=True):
        points = np.asarray(axes.lines[0].get_xydata(), dtype=float)
        expected = np.array([(row["hours"], row[column]) for row in rows], dtype=float)
        np.testing.assert_allclose(points, expected)
        # a point that the axis has no place for, as of a logarithm below zero, is not finite
        inside = axes.get_window_extent().contains
        assert all(inside(*point) for point in axes.transData.transform(points))
