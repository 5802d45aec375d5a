"""A dask cluster that exists already: connect, and make sure that its workers can do the work."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from argan_plugin import __version__
from argan_plugin.errors import ArganError, DeviceError, ImageFileError
from argan_plugin.files import strict_decoding
from argan_plugin.resume import sha256_of
from argan_plugin.weights import find_model, model_names

if TYPE_CHECKING:
    from distributed import Client

_SECONDS = 10.0
"""How long to wait for the scheduler, and for the first worker."""

_SAMPLES = 20
"""So many files are looked for by each worker before the work."""

_SAME_PATHS = (
    "All workers need the same files under the same paths, as on a network file system that is "
    "mounted everywhere."
)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must be so on each worker."""

    version: str
    """Of this package."""

    model: str | None
    """As `find_model` takes it."""

    model_sha256: str
    """Of the model's file."""

    sources: Sequence[tuple[str, int]]
    """Absolute paths of files, with their sizes in bytes."""

    written: str
    """An absolute path that this process has just made in the output folder."""


@contextlib.contextmanager
def connected(address: str) -> Iterator[Client]:
    """Give a client of the cluster, which has a worker at least.

    Parameters
    ----------
    address : str
        Of the scheduler, as ``tcp://host:8786``.

    Raises
    ------
    DeviceError
        If dask.distributed is not installed, there is no scheduler, or it has no worker.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise DeviceError(
            '--dask needs dask.distributed. Install it with `pip install "argan-plugin[scale]"`.'
        ) from error
    try:
        client = Client(address, timeout=_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:  # ValueError: no such protocol
        raise DeviceError(
            f"There is no dask scheduler at {address}: {error}. Start one with `dask scheduler`, "
            "and give the address that it prints."
        ) from error
    with client, client.as_current():
        try:
            client.wait_for_workers(1, timeout=_SECONDS)
        except TimeoutError as error:
            raise DeviceError(
                f"The dask scheduler at {address} has no worker. Start some with "
                f"`dask worker {address}`."
            ) from error
        yield client


@contextlib.contextmanager
def strict_workers(client: Client, max_pixels: int) -> Iterator[None]:
    """Have `strict_decoding` on all workers, also those that join later.

    It sets up whole processes, so it is not for single tasks, which run in threads.
    """
    from distributed import WorkerPlugin

    class Decoding(WorkerPlugin):
        name = f"argan-decoding-{secrets.token_hex(8)}"

        def setup(self, worker: Any) -> None:  # noqa: ARG002 - dask's signature
            self._settings = contextlib.ExitStack()
            self._settings.enter_context(strict_decoding(max_pixels))

        def teardown(self, worker: Any) -> None:  # noqa: ARG002 - dask's signature
            self._settings.close()

    client.register_plugin(Decoding())
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # the scheduler is gone
            client.unregister_worker_plugin(Decoding.name)


def model_for_workers(model: str | os.PathLike[str] | None) -> str:
    """Return a name that means the same model on each worker: a shipped one lies elsewhere there.

    Raises
    ------
    ModelError
        If there is no such model.
    """
    path = find_model(model)
    shipped = {os.fspath(find_model(name)): name for name in model_names()}
    return shipped.get(os.fspath(path), os.fspath(path))


def check_workers(client: Client, model: str, sources: Sequence[Path], folder: Path) -> None:
    """Make sure that each worker has the model, sees the files and can write the outputs.

    Parameters
    ----------
    client : distributed.Client
    model : str
        From `model_for_workers`.
    sources : sequence of Path
        All files to read, of which some are looked for.
    folder : Path
        The output folder, which is made.

    Raises
    ------
    DeviceError
        If a worker has another version of this package or of the model, or none.
    ImageFileError
        If a worker does not see what this process sees.
    """
    step = max(1, len(sources) // _SAMPLES)
    sizes = [
        (str(path.absolute()), path.stat().st_size) for path in sources[::step] if path.is_file()
    ]
    probe = folder.absolute() / f".argan-{secrets.token_hex(8)}"  # `remove_leftovers` knows it
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
    except OSError as error:
        raise ImageFileError(f"{folder}: cannot be written: {error.strerror}.") from error
    expected = Expectation(__version__, model, sha256_of(find_model(model)), sizes, str(probe))
    try:
        problems = client.run(_problem, expected)
    except (ImportError, AttributeError) as error:
        raise DeviceError(
            f"The workers have no argan-plugin {__version__}: {error}. Install it where they run."
        ) from error
    finally:
        probe.unlink(missing_ok=True)
    for worker, problem in problems.items():
        if problem is not None:
            raise type(problem)(f"The worker {worker}: {problem}")


def _problem(expected: Expectation) -> ArganError | None:
    """Say what is amiss on this worker."""
    if __version__ != expected.version:
        return DeviceError(
            f"it has argan-plugin {__version__}, but {expected.version} is needed, as here."
        )
    try:
        if sha256_of(find_model(expected.model)) != expected.model_sha256:
            return DeviceError(f"its model {expected.model} is another than the one here.")
    except OSError:
        return ImageFileError(f"it cannot see the model {expected.model}. {_SAME_PATHS}")
    for path, size in expected.sources:
        if not os.access(path, os.R_OK):
            return ImageFileError(f"it cannot see {path}. {_SAME_PATHS}")
        if Path(path).stat().st_size != size:
            return ImageFileError(f"its {path} is another file than the one here. {_SAME_PATHS}")
    probe = Path(expected.written)
    if not probe.exists():
        return ImageFileError(f"its {probe.parent} is not the one here. {_SAME_PATHS}")
    if not os.access(probe.parent, os.W_OK):
        return ImageFileError(f"it may not write to {probe.parent}.")
    return None
