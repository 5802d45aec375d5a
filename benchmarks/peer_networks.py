"""The layers of the networks that ours is compared with, as ONNX files of random weights.

Their speed hangs on their layers alone, so no weights are needed to measure it:

- AR-CNN: Dong et al., "Compression Artifacts Reduction by a Deep Convolutional Network", ICCV 2015,
  https://arxiv.org/abs/1504.06993, section 3.2: 9x9 to 64 channels, 7x7 to 32, 1x1 to 16, 5x5 to 1.
- DnCNN-3: Zhang et al., "Beyond a Gaussian Denoiser", IEEE TIP 2017,
  https://arxiv.org/abs/1608.03981, section III: 20 convolutions of 3x3 with 64 channels, whose
  result is taken from the input. Its BatchNorm is left out: it folds into the convolutions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from argan_plugin.sessions import INPUT_NAME, OUTPUT_NAME

_OPSET = 17


@dataclass(frozen=True, kw_only=True)
class PeerNetwork:
    """A chain of convolutions with a ReLU between each two."""

    name: str
    layers: tuple[tuple[int, int], ...]
    """Side of the kernel and channels that come out, for each convolution."""
    residual: bool
    """Whether the result is subtracted from the input."""

    @property
    def radius(self) -> int:
        """How far, in pixels, the result at a pixel depends on its surroundings."""
        return sum(side // 2 for side, _ in self.layers)

    @property
    def kflop_per_pixel(self) -> float:
        """Thousands of floating-point operations for a pixel; a multiply-add is two."""
        channels = [1, *(out for _, out in self.layers)]
        return sum(
            2 * side * side * before * after / 1e3
            for (side, _), before, after in zip(
                self.layers, channels[:-1], channels[1:], strict=True
            )
        )

    def save(self, path: Path) -> None:
        """Write the ONNX file: float32 ``(batch, 1, height, width)`` to the same shape."""
        random = np.random.default_rng(0)
        nodes, weights, name, channels = [], [], INPUT_NAME, 1
        for number, (side, out) in enumerate(self.layers):
            shape = (out, channels, side, side)
            # He's scale keeps the values finite through twenty layers
            scale = np.sqrt(2 / (channels * side * side))
            kernel = (random.standard_normal(shape) * scale).astype(np.float32)
            weights.append(numpy_helper.from_array(kernel, f"kernel{number}"))
            weights.append(numpy_helper.from_array(np.zeros(out, np.float32), f"bias{number}"))
            last = number == len(self.layers) - 1
            result = OUTPUT_NAME if last and not self.residual else f"features{number}"
            inputs = [name, f"kernel{number}", f"bias{number}"]
            nodes.append(helper.make_node("Conv", inputs, [result], pads=[side // 2] * 4))
            name, channels = result, out
            if not last:
                nodes.append(helper.make_node("Relu", [name], [f"active{number}"]))
                name = f"active{number}"
        if self.residual:
            nodes.append(helper.make_node("Sub", [INPUT_NAME, name], [OUTPUT_NAME]))
        image = ["batch", 1, "height", "width"]
        graph = helper.make_graph(
            nodes,
            self.name,
            [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, image)],
            [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, image)],
            weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
        model.ir_version = 9  # of opset 17's time: older runtimes read it
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)


ARCNN = PeerNetwork(name="AR-CNN", layers=((9, 64), (7, 32), (1, 16), (5, 1)), residual=False)
DNCNN3 = PeerNetwork(name="DnCNN-3", layers=((3, 64),) * 19 + ((3, 1),), residual=True)
