"""Measure rewritten forms of the network's graph that give the same: docs/experiments.md.

``python -m benchmarks.structure`` rewrites layers in other words of ONNX, makes sure that the
result is the same up to rounding, and measures all forms in turn in ONNX Runtime on the CPU.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper

from argan_plugin.model_file import inspect_model, read_model_file
from argan_plugin.model_graph import INPUT_NAME, OUTPUT_NAME
from argan_plugin.weights import find_model
from benchmarks.conditions import conditions_now

_LARGEST_DIFFERENCE = 1e-5
"""Of results, black to white being 1: float32 sums in another order."""

HEADER = "| form | s/megapixel | against the present one | difference |\n|---|---|---|---|"

Rewrite = Callable[[GraphProto, NodeProto], list[NodeProto] | None]
"""From a node to the nodes that take its place, or None if it stays."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one form of the graph takes."""

    form: str
    seconds_per_megapixel: float
    """Processor time, the lowest of all rounds."""
    ratio: float
    """To the present form."""
    difference: float
    """Largest, of the results."""

    def __str__(self) -> str:
        """Return the row in Markdown."""
        return (
            f"| {self.form} | {self.seconds_per_megapixel:.3f} | {self.ratio - 1:+.1%} | "
            f"{self.difference:.1e} |"
        )


def up_by_shuffle(graph: GraphProto, node: NodeProto) -> list[NodeProto] | None:
    """Turn a transposed 2x2 convolution of stride 2 into a 1x1 one and a pixel shuffle."""
    if node.op_type != "ConvTranspose":
        return None
    weight, bias = (_constant(graph, name) for name in node.input[1:])
    if weight.shape[2:] != (2, 2):
        return None
    inside = len(weight)
    return [
        helper.make_node(
            "Conv",
            [
                node.input[0],
                _add(graph, node, "weight", weight.reshape(inside, -1).T[..., None, None]),
                _add(graph, node, "bias", bias.repeat(4)),
            ],
            [f"{node.output[0]}_blocks"],
        ),
        _shuffle(f"{node.output[0]}_blocks", node.output[0]),
    ]


def down_by_unshuffle(graph: GraphProto, node: NodeProto) -> list[NodeProto] | None:
    """Turn a 2x2 convolution of stride 2 into an inverse pixel shuffle and a 1x1 one."""
    if node.op_type != "Conv" or _constant(graph, node.input[1]).shape[2:] != (2, 2):
        return None
    weight = _constant(graph, node.input[1])
    outside, inside = weight.shape[:2]
    # SpaceToDepth puts the place in the block before the channel.
    flat = weight.transpose(0, 2, 3, 1).reshape(outside, 4 * inside, 1, 1)
    return [_unshuffle(node), _conv(graph, node, flat, padding=0)]


def stem_by_unshuffle(graph: GraphProto, node: NodeProto) -> list[NodeProto] | None:
    """Turn the 6x6 convolution of stride 2 into an inverse pixel shuffle and a 3x3 one."""
    if node.op_type != "Conv" or _constant(graph, node.input[1]).shape[2:] != (6, 6):
        return None
    weight = _constant(graph, node.input[1])[:, 0].reshape(-1, 3, 2, 3, 2)
    return [
        _unshuffle(node),
        _conv(graph, node, weight.transpose(0, 2, 4, 1, 3).reshape(-1, 4, 3, 3)),
    ]


def sum_by_convolution(graph: GraphProto, node: NodeProto) -> list[NodeProto] | None:
    """Send the sum of a skip and what comes up through a 1x1 convolution that changes nothing.

    ONNX Runtime keeps what its convolutions give in blocks of channels, as the next ones want it,
    and adds the residual blocks behind it to that; a sum of its own lies in planes.
    """
    ups = (
        other
        for other in graph.node
        if other.op_type == "ConvTranspose" and other.output[0] in node.input
    )
    up = next(ups, None)
    if node.op_type != "Add" or up is None:
        return None
    width = len(_constant(graph, up.input[2]))
    ones = _add(graph, node, "ones", np.ones((width, 1, 1, 1), np.float32))
    planes = f"{node.output[0]}_planes"
    return [
        helper.make_node("Add", node.input, [planes]),
        helper.make_node("Conv", [planes, ones], node.output, group=width),
    ]


FORMS: dict[str, Sequence[Rewrite]] = {
    "present": (),
    "transposed convolutions as 1x1 and pixel shuffle": (up_by_shuffle,),
    "strided 2x2 convolutions as inverse pixel shuffle and 1x1": (down_by_unshuffle,),
    "stem as inverse pixel shuffle and 3x3": (stem_by_unshuffle,),
    "sums with skips through a 1x1 convolution of ones": (sum_by_convolution,),
}


def rewritten(model: ModelProto, rewrites: Sequence[Rewrite]) -> ModelProto:
    """Return a copy of a model with nodes replaced."""
    result = ModelProto()
    result.CopyFrom(model)
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        found = [
            new for new in (rewrite(result.graph, node) for rewrite in rewrites) if new is not None
        ]
        nodes += found[0] if found else [node]
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    onnx.checker.check_model(result)
    return result


def measure(model: ModelProto, *, side: int, rounds: int, threads: int) -> list[Row]:
    """Return the rows of all forms, measured in turn.

    Raises
    ------
    ValueError
        If a form gives another result.
    """
    image = np.random.default_rng(0).random((1, 1, side, side), np.float32)
    sessions = {name: _session(rewritten(model, FORMS[name]), threads) for name in FORMS}
    results = {name: _run(session, image) for name, session in sessions.items()}
    seconds = dict.fromkeys(FORMS, float("inf"))
    for _ in range(rounds):
        for name, session in sessions.items():
            started = time.process_time()
            _run(session, image)
            seconds[name] = min(seconds[name], time.process_time() - started)
    rows = []
    for name in FORMS:
        difference = float(np.abs(results[name] - results["present"]).max())
        if difference > _LARGEST_DIFFERENCE:
            raise ValueError(f"{name}: the result differs by {difference}")
        rows.append(
            Row(
                form=name,
                seconds_per_megapixel=seconds[name] / image.size * 1e6,
                ratio=seconds[name] / seconds["present"],
                difference=difference,
            )
        )
    return rows


def _session(model: ModelProto, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns of the constants that are not used any more
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    data = model.SerializeToString()
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _run(session: Any, image: NDArray[np.float32]) -> NDArray[np.float32]:
    output: NDArray[np.float32] = session.run([OUTPUT_NAME], {INPUT_NAME: image})[0]
    return output


def _constant(graph: GraphProto, name: str) -> NDArray[Any]:
    (found,) = (tensor for tensor in graph.initializer if tensor.name == name)
    return numpy_helper.to_array(found)


def _add(graph: GraphProto, node: NodeProto, kind: str, values: NDArray[Any]) -> str:
    """Add a constant and return its name."""
    name = f"{node.output[0]}_{kind}"
    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
    return name


def _shuffle(source: str, target: str) -> NodeProto:
    return helper.make_node("DepthToSpace", [source], [target], blocksize=2, mode="CRD")


def _unshuffle(node: NodeProto) -> NodeProto:
    return helper.make_node(
        "SpaceToDepth", [node.input[0]], [f"{node.output[0]}_flat"], blocksize=2
    )


def _conv(
    graph: GraphProto, node: NodeProto, weight: NDArray[Any], *, padding: int = 1
) -> NodeProto:
    """Return a convolution of what `_unshuffle` gives, with the bias of the node."""
    inputs = [f"{node.output[0]}_flat", _add(graph, node, "weight", weight), node.input[2]]
    return helper.make_node("Conv", inputs, node.output, pads=[padding] * 4)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.structure", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--model", metavar="NAME|PATH", help="by default the default model")
    parser.add_argument("--side", type=int, default=1024, metavar="N", help="of the picture")
    parser.add_argument("--rounds", type=int, default=7, metavar="N")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    options = parser.parse_args(arguments)
    data = read_model_file(find_model(options.model))
    conditions = conditions_now(inspect_model(data), options.threads)
    model = onnx.load_from_string(data)
    print(HEADER)
    for row in measure(model, side=options.side, rounds=options.rounds, threads=options.threads):
        print(row)
    print(f"\n{conditions}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
