"""Opens exported files in other runtimes, each as a user of that runtime would.

Needs neither torch nor the training code. ``benchmarks/runtimes.py`` runs them all and compares
them; ``docs/runtimes.md`` has the table.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime

from argan_plugin.model_graph import INPUT_NAME, OUTPUT_NAME
from export.browser import ChromiumRun
from export.parity import Image

Run = Callable[[Image], Image]


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """How to run a model file with one runtime."""

    name: str
    """What people call it."""

    package: str
    """The Python distribution whose version counts."""

    file: Literal["default", "bare", "tflite"]
    """Which file it runs: for images of any size, written by ``--bare``, or made by onnx2tf."""

    open: Callable[[Path, int], Run]
    """Opens a file for a number of threads."""

    exact: bool = True
    """Whether all of it is computed in float32."""


def open_onnxruntime(path: Path, threads: int) -> Run:
    """Open a file with ONNX Runtime on the CPU: what the others are compared with."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda image: session.run([OUTPUT_NAME], {INPUT_NAME: image})[0]


def _reference(path: Path, _threads: int) -> Run:
    evaluator = import_module("onnx.reference").ReferenceEvaluator(str(path))
    return lambda image: evaluator.run([OUTPUT_NAME], {INPUT_NAME: image})[0]


def _openvino(path: Path, threads: int) -> Run:
    return _openvino_with(path, INFERENCE_NUM_THREADS=threads, INFERENCE_PRECISION_HINT="f32")


def _openvino_own_precision(path: Path, threads: int) -> Run:
    return _openvino_with(path, INFERENCE_NUM_THREADS=threads)


def _openvino_with(path: Path, **options: Any) -> Run:
    compiled = import_module("openvino").Core().compile_model(path, "CPU", options)
    return lambda image: compiled({INPUT_NAME: image})[OUTPUT_NAME]


def _opencv(path: Path, threads: int) -> Run:
    cv2 = import_module("cv2")
    cv2.setNumThreads(threads)
    network = cv2.dnn.readNetFromONNX(str(path))

    def run(image: Image) -> Image:
        network.setInput(image, INPUT_NAME)
        output: Image = network.forward()
        return output

    return run


def _ncnn(path: Path, threads: int) -> Run:
    """Convert by pnnx, then run image by image: ncnn has no batches."""
    ncnn = import_module("ncnn")
    pnnx = Path(sys.executable).with_name("pnnx")
    network = ncnn.Net()
    network.opt.num_threads = threads
    network.opt.use_fp16_packed = network.opt.use_fp16_storage = False
    network.opt.use_fp16_arithmetic = False
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "argan.onnx")
        model.write_bytes(path.read_bytes())
        # Two shapes tell it that sizes are free; by default it would make the weights float16.
        shapes = ["inputshape=[1,1,64,96]f32", "inputshape2=[1,1,128,64]f32"]
        command = [str(pnnx), model.name, *shapes, "fp16=0"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        network.load_param(str(model.with_name("argan.ncnn.param")))
        network.load_model(str(model.with_name("argan.ncnn.bin")))

    def run_one(image: Image) -> Image:
        extractor = network.create_extractor()
        extractor.input("in0", ncnn.Mat(image).clone())
        return np.array(extractor.extract("out0")[1])

    return lambda image: np.stack([run_one(one) for one in image])


class LiteRT:
    """A file of one size: `shape` is (batch, 1, height, width)."""

    def __init__(self, path: Path, threads: int) -> None:
        interpreter = import_module("ai_edge_litert.interpreter").Interpreter
        self._interpreter = interpreter(str(path), num_threads=threads)
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()
        batch, height, width, _ = (int(size) for size in self._input["shape"])
        self.shape = (batch, 1, height, width)

    def __call__(self, image: Image) -> Image:
        """Restore an image of shape `shape`."""
        # One channel: its place among the axes moves no number.
        self._interpreter.set_tensor(self._input["index"], image.reshape(self._input["shape"]))
        self._interpreter.invoke()
        output: Image = self._interpreter.get_tensor(self._output["index"])
        return output.reshape(image.shape)


class _Web:
    """onnxruntime-web (WebAssembly) in Node.js; ``web_runner.mjs`` says what goes over."""

    def __init__(self, path: Path, threads: int) -> None:
        script = Path(__file__).with_name("web_runner.mjs")
        command = ["node", str(script), str(path.resolve()), str(_node_modules()), str(threads)]
        resources = ExitStack()
        weakref.finalize(self, resources.close)  # at the latest when Python ends
        self._node: Any = resources.enter_context(
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        )
        resources.callback(self._node.kill)

    def __call__(self, image: Image) -> Image:
        try:
            self._node.stdin.write(struct.pack("<4i", *image.shape) + image.tobytes())
            self._node.stdin.flush()
        except BrokenPipeError:
            pass  # it says why on stderr
        data = self._node.stdout.read(image.nbytes)
        if len(data) < image.nbytes:
            raise RuntimeError(self._node.communicate()[1].decode(errors="replace")[-200:])
        return np.frombuffer(data, np.float32).reshape(image.shape)


def _node_modules() -> Path:
    """Return the folder where the npm packages are looked for."""
    return Path(os.environ.get("NODE_MODULES", "node_modules"))


def _chromium(path: Path, threads: int) -> Run:
    return ChromiumRun(path, _node_modules(), threads)


RUNTIMES = (
    Runtime(name="ONNX Runtime", package="onnxruntime", file="default", open=open_onnxruntime),
    Runtime(name="ONNX reference evaluator", package="onnx", file="default", open=_reference),
    Runtime(name="OpenVINO, float32", package="openvino", file="default", open=_openvino),
    Runtime(
        name="OpenVINO, as it likes",
        package="openvino",
        file="default",
        open=_openvino_own_precision,
        exact=False,
    ),
    Runtime(name="OpenCV DNN", package="opencv-python-headless", file="default", open=_opencv),
    Runtime(name="onnxruntime-web, Node.js", package="onnxruntime-web", file="default", open=_Web),
    Runtime(
        name="onnxruntime-web, Chromium",
        package="onnxruntime-web",
        file="default",
        open=_chromium,
    ),
    Runtime(name="ncnn, by pnnx", package="ncnn", file="bare", open=_ncnn),
    Runtime(name="LiteRT, by onnx2tf", package="ai-edge-litert", file="tflite", open=LiteRT),
)
"""All that are known to run a file of this project."""
