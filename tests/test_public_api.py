"""The public names: all there, documented, said once, and nothing beside them."""

from __future__ import annotations

import difflib
import inspect
import tomllib
from pathlib import Path

import pytest

import argan_plugin
from tests import public_interface


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


def test_the_interface_is_what_the_snapshot_says() -> None:
    difference = "\n".join(
        difflib.unified_diff(
            public_interface.SNAPSHOT.read_text(encoding="utf-8").splitlines(),
            public_interface.describe().splitlines(),
            "tests/public_interface.txt",
            "the code",
            lineterm="",
            n=0,
        )
    )
    assert not difference, (
        f"{difference}\n\nUsers rely on this. If the change is meant: what was added is a minor "
        "version; what was removed, renamed or has another default is a major one (before 1.0 a "
        "minor one), after a release that warns. Name it in CHANGELOG.md and run: "
        "python -m tests.public_interface. The policy: docs/releasing.md."
    )


def test_the_snapshot_notices_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    def restore(image: object, *, strength: float = 0.5) -> None: ...

    before = public_interface.describe()
    monkeypatch.setattr(argan_plugin, "restore", restore)
    assert "restore(image, *, strength=0.5)" in public_interface.describe()
    assert "restore(image, *, strength=0.5)" not in before
