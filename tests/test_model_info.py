"""Facts survive the trip through the ONNX file, and impossible ones are refused by name."""

from __future__ import annotations

import dataclasses
import json

import pytest

from argan_plugin.errors import ModelError
from argan_plugin.model_info import FORMAT_VERSION, ModelInfo
from tests.conftest import tiny_info


def test_metadata_gives_back_the_same_facts() -> None:
    info = tiny_info(summary="Für Größen: ½", quality_range=(5, 95), kflop_per_pixel=116.5)
    metadata = info.to_metadata()
    assert all(isinstance(value, str) for value in metadata.values())
    assert ModelInfo.from_metadata(metadata) == info


def test_numbers_are_json_and_entries_of_others_are_ignored() -> None:
    metadata = tiny_info(quality_range=(8, 60)).to_metadata()
    assert json.loads(metadata["argan.quality_range"]) == [8, 60]
    assert ModelInfo.from_metadata(metadata | {"producer": "x", "argan.new": "y"})


def test_a_whole_number_is_a_cost_too() -> None:
    metadata = tiny_info().to_metadata() | {"argan.kflop_per_pixel": "116"}
    assert ModelInfo.from_metadata(metadata).kflop_per_pixel == 116.0


@pytest.mark.parametrize(
    "field", [field.name for field in dataclasses.fields(ModelInfo) if field.name != "planes"]
)
def test_a_missing_fact_is_named(field: str) -> None:
    metadata = tiny_info().to_metadata()
    del metadata[f"argan.{field}"]
    with pytest.raises(ModelError, match=rf"argan\.{field}"):
        ModelInfo.from_metadata(metadata)


def test_a_file_of_before_there_was_chroma_is_of_luma() -> None:
    metadata = tiny_info(planes=3).to_metadata()
    assert ModelInfo.from_metadata(metadata).planes == 3
    del metadata["argan.planes"]
    assert ModelInfo.from_metadata(metadata).planes == 1


def test_metadata_of_another_project_is_refused() -> None:
    with pytest.raises(ModelError, match="not a model of this project"):
        ModelInfo.from_metadata({"author": "someone"})


def test_a_newer_format_asks_for_an_upgrade() -> None:
    metadata = tiny_info().to_metadata()
    metadata["argan.format_version"] = str(FORMAT_VERSION + 1)
    # A newer format may lack today's facts: the version is looked at first.
    del metadata["argan.halo"]
    with pytest.raises(ModelError, match="Upgrade argan-plugin"):
        ModelInfo.from_metadata(metadata)


@pytest.mark.usefixtures("no_collection")
@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("halo", "16.0"),
        ("halo", "true"),
        ("halo", "sixteen"),
        ("halo", "17"),
        ("halo", "-8"),
        ("halo", "1000000"),
        ("size_multiple", "0"),
        ("size_multiple", "9" * 5000),
        ("receptive_field", "-1"),
        ("quality_range", "[50]"),
        ("quality_range", "[95, 5]"),
        ("quality_range", "[0, 5]"),
        ("quality_range", "5"),
        ("quality_range", "[" * 100_000),
        ("kflop_per_pixel", "NaN"),
        ("kflop_per_pixel", "-1"),
        ("kflop_per_pixel", "1" + "0" * 400),
        ("planes", "2"),
        ("name", "../../etc"),
        ("name", ""),
        ("summary", "two\nlines"),
        ("weights_sha256", "abc"),
        ("format_version", "0"),
    ],
)
def test_an_impossible_fact_is_named_in_one_short_line(field: str, text: str) -> None:
    metadata = tiny_info().to_metadata() | {f"argan.{field}": text}
    with pytest.raises(ModelError, match=field) as raised:
        ModelInfo.from_metadata(metadata)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


def test_export_cannot_write_what_the_plugin_would_refuse() -> None:
    with pytest.raises(ValueError, match="halo must be a multiple of 8"):
        tiny_info(halo=20)
