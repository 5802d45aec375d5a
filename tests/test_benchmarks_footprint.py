"""The estimate of energy, against an example by hand."""

from __future__ import annotations

import pytest

from argan_plugin.weights import model_names
from benchmarks.footprint import GRAMS_PER_KWH, MACHINES, Machine, energy_kwh, run


def test_every_shipped_model_has_a_machine() -> None:
    assert set(MACHINES) == set(model_names())


def test_energy_by_hand() -> None:
    machine = Machine(processor="", cores=2, memory_gib=(0, 100), date="")
    low, high = energy_kwh(10, machine)
    assert low == pytest.approx(10 * 2 * 6.25 * 1.1 / 1000)
    assert high == pytest.approx(10 * (2 * 12 + 37.25) * 1.67 / 1000)


def test_the_table_has_a_range() -> None:
    rows = dict(line.strip("| ").split("|")[:2] for line in run("argan").splitlines()[2:])
    told = {name.strip(): value.strip() for name, value in rows.items()}
    low, _, high, _ = told["energy, estimated"].split()
    assert 0 < float(low) < float(high)
    least, _, most, _ = told["carbon dioxide, estimated"].split()
    assert float(least) == pytest.approx(float(low) * GRAMS_PER_KWH[0], abs=1.5)
    assert float(most) == pytest.approx(float(high) * GRAMS_PER_KWH[1], rel=0.1)
