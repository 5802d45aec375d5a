"""The browser demo in headless Chromium, against the plugin's result.

Slow (``-m slow``); onnxruntime-web is looked for in the folder ``$NODE_MODULES``.
"""

from __future__ import annotations

import base64
import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from argan_plugin import restore
from argan_plugin.changes import luma_change
from argan_plugin.weights import model_names, model_path
from export.browser import MissingBrowserError, open_chromium, serve
from tests.test_demo import ROOT, build

pytestmark = pytest.mark.slow
needs_shipped_model = pytest.mark.skipif(not model_names(), reason="this checkout ships no model")

SAMPLE = ROOT / "argan_plugin" / "samples" / "vintage_cars.jpg"
MODULES = Path(os.environ.get("NODE_MODULES", "node_modules"))

Pixels = NDArray[np.uint8]


class Page:
    """The demo in a browser."""

    def __init__(
        self, driver: Any, folder: Path, downloads: Path, address: str, requests: list[str]
    ) -> None:
        self.driver, self.folder, self.downloads = driver, folder, downloads
        self.address, self.requests = address, requests

    def open(self) -> str:
        self.driver.get(self.address)
        return self.wait_for("ready", "failed")

    def find(self, name: str) -> Any:
        return self.driver.find_element("id", name)

    @property
    def state(self) -> str:
        return str(self.driver.find_element("tag name", "body").get_attribute("data-state"))

    def wait_for(self, *states: str) -> str:
        end = time.monotonic() + 200
        while (state := self.state) not in states:
            assert time.monotonic() < end, f"{state}: {self.find('status').text}"
            time.sleep(0.05)
        return state

    def problem_of(self, path: Path) -> str:
        self.find("choose").send_keys(str(path))
        assert self.wait_for("done", "failed") == "failed"
        return str(self.find("problem").text)

    def restore(self, path: Path) -> Pixels:
        """Choose a file, and return the downloaded picture."""
        target = self.downloads / f"{path.stem}-restored.png"
        target.unlink(missing_ok=True)
        self.find("choose").send_keys(str(path))
        assert self.wait_for("done", "failed") == "done", self.find("problem").text
        self.find("download").click()
        end = time.monotonic() + 30
        while not target.exists():  # Chromium renames it when it is whole
            assert time.monotonic() < end
            time.sleep(0.05)
        return np.asarray(Image.open(target).convert("RGB"))

    def decoded(self) -> Pixels:
        """Return the picture before restoration as the browser decodes it."""
        url = self.driver.execute_async_script("""
            const done = arguments[0], image = document.getElementById("before");
            const canvas = document.createElement("canvas");
            image.decode().then(() => {
              [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
              canvas.getContext("2d").drawImage(image, 0, 0);
              done(canvas.toDataURL("image/png"));
            });""")
        data = base64.b64decode(url.split(",")[1])
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


OpenPage = Callable[[Path], Page]


@pytest.fixture(scope="module")
def open_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenPage]:
    """Give a function that builds the demo with a model and opens it as static hosting shows it."""
    if not (MODULES / "onnxruntime-web").is_dir():
        pytest.skip("needs `npm install onnxruntime-web`, and its folder in $NODE_MODULES")
    downloads = tmp_path_factory.mktemp("downloads")
    with ExitStack() as resources:
        try:
            driver = resources.enter_context(open_chromium(downloads))
        except MissingBrowserError as error:
            pytest.skip(str(error))

        def opened(model: Path) -> Page:
            folder = tmp_path_factory.mktemp("demo")
            result = build("-o", folder, "--modules", MODULES, "--model", model)
            assert result.returncode == 0, result.stderr
            address, requests = resources.enter_context(serve(folder, isolated=False))
            return Page(driver, folder, downloads, address, requests)

        yield opened


def assert_like_python(got: Pixels, picture: Pixels, model: Path) -> None:
    """Compare with the plugin's result: only ties between two levels may fall otherwise."""
    expected = restore(picture, model=model)
    levels = picture + luma_change(picture, model=model)[..., None].astype(np.float64) * 255
    # as in export.parity: so close to the middle, the order of float32 additions decides
    ties = np.abs(levels % 1 - 0.5) < 1e-5 * 255
    np.testing.assert_array_equal(got[~ties], expected[~ties])
    assert np.abs(got.astype(int) - expected).max() <= 1


def test_a_png_of_several_tiles_like_python(
    open_page: OpenPage, tiny_model_path: Path, photo: Pixels, tmp_path: Path
) -> None:
    page = open_page(tiny_model_path)
    assert page.open() == "ready"
    picture = np.tile(photo, (12, 12, 1))[:1101, :1303]
    path = tmp_path / "holiday.2026.png"
    Image.fromarray(picture).save(path)
    before = len(page.requests)
    got = page.restore(path)
    assert_like_python(got, picture, tiny_model_path)
    assert (got != picture).any()
    assert page.find("status").text == "Done: holiday.2026.png"
    assert len(page.requests) == before  # nothing leaves the machine
    assert all(request.startswith("GET ") for request in page.requests)


def test_small_and_grey_pictures_like_python(
    open_page: OpenPage, tiny_model_path: Path, photo: Pixels, tmp_path: Path
) -> None:
    page = open_page(tiny_model_path)
    assert page.open() == "ready"
    for name, picture in {"one": photo[:1, :1], "row": photo[:1], "odd": photo[:13, :7]}.items():
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
        assert_like_python(page.restore(tmp_path / f"{name}.png"), picture, tiny_model_path)
    grey = Image.fromarray(photo).convert("L")
    grey.save(tmp_path / "grey.png")
    got = page.restore(tmp_path / "grey.png")
    assert_like_python(got, np.asarray(grey.convert("RGB")), tiny_model_path)


@needs_shipped_model
def test_a_jpeg_with_the_shipped_model_like_python(open_page: OpenPage) -> None:
    model = model_path(model_names()[0])
    page = open_page(model)
    assert page.open() == "ready"
    page.find("sample").click()
    page.wait_for("done")
    assert page.find("status").text == "Done: sample.jpg"
    got = page.restore(SAMPLE)
    decoded = page.decoded()
    assert_like_python(got, decoded, model)
    with Image.open(SAMPLE) as image:
        # Another decoder may round otherwise, and enlarge colour otherwise.
        assert np.abs(np.asarray(image.convert("RGB")).astype(int) - decoded).mean() < 1
    severe = [entry for entry in page.driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert severe == []


def test_bad_input_gets_a_clear_message_and_the_page_goes_on(
    open_page: OpenPage, tiny_model_path: Path, photo: Pixels, tmp_path: Path
) -> None:
    page = open_page(tiny_model_path)
    assert page.open() == "ready"
    path = tmp_path / "empty.jpg"
    path.touch()
    assert page.problem_of(path) == "The file is empty. Choose a JPEG."
    (tmp_path / "text.jpg").write_text("no picture")
    assert "not a picture that the browser can read" in page.problem_of(tmp_path / "text.jpg")
    Image.fromarray(photo).convert("RGBA").rotate(45).save(tmp_path / "transparent.png")
    assert "transparent in places" in page.problem_of(tmp_path / "transparent.png")
    Image.new("1", (9000, 8000)).save(tmp_path / "large.png")
    assert "72 megapixels" in page.problem_of(tmp_path / "large.png")
    page.driver.execute_script("""
        const dataTransfer = new DataTransfer();
        for (const name of ["a.jpg", "b.jpg"]) dataTransfer.items.add(new File(["x"], name));
        document.dispatchEvent(new DragEvent("drop", { dataTransfer, cancelable: true }));""")
    assert page.find("problem").text == "Drop one picture file at a time; this was 2 files."
    Image.fromarray(photo).save(tmp_path / "good.png")
    assert page.restore(tmp_path / "good.png").shape == photo.shape
    assert page.find("problem").text == ""


@needs_shipped_model
def test_cancel_stops_the_work(open_page: OpenPage, photo: Pixels, tmp_path: Path) -> None:
    page = open_page(model_path(model_names()[0]))
    assert page.open() == "ready"
    Image.fromarray(np.tile(photo, (20, 20, 1))).save(tmp_path / "large.png")
    page.find("choose").send_keys(str(tmp_path / "large.png"))
    assert page.state == "working"  # the page answers meanwhile
    page.find("cancel").click()
    assert (page.state, page.find("status").text) == ("ready", "Cancelled.")
    Image.fromarray(photo).save(tmp_path / "small.png")
    assert page.restore(tmp_path / "small.png").shape == photo.shape


def test_a_page_that_is_not_whole_says_so(open_page: OpenPage, tiny_model_path: Path) -> None:
    page = open_page(tiny_model_path)
    (page.folder / "model.json").unlink()
    assert page.open() == "failed"
    assert page.find("problem").text.startswith("model.json is missing (404)")


def test_a_page_opened_as_a_file_says_what_to_do(
    open_page: OpenPage, tiny_model_path: Path
) -> None:
    page = open_page(tiny_model_path)
    page.address = (page.folder / "index.html").as_uri()
    assert page.open() == "failed"
    assert "python -m http.server" in page.find("problem").text
