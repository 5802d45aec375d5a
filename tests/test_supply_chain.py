"""What the package takes from elsewhere: nothing at run time, and known versions before."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# All that users do, with Python's own network functions made to fail.
_USE = """
import socket, sys
from pathlib import Path

asked = []  # remembered, too: whoever asks may go on without an answer

def refuse(event, arguments):
    if event.startswith(("socket.connect", "socket.getaddrinfo", "socket.gethostby",
                         "socket.sendto", "urllib.Request", "http.client.connect")):
        asked.append(f"{event} {arguments}")
        raise AssertionError(asked[-1])

sys.addaudithook(refuse)
try:
    socket.create_connection(("127.0.0.1", 9))
except AssertionError:
    pass
else:
    raise SystemExit("the hook does not work")
asked.clear()

import numpy as np
from npe2 import PluginManifest
from PIL import Image
import argan_plugin
from argan_plugin import ARGANFilter, restore
from argan_plugin.cli import main

manifest, folder = Path(sys.argv[1]), Path(sys.argv[2])
picture = np.zeros((40, 60), np.uint8)
restore(picture)
Image.fromarray(picture).filter(ARGANFilter())
Image.fromarray(picture).save(folder / "in.jpg")
assert main([str(folder / "in.jpg"), "-o", str(folder / "out.png"), "--quiet"]) == 0
assert main(["model"]) == 0
PluginManifest.from_file(manifest).validate_imports()
assert asked == []
print("done")
"""


def _without_network() -> list[str]:
    """Return the command that gives a process a network of its own, with nothing in it."""
    command = ["unshare", "--map-root-user", "--net"]
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return []
    return command if subprocess.run([*command, "true"], check=False).returncode == 0 else []


def test_nothing_asks_the_network_at_run_time(tmp_path: Path) -> None:
    prefix = _without_network()  # what C libraries do does not come by Python's functions
    done = subprocess.run(
        [*prefix, sys.executable, "-W", "ignore", "-c", _USE, _ROOT / "napari.yaml", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("done\n")


def _built_wheel(folder: Path, *, umask: int, age: float) -> bytes:
    """Build a wheel from a copy of the sources of some age and with other permissions."""
    shutil.copytree(
        _ROOT,
        folder,
        ignore=lambda parent, names: (
            {name for name in names if name not in _SOURCES}
            if Path(parent) == _ROOT
            else {"__pycache__"}
        ),
    )
    for path in (folder, *folder.rglob("*")):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
        os.utime(path, (age, age))
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist"],
        cwd=folder,
        check=True,
        capture_output=True,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
    )
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel.read_bytes()


_SOURCES = {"argan_plugin", "napari.yaml", "pyproject.toml", "README.md", "LICENSE"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_a_wheel_built_twice_is_the_same(tmp_path: Path) -> None:
    one = _built_wheel(tmp_path / "one", umask=0o022, age=1.6e9)
    other = _built_wheel(tmp_path / "another place", umask=0o077, age=1.7e9)
    assert one == other


def _dependencies() -> Iterator[str]:
    project = _PROJECT["project"]
    yield from project["dependencies"]
    for extra in project["optional-dependencies"].values():
        yield from extra
    for group in _PROJECT["dependency-groups"].values():
        yield from (entry for entry in group if isinstance(entry, str))


def test_each_dependency_has_a_lower_bound() -> None:
    without = [
        entry for entry in _dependencies() if not re.search(r"(>=|==)\d", entry.partition(";")[0])
    ]
    assert without == []


def test_no_dependency_of_users_has_an_upper_bound() -> None:
    # The newest are what `pip install` takes; CI installs them anew each time.
    project = _PROJECT["project"]
    for entry in project["dependencies"]:
        assert not re.search(r"<|==|~=", entry.partition(";")[0]), entry


_PICKLES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}


def _calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == name:
            yield node


def test_no_file_is_read_by_pickle() -> None:
    for path in (
        path
        for part in ("argan_plugin", "training", "export")
        for path in (_ROOT / part).rglob("*.py")
    ):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {
            alias.name.partition(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
        } | {
            (node.module or "").partition(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
        }
        # plane_recipe.py holds a model's path and settings pickled, in tasks that dask pickles
        if path.name != "plane_recipe.py":
            assert not imported & _PICKLES, path
        for call in _calls(tree, "torch.load"):
            options = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            assert options.get("weights_only") == "True", path
        for call in _calls(tree, "np.load"):
            options = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            assert options.get("allow_pickle", "False") == "False", path
