"""The public names: all there, documented, said once, and nothing beside them."""

from __future__ import annotations

import inspect
import tomllib
from pathlib import Path

import pytest

import argan_plugin


@pytest.mark.parametrize("name", [name for name in argan_plugin.__all__ if name != "__version__"])
def test_each_name_is_there_and_documented(name: str) -> None:
    member = getattr(argan_plugin, name)
    assert inspect.getdoc(member)
    assert member.__name__ == name
    assert getattr(argan_plugin, name) is member


def test_the_lists_agree() -> None:
    assert set(argan_plugin.__all__) == {*argan_plugin._MODULE_OF, "__version__"}
    assert argan_plugin.__all__ == sorted(argan_plugin.__all__)
    assert set(argan_plugin.__all__) <= set(dir(argan_plugin))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="enhance"):
        argan_plugin.enhance  # noqa: B018


def test_all_errors_are_of_one_family() -> None:
    errors = [
        member
        for name in argan_plugin.__all__
        if inspect.isclass(member := getattr(argan_plugin, name)) and issubclass(member, Exception)
    ]
    assert len(errors) == 6
    assert all(issubclass(error, argan_plugin.ArganError) for error in errors)
    assert issubclass(argan_plugin.UnsupportedImageError, ValueError)


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert argan_plugin.__version__ in (project["version"], "0+unknown")


@pytest.mark.parametrize("name", ["restore", "luma_change", "apply_change"])
def test_options_are_keyword_only(name: str) -> None:
    parameters = inspect.signature(getattr(argan_plugin, name)).parameters.values()
    options = [parameter for parameter in parameters if parameter.default is not parameter.empty]
    assert options
    assert all(option.kind is option.KEYWORD_ONLY for option in options)
