"""The benchmarks of single files and of the graph's form run, and measure what they say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from argan_plugin.weights import find_model
from benchmarks import profile_file, structure


def test_the_profile_of_a_file(
    tiny_model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.json"
    arguments = ["--model", str(tiny_model_path), "--size", "600", "700", "--runs", "1"]
    assert profile_file.main([*arguments, "--json", str(path)]) == 0
    assert capsys.readouterr().out.startswith(profile_file.HEADER)
    real, without = (profile_file.Row(**row) for row in json.loads(path.read_text())["rows"])
    for row in (real, without):  # OpenVINO is hidden from the tests
        steps = [row.decode, row.luma, row.network, row.checks, row.tiles, row.colour, row.encode]
        assert min(steps) > 0
        assert 0 < row.start <= row.first_tile
        outside = sum(steps) + row.rest - row.network
        assert row.outside == pytest.approx(outside / (outside + row.network))
        assert row.around == pytest.approx(0.42 / (row.luma + row.checks + row.tiles + row.colour))
    assert without.network < real.network
    assert str(real).count("|") == profile_file.HEADER.splitlines()[0].count("|")


def test_the_photo_repeats_nothing() -> None:
    pixels = np.asarray(profile_file.photo(1000, 1000))
    pieces = [pixels[top : top + 500, left : left + 500] for top in (0, 500) for left in (0, 500)]
    assert len({piece.tobytes() for piece in pieces}) == 4


def test_rewritten_graphs_give_the_same() -> None:
    model = onnx.load(find_model(None))
    rows = structure.measure(model, side=40, rounds=1, threads=1)
    assert [row.form for row in rows] == list(structure.FORMS)
    assert rows[0].ratio == 1
    operators = [[node.op_type for node in model.graph.node]]
    for rewrites in list(structure.FORMS.values())[1:]:
        nodes = structure.rewritten(model, rewrites).graph.node
        operators.append([node.op_type for node in nodes])
    assert len({tuple(names) for names in operators}) == len(structure.FORMS)


def test_a_form_with_another_result_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "_LARGEST_DIFFERENCE", -1.0)
    with pytest.raises(ValueError, match="the result differs"):
        structure.measure(onnx.load(find_model(None)), side=8, rounds=1, threads=1)
