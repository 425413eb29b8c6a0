"""Rebuilds ``ge2e.onnx`` from the checkpoint in Resemblyzer's wheel; README.md beside it says how and from what.

No exporter: the network is three LSTMs and one layer, so the graph is written down here. PyTorch only reads the checkpoint.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

__all__ = ["convert"]

LAYERS, SIZE, CHANNELS = 3, 256, 40
HALF = np.dtype(np.float16)  # half the bytes; the prints differ in the fourth decimal
SMALLEST = 1e-6  # below the norm of any print: silence gives zeros, not a division by zero

Array = NDArray[np.float32]


def convert(checkpoint: Path, target: Path) -> None:
    """Write the encoder: ``mel`` (n, frames, 40) float32 gives ``print`` (n, 256) float32 of unit length."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["model_state"]
    weights = {name: value.numpy() for name, value in state.items()}
    nodes = [helper.make_node("Transpose", ["mel"], ["steps"], perm=[1, 0, 2])]
    held: list[onnx.TensorProto] = []

    def hold(name: str, value: Array) -> str:
        held.append(numpy_helper.from_array(value.astype(HALF), f"{name}_half"))
        nodes.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
        return name

    heard = "steps"
    for layer in range(LAYERS):
        inputs = [
            hold(f"input_{layer}", _gates(weights[f"lstm.weight_ih_l{layer}"])[None]),
            hold(f"recurrent_{layer}", _gates(weights[f"lstm.weight_hh_l{layer}"])[None]),
            hold(f"bias_{layer}", _biases(weights, layer)),
        ]
        outputs = [f"all_{layer}", f"last_{layer}"]
        nodes.append(helper.make_node("LSTM", [heard, *inputs], outputs, hidden_size=SIZE))
        nodes.append(helper.make_node("Squeeze", [f"all_{layer}", "directions"], [f"out_{layer}"]))
        heard = f"out_{layer}"
    numbers = [
        numpy_helper.from_array(np.array([1], np.int64), "directions"),
        numpy_helper.from_array(np.array([0], np.int64), "first"),
        numpy_helper.from_array(np.array(SMALLEST, np.float32), "smallest"),
    ]
    dense = [hold("dense", weights["linear.weight"]), hold("dense_bias", weights["linear.bias"])]
    nodes += [
        helper.make_node("Squeeze", [f"last_{LAYERS - 1}", "first"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", *dense], ["raw"], transB=1),
        helper.make_node("Relu", ["raw"], ["positive"]),
        helper.make_node("ReduceL2", ["positive", "directions"], ["length"]),
        helper.make_node("Max", ["length", "smallest"], ["divisor"]),
        helper.make_node("Div", ["positive", "divisor"], ["print"]),
    ]
    graph = helper.make_graph(
        nodes,
        "ge2e",
        [helper.make_tensor_value_info("mel", TensorProto.FLOAT, ["n", "frames", CHANNELS])],
        [helper.make_tensor_value_info("print", TensorProto.FLOAT, ["n", SIZE])],
        [*held, *numbers],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    target.write_bytes(model.SerializeToString())


def _gates(weight: Array) -> Array:
    """PyTorch stacks the gates input, forget, cell, output; ONNX wants input, output, forget, cell."""
    entry, forget, cell, leave = np.split(weight, 4)
    return np.concatenate([entry, leave, forget, cell])


def _biases(weights: dict[str, Array], layer: int) -> Array:
    return np.concatenate([_gates(weights[f"lstm.bias_{which}_l{layer}"]) for which in ("ih", "hh")])[None]


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
