"""The estimate of energy, against an example by hand."""

from __future__ import annotations

import math

import onnx
import pytest

from argan_plugin.weights import model_names, model_path, shipped_names
from benchmarks.footprint import GRAMS_PER_KWH, MACHINES, Machine, energy_kwh, hours, run
from benchmarks.models import overview, weights_of


def test_every_shipped_model_has_a_machine() -> None:
    assert set(MACHINES) == set(shipped_names())


def test_energy_by_hand() -> None:
    machine = Machine(processor="", cores=2, memory_gib=(0, 100), date="")
    low, high = energy_kwh(10, machine)
    assert low == pytest.approx(10 * 2 * 4.375 * 1.1 / 1000)
    assert high == pytest.approx(10 * (2 * 12 + 37.25) * 1.67 / 1000)


def test_the_table_of_models_has_what_the_file_holds() -> None:
    _, _, *rows = overview().splitlines()
    assert [row.split("`")[1] for row in rows] == list(shipped_names())
    assert "(default)" in rows[0]
    graph = onnx.load(model_path(model_names()[0])).graph
    numbers = sum(math.prod(weight.dims) for weight in graph.initializer)  # and a few constants
    assert f" {numbers / 1e6:.2f} M " in rows[0]


def test_the_hours_of_all_runs_are_told() -> None:
    name = model_names()[0]
    total = weights_of(name).facts["hours"] + MACHINES[name].hours_before
    assert f"{total:.1f} hours in all" in hours()


def test_the_table_has_a_range() -> None:
    rows = dict(line.strip("| ").split("|")[:2] for line in run(model_names()[0]).splitlines()[2:])
    told = {name.strip(): value.strip() for name, value in rows.items()}
    low, _, high, _ = told["energy, estimated"].split()
    assert 0 < float(low) < float(high)
    least, _, most, _ = told["carbon dioxide, estimated"].split()
    assert float(least) == pytest.approx(float(low) * GRAMS_PER_KWH[0], abs=1.5)
    assert float(most) == pytest.approx(float(high) * GRAMS_PER_KWH[1], rel=0.1)
