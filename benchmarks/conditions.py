"""What a measurement depends on, and where it is kept."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from argan_plugin.model_info import ModelInfo


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What a measurement depends on besides its subject."""

    date: str
    processor: str
    threads: int
    load: float
    """Mean number of running processes in the minute before: what else was going on."""
    kflop_per_pixel: float
    weights_sha256: str

    def __str__(self) -> str:
        """Return a sentence."""
        return (
            f"Measured {self.date} on {self.threads} threads of {self.processor}, load "
            f"{self.load:.1f} before the start: with a load, read the seconds as ratios. Network "
            f"of {self.kflop_per_pixel:.0f} kFLOP per pixel, weights {self.weights_sha256[:12]}."
        )


def conditions_now(info: ModelInfo, threads: int) -> Conditions:
    """Return the conditions of a model's measurement that begins now."""
    return Conditions(
        date=datetime.now(UTC).date().isoformat(),
        processor=processor_name(),
        threads=threads,
        load=os.getloadavg()[0],
        kflop_per_pixel=info.kflop_per_pixel,
        weights_sha256=info.weights_sha256,
    )


def save(path: Path, conditions: Conditions, rows: Sequence[Any]) -> None:
    """Write a measurement; its rows are dataclasses."""
    content = {"conditions": asdict(conditions), "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def finish(conditions: Conditions, rows: Sequence[Any], path: Path | None) -> None:
    """Print the conditions below a table, and save the measurement if there is a path."""
    print(f"\n{conditions}")
    if path is not None:
        save(path, conditions, rows)


def processor_name() -> str:
    """Return the processor's name; Python knows only its architecture on Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
