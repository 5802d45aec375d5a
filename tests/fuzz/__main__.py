"""Fuzz the command: ``python -m tests.fuzz --runs 100000``, or ``--engine atheris``.

Each run writes a damaged picture and has the command restore it with a tiny model. Whatever the
bytes, there must be an output and exit code 0, or one line that says why there is none and exit
code 1; nothing else may be printed or left behind, and no run may take more than 10 s of work. The
memory of the process is limited. Findings are written to files. A crash or a hang ends the process,
and the folder that is named at the beginning has the file, ``input``, and what was ``said``.

The engine "mutations" damages the seeds in `corpus` at random: the same seed gives the same files.
"atheris" is libFuzzer, which keeps what reaches new lines of Pillow's and this project's Python
(``pip install atheris``, https://github.com/google/atheris).
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import platform
import resource
import sys
import tempfile
import time
import traceback
from pathlib import Path
from random import Random
from typing import Any

CORPUS = Path(__file__).with_name("corpus")
_MEMORY = 4 << 30  # bytes of address space; ONNX Runtime and Pillow reserve about one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=("mutations", "atheris"), default="mutations")
    parser.add_argument("--findings", type=Path, default=Path("build/fuzz"))
    options = parser.parse_args()
    options.findings.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads that wait for each other cost time
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    memory = Path("/dev/shm")  # each run writes two files, which need not see a disk
    folder = Path(tempfile.mkdtemp(prefix="argan-fuzz-", dir=memory if memory.is_dir() else None))
    print(f"working in {folder}", flush=True)
    fuzz = _fuzz_atheris if options.engine == "atheris" else _fuzz_mutations
    sys.exit(fuzz(folder, options))


def _fuzz_mutations(folder: Path, options: argparse.Namespace) -> int:
    from tests.fuzz.mutations import mutated

    command = _command(folder)
    seeds = [path.read_bytes() for path in sorted(CORPUS.iterdir())]
    restored = found = 0
    for data in seeds:  # as they are, so that what every process needs once is there
        command.run(data, Random(0))
    before = _peak()
    started = time.process_time()
    for run in range(options.runs):
        random = Random(f"{options.seed}:{run}")
        data = mutated(random, seeds)
        try:
            restored += command.run(data, random)
        except Exception as error:
            found += 1
            (options.findings / f"{options.seed}-{run}").write_bytes(data)
            print(f"{options.seed}-{run}: {error}", flush=True)
            if not str(error).startswith("argan:"):
                traceback.print_exc()
        if (run + 1) % 10_000 == 0:
            print(f"{run + 1} runs, {found} findings", flush=True)
    figures: dict[str, Any] = {
        "runs": options.runs,
        "seed": options.seed,
        "restored": restored,
        "refused": options.runs - restored - found,
        "findings": found,
        "seconds of work": round(time.process_time() - started),
        "slowest run in seconds": round(command.slowest, 2),
        "peak memory in MB": round(_peak()),
        "of it before the first run": round(before),
        "python": platform.python_version(),
        "pillow": __import__("PIL").__version__,
    }
    print(json.dumps(figures, indent=2))
    return int(found > 0)


def _fuzz_atheris(folder: Path, options: argparse.Namespace) -> int:
    import atheris

    with atheris.instrument_imports(include=["PIL", "argan_plugin"]):
        command = _command(folder)

    def run(data: bytes) -> None:
        command.run(data, Random(len(data)))

    grown = folder / "corpus"
    grown.mkdir()
    arguments = [sys.argv[0], f"-runs={options.runs}", f"-seed={options.seed + 1}", "-max_len=8192"]
    arguments += ["-timeout=10", f"-artifact_prefix={options.findings}/", str(grown), str(CORPUS)]
    atheris.Setup(arguments, run)
    atheris.Fuzz()  # which ends the process
    return 0


def _command(folder: Path) -> Any:
    import onnx
    from PIL import Image

    from tests.conftest import tiny_model
    from tests.fuzz.command import Command

    Image.init()  # all formats now, not one after the other in the first runs
    model = folder / "tiny.onnx"
    onnx.save(tiny_model(), model)
    return Command(folder, model)


def _peak() -> float:
    """Return the largest memory that the process had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1e6 if sys.platform == "darwin" else 1e3
    )


if __name__ == "__main__":
    main()
