"""Runs models in ONNX Runtime, on a GPU or the CPU. Nothing else uses ONNX Runtime."""

from __future__ import annotations

import contextlib
import io
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from argan_plugin import devices
from argan_plugin.errors import Cancelled, DeviceError, ModelError, one_line
from argan_plugin.model_graph import INPUT_NAME, OUTPUT_NAME

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_CUDA_OPTIONS = {
    # The default measures every algorithm anew for each new shape. All tiles of a picture have one,
    # but small pictures and those of other sizes have theirs, and each would wait for that.
    # onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html; no GPU was at hand.
    "cudnn_conv_algo_search": "HEURISTIC",
    # The default takes twice as much memory each time.
    "arena_extend_strategy": "kSameAsRequested",
}

_FATAL, _WARNING = 4, 2  # ONNX Runtime's log severities; it begins with warnings

_Run = Callable[[NDArray[np.float32], Any], NDArray[np.float32]]

# A new thread looks at the caller's event this often; stopping the run takes longer than that.
_CANCEL_POLL_SECONDS = 0.02

# What ONNX Runtime's allocators (CPU, BFC arena) and CUDA say when there is no memory left.
_OUT_OF_MEMORY = ("bad_alloc", "failed to allocate", "out of memory", "available memory of")


def open_on_cpu(data: bytes, threads: int) -> OnnxRuntimeSession:
    """Open a model on the CPU.

    Parameters
    ----------
    data : bytes
        A checked ONNX file.
    threads : int
        0 means one a core.

    Raises
    ------
    ModelError
        If ONNX Runtime refuses the model.
    MemoryError
        If memory does not suffice.
    """
    try:
        return OnnxRuntimeSession(_session(data, threads, [_CPU]))
    except Exception as error:  # onnxruntime's exceptions have no common base
        if _lacks_memory(error):
            raise MemoryError(one_line(error)) from error
        raise ModelError(f"ONNX Runtime cannot open the model: {one_line(error)}") from error


def open_on_cuda(data: bytes, threads: int) -> OnnxRuntimeSession:
    """Open a model on the GPU; never on the CPU.

    Parameters
    ----------
    data, threads
        As in `open_on_cpu`.

    Raises
    ------
    DeviceError
        If that fails, for whatever reason.
    """
    session, reason = _cuda_session(data, threads)
    if session is None:
        raise DeviceError(f"The GPU cannot be used: {reason}")
    return OnnxRuntimeSession(session, _DeviceBuffers(session).run, devices.free_cuda_memory())


class OnnxRuntimeSession:
    """A `sessions.Session` of ONNX Runtime.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
    run : callable, optional
        ``run(image, options)`` in place of the session's own way.
    free_memory : int, optional
        Bytes that are free on its GPU.
    """

    free_memory: int | None
    """See `sessions.Session`."""

    def __init__(
        self, session: Any, run: _Run | None = None, free_memory: int | None = None
    ) -> None:
        self._session = session
        self.free_memory = free_memory
        self._run = run or self._run_from_memory

    @property
    def device(self) -> Literal["cuda", "cpu"]:
        """What it has, not what was asked for."""
        return "cuda" if _uses_cuda(self._session) else "cpu"

    @property
    def inputs(self) -> list[tuple[str, str, list[Any]]]:
        """See `sessions.Session`."""
        return [_described(value) for value in self._session.get_inputs()]

    @property
    def outputs(self) -> list[tuple[str, str, list[Any]]]:
        """See `sessions.Session`."""
        return [_described(value) for value in self._session.get_outputs()]

    def run(
        self, image: NDArray[np.float32], cancel: threading.Event | None
    ) -> NDArray[np.float32]:
        """See `sessions.Session`."""
        options = _onnxruntime().RunOptions()
        try:
            with _terminated_by(cancel, options):
                return self._run(image, options)
        except Cancelled:
            raise
        except Exception as error:  # onnxruntime's exceptions have no common base
            if cancel is not None and cancel.is_set():
                raise Cancelled("Restoration was cancelled.") from None
            reason = one_line(error)
            if _lacks_memory(error):
                raise MemoryError(reason) from error
            if self.device == "cuda":
                raise DeviceError(f"The GPU failed: {reason}") from error
            raise ModelError(f"The model failed: {reason}") from error

    def _run_from_memory(self, image: NDArray[np.float32], options: Any) -> NDArray[np.float32]:
        output: NDArray[np.float32]
        (output,) = self._session.run([OUTPUT_NAME], {INPUT_NAME: image}, options)
        return output


class _DeviceBuffers:
    """Memory on the GPU for input and output, bound to a session and used for tile after tile.

    Bound buffers are not allocated anew for each tile, and copies go straight to and from them
    (onnxruntime.ai/docs/performance/tune-performance/iobinding.html). Those of the last shape are
    kept, a pair for each thread that ran at the same time: all tiles of a picture have one shape.

    No run is spent on warming up: the first tile pays for the choice of algorithms and for memory,
    and those after it have its shape.

    Memory on the side of the CPU is not pinned. `OrtValue` offers that of the device alone
    (`OrtDevice.make`; its `memory_info` is for providers that are plugins, which CUDA's in
    onnxruntime-gpu 1.31 is not). Pages pinned by ourselves would have to be copied to and from,
    which is what the driver does with others
    (developer.nvidia.com/blog/how-optimize-data-transfers-cuda-cc).
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._shape: tuple[int, ...] = ()
        self._free: list[tuple[Any, Any, Any]] = []

    def run(self, image: NDArray[np.float32], options: Any) -> NDArray[np.float32]:
        """Run the session once; what an exception leaves in the buffers is not used again."""
        count = len(image)
        if image.shape[1:] == self._shape[1:] and count < self._shape[0] <= 2 * count:
            # The last tiles of a picture: cheaper in the buffers of those before than as a shape of
            # their own.
            filling = np.zeros((self._shape[0] - count, *image.shape[1:]), np.float32)
            image = np.concatenate([image, filling])
        source, target, binding = self._taken(image.shape)
        source.update_inplace(image)  # returns when the GPU has all of it
        self._session.run_with_iobinding(binding, options)
        output: NDArray[np.float32] = target.numpy()  # a copy
        with self._lock:
            if self._shape == image.shape:
                self._free.append((source, target, binding))
        return output[:count]

    def _taken(self, shape: tuple[int, ...]) -> tuple[Any, Any, Any]:
        """Return input, output and their binding, which nobody else has."""
        with self._lock:
            if self._shape != shape:
                self._free.clear()  # before more memory is asked for
                self._shape = shape
            if self._free:
                return self._free.pop()
        new = _onnxruntime().OrtValue.ortvalue_from_shape_and_type
        source, target = (new(shape, np.float32, "cuda", 0) for _ in range(2))
        binding = self._session.io_binding()
        binding.bind_ortvalue_input(INPUT_NAME, source)
        binding.bind_ortvalue_output(OUTPUT_NAME, target)
        return source, target, binding


def _uses_cuda(session: Any) -> bool:
    return _CUDA in session.get_providers()


def _described(value: Any) -> tuple[str, str, list[Any]]:
    """Return an input's or output's name, dtype as numpy calls it, and shape."""
    return value.name, "float32" if value.type == "tensor(float)" else value.type, value.shape


@contextlib.contextmanager
def _terminated_by(cancel: threading.Event | None, options: Any) -> Iterator[None]:
    """Within it, setting `cancel` stops the run that has these options."""
    if cancel is None:
        yield
        return
    if cancel.is_set():
        raise Cancelled("Restoration was cancelled.")
    finished = threading.Event()
    # Ctrl-C can come between any two steps, also before `finished.set()`. This goes in any case.
    frame = _Frame()
    runs = weakref.ref(frame)

    def watch() -> None:
        while not finished.wait(_CANCEL_POLL_SECONDS) and runs() is not None:
            if cancel.is_set():
                options.terminate = True
                return

    watcher = threading.Thread(target=watch, name="argan-cancel", daemon=True)
    try:
        watcher.start()
        yield
    finally:
        finished.set()
        if watcher.ident is not None:  # it was started
            watcher.join()


class _Frame:
    """Lives as long as the call that holds it."""


def _cuda_session(data: bytes, threads: int) -> tuple[Any, str]:
    """Return a session that runs on the GPU, or None and the reason why not."""
    onnxruntime = _onnxruntime()
    if _CUDA not in onnxruntime.get_available_providers():
        return None, devices.missing_provider_reason()
    printed = io.StringIO()
    # What it would write to stderr about missing libraries is said by the reason.
    onnxruntime.set_default_logger_severity(_FATAL)
    try:
        with contextlib.redirect_stdout(printed):
            onnxruntime.preload_dlls()
        session = _session(data, threads, [(_CUDA, _CUDA_OPTIONS), _CPU])
    except Exception as error:  # onnxruntime's exceptions have no common base
        return None, one_line(error)
    finally:
        onnxruntime.set_default_logger_severity(_WARNING)
    if _uses_cuda(session):
        return session, ""
    return None, devices.missing_library_reason(printed.getvalue())


def _session(data: bytes, threads: int, providers: list[Any]) -> Any:
    """Return a session with this project's settings."""
    onnxruntime = _onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL  # what fails is raised
    options.intra_op_num_threads = threads
    # Blocks that are used again and again: they grow to what the largest tile takes (390 MB for the
    # shipped model) and no further. Without them images of changing sizes cut the heap of the C
    # library into pieces: 500 of them grew a process by 223 MB. See benchmarks/memory.json.
    options.enable_cpu_mem_arena = True
    # A plan for each shape of tile asks for its block as a whole, and four shapes for 330 MB.
    options.enable_mem_pattern = False
    # Threads that spin between two tiles would take the processor from the program around.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Never ONNX Runtime's own format, which the checks of the file did not read.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return onnxruntime.InferenceSession(data, options, providers=providers, enable_fallback=0)


def _onnxruntime() -> Any:
    """Import ONNX Runtime, which takes 0.2 s, only when a model is opened."""
    import onnxruntime

    return onnxruntime


def _lacks_memory(error: Exception) -> bool:
    # All of the message: what matters comes after long names of nodes and files.
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(words in said for words in _OUT_OF_MEMORY)
