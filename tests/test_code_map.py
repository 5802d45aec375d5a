"""The map of the code shows every file, and what it says of them is what they say."""

from __future__ import annotations

from docs import code_map


def test_the_page_is_up_to_date() -> None:
    page = code_map.PAGE.read_text(encoding="utf-8")
    assert code_map.refreshed(page) == page, "run: make generated"


def test_every_file_has_a_layer_and_a_docstring() -> None:
    files = {path.stem for path in (code_map.ROOT / "argan_plugin").glob("*.py")} - {"__init__"}
    placed = [name for layer in code_map.layers() for name in layer]
    assert sorted(placed) == sorted(files)
    assert all(code_map.summary(code_map.ROOT / "argan_plugin" / f"{name}.py") for name in files)
