"""What napari.yaml promises is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from npe2 import PluginManifest

from argan_plugin._preferences import Preferences

MANIFEST = Path(__file__).parents[1] / "napari.yaml"


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    manifest: PluginManifest = PluginManifest.from_file(MANIFEST)
    return manifest


def test_valid_and_every_command_can_be_imported(manifest: PluginManifest) -> None:
    manifest.validate_imports()
    assert manifest.contributions.commands


def test_every_contribution_names_a_command_that_exists(manifest: PluginManifest) -> None:
    contributions = manifest.contributions.model_dump()
    commands = {command["id"] for command in contributions["commands"]}
    used = [*contributions["widgets"], *contributions["sample_data"]]
    used += [item for items in contributions["menus"].values() for item in items]
    assert commands == {item["command"] for item in used}


def test_menus_are_ones_that_plugins_may_use(manifest: PluginManifest) -> None:
    # In any other menu an entry vanishes without a word.
    from napari._app_model.constants._menus import is_menu_contributable

    assert all(is_menu_contributable(menu) for menu in manifest.contributions.menus)


def test_preferences_page_has_the_defaults_of_the_code(manifest: PluginManifest) -> None:
    page = manifest.contributions.configurations["restoration"].properties
    defaults = {name: setting.default for name, setting in page.items()}
    defaults["tile_size"] = defaults["tile_size"] or None  # the page has 0 for None
    assert defaults == vars(Preferences(model="argan"))


def test_no_module_is_loaded_before_it_is_used() -> None:
    # Reading the manifest, as napari does at its start, imports nothing of the plugin.
    code = (
        "import sys; from npe2 import PluginManifest; "
        f"PluginManifest.from_file({str(MANIFEST)!r}); "
        "assert not [name for name in sys.modules if name.startswith('argan_plugin')]"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_dependencies_choose_no_qt_binding() -> None:
    import tomllib

    project = tomllib.loads((MANIFEST.parent / "pyproject.toml").read_text("utf-8"))["project"]
    required = " ".join([*project["dependencies"], *project["optional-dependencies"]["napari"]])
    assert not any(name in required.lower() for name in ("pyqt", "pyside", "napari["))
