"""Runs web pages in headless Chromium: the demo in its test, and onnxruntime-web for the table.

Needs Chromium and chromedriver on the path (Debian: ``chromium chromium-driver``) and selenium.
"""

from __future__ import annotations

import base64
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from export.parity import Image

RUNTIME_FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
"""What a page needs of ``onnxruntime-web/dist`` to run models in WebAssembly."""

_RUN_SECONDS = 600

_OPEN = """
const [threads, done] = arguments;
import("/ort.wasm.bundle.min.mjs").then(async (ort) => {
  ort.env.wasm.wasmPaths = { wasm: "/ort-wasm-simd-threaded.wasm" };
  ort.env.wasm.numThreads = threads;
  const settings = { executionProviders: ["wasm"] };
  const session = await ort.InferenceSession.create("/argan.onnx", settings);
  window.restore = async (base64, shape) => {
    const bytes = await (await fetch("data:;base64," + base64)).arrayBuffer();
    const image = new ort.Tensor("float32", new Float32Array(bytes), shape);
    const reader = new FileReader();
    const read = new Promise((finish) => (reader.onload = finish));
    reader.readAsDataURL(new Blob([(await session.run({ image })).restored.data]));
    await read;
    return reader.result.split(",")[1];
  };
}).then(() => done(null), (error) => done(String(error)));
"""

_RESTORE = """
const [base64, shape, done] = arguments;
restore(base64, shape).then((data) => done([data, null]), (error) => done([null, String(error)]));
"""


class MissingBrowserError(Exception):
    """Chromium, chromedriver or selenium is not there."""


@contextmanager
def open_chromium(downloads: Path | None = None) -> Iterator[Any]:
    """Give a selenium driver of a headless Chromium that saves downloads in a folder.

    Raises
    ------
    MissingBrowserError
        If something is missing; it says what.
    """
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    driver_path = shutil.which("chromedriver")
    if browser is None or driver_path is None:
        raise MissingBrowserError(
            "needs Chromium and chromedriver on the path: apt install chromium chromium-driver"
        )
    try:
        webdriver = import_module("selenium.webdriver")
    except ImportError as error:
        raise MissingBrowserError("needs selenium: pip install selenium") from error
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in (
        "--headless=new",
        "--no-sandbox",  # there is none for root, which containers often are; pages are our own
        "--disable-dev-shm-usage",  # 64 MB in many containers, and tabs crash
        "--window-size=1100,1000",
    ):
        options.add_argument(argument)
    if downloads is not None:
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(driver_path)
    driver = webdriver.Chrome(options=options, service=service)
    try:
        driver.set_script_timeout(_RUN_SECONDS)
        yield driver
    finally:
        driver.quit()


@contextmanager
def serve(folder: Path, *, isolated: bool = True) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder on this machine; give its address and the list of requests so far.

    Parameters
    ----------
    folder
        Of static files.
    isolated
        Send the two headers that let a page share memory between threads. Plain static hosting
        does not.
    """
    requests: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        # Some systems' registries call modules text/plain, and browsers do not run those.
        extensions_map = {  # noqa: RUF012 - as the base class has it
            **SimpleHTTPRequestHandler.extensions_map,
            ".js": "text/javascript",
            ".mjs": "text/javascript",
            ".wasm": "application/wasm",
        }

        def end_headers(self) -> None:
            if isolated:
                self.send_header("Cross-Origin-Opener-Policy", "same-origin")
                self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
            super().end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ARG002 - its name
            requests.append(self.requestline)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class ChromiumRun:
    """A model file open in a page of headless Chromium, with onnxruntime-web."""

    def __init__(self, path: Path, modules: Path, threads: int) -> None:
        resources = ExitStack()
        weakref.finalize(self, resources.close)  # at the latest when Python ends
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory()))
        for name in RUNTIME_FILES:
            shutil.copyfile(modules / "onnxruntime-web" / "dist" / name, folder / name)
        shutil.copyfile(path, folder / "argan.onnx")
        (folder / "index.html").write_text("<!doctype html><title>ARGAN</title>")
        address, _ = resources.enter_context(serve(folder))
        self._driver = resources.enter_context(open_chromium())
        self._driver.get(address)
        if problem := self._driver.execute_async_script(_OPEN, threads):
            raise RuntimeError(problem)

    def __call__(self, image: Image) -> Image:
        """Restore images of shape ``(batch, 1, height, width)``."""
        text = base64.b64encode(image.tobytes()).decode()
        data, problem = self._driver.execute_async_script(_RESTORE, text, image.shape)
        if problem:
            raise RuntimeError(problem)
        return np.frombuffer(base64.b64decode(data), np.float32).reshape(image.shape)
