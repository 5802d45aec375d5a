"""Opens a model as one choice of :mod:`benchmarks.choices` has it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argan_plugin.model_graph import INPUT_NAME, OUTPUT_NAME

Run = Callable[[], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """How to run the network; what is not said is as the plugin has it."""

    runtime: str
    """ "ONNX Runtime" or "OpenVINO"."""
    name: str
    """What is different."""
    file: Path
    side: int | None = None
    """Largest side in pixels of what a tile keeps; 0 for the whole picture."""
    batch: int = 1
    threads: int = 0
    """0 for one a core."""
    precision: str = "f32"
    """What OpenVINO computes in."""
    optimization: str = "ORT_ENABLE_ALL"
    """Level of graph optimization of ONNX Runtime."""
    saved: bool = False
    """Open the graph as ONNX Runtime has optimized and saved it."""
    arena: bool = True
    """Keep memory for the next run."""
    pattern: bool = False
    """Plan the memory for each new shape."""
    spinning: bool = False
    """Let threads wait for work by asking for it all the time."""
    binding: bool = False
    """Give ONNX Runtime the memory for the result."""


def open_choice(choice: Choice, image: NDArray[np.float32]) -> Run:
    """Return a function that restores the image once."""
    opener = _open_openvino if choice.runtime == "OpenVINO" else _open_onnxruntime
    return opener(choice, image)


def _open_onnxruntime(choice: Choice, image: NDArray[np.float32]) -> Run:
    import onnxruntime

    def session(path: Path, level: str, saved: Path | None = None) -> Any:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # a saved graph warns that it is for this processor
        options.intra_op_num_threads = choice.threads
        options.enable_cpu_mem_arena = choice.arena
        options.enable_mem_pattern = choice.pattern
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        options.add_session_config_entry(
            "session.intra_op.allow_spinning", str(int(choice.spinning))
        )
        if saved is not None:
            options.optimized_model_filepath = str(saved)
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    if choice.saved:
        path = Path(tempfile.gettempdir(), f"argan-choices-{os.getpid()}.onnx")
        session(choice.file, choice.optimization, path)
        opened = session(path, "ORT_DISABLE_ALL")
        path.unlink()
    else:
        opened = session(choice.file, choice.optimization)
    if not choice.binding:
        return lambda: opened.run([OUTPUT_NAME], {INPUT_NAME: image})[0]  # type: ignore[no-any-return]
    result = np.empty_like(image)
    binding = opened.io_binding()
    binding.bind_cpu_input(INPUT_NAME, image)
    binding.bind_output(OUTPUT_NAME, "cpu", 0, np.float32, result.shape, result.ctypes.data)

    def run() -> NDArray[np.float32]:
        opened.run_with_iobinding(binding)
        return result

    return run


def _open_openvino(choice: Choice, image: NDArray[np.float32]) -> Run:
    import openvino

    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": choice.precision,
    }
    if choice.threads:
        settings["INFERENCE_NUM_THREADS"] = choice.threads
    compiled = openvino.Core().compile_model(choice.file, "CPU", settings)
    return lambda: compiled.create_infer_request().infer([image], share_inputs=True)[0]  # type: ignore[no-any-return]
