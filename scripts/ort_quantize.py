"""Quantizes a model with onnxruntime.quantization: the reference for our own quantizer.

Static int8 in QDQ form, weights per channel, activation ranges from a folder of prepared
inputs (see tensor_files.py). Prints one line of JSON on stdout; everything else goes to stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quant_pre_process,
    quantize_static,
)

from tensor_files import input_shape, read_folder

METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}
ACTIVATIONS = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}


class FolderReader(CalibrationDataReader):
    """Hands calibration inputs to onnxruntime one at a time."""

    def __init__(self, name: str, inputs: list[np.ndarray]) -> None:
        self._feeds = iter([{name: value} for value in inputs])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._feeds, None)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="the float .onnx file")
    parser.add_argument("output", type=Path, help="the int8 .onnx file to write")
    parser.add_argument("--inputs", type=Path, required=True, help="folder of calibration inputs")
    parser.add_argument("--method", choices=METHODS, default="minmax")
    parser.add_argument("--activations", choices=ACTIVATIONS, default="uint8")
    parser.add_argument("--per-tensor", action="store_true", help="one scale for a whole weight")
    return parser.parse_args()


def read_calibration(model: Path, folder: Path) -> tuple[str, list[np.ndarray]]:
    session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    name, shape = input_shape(session)
    return name, read_folder(folder, shape)


def quantize(arguments: argparse.Namespace) -> dict:
    started = time.monotonic()
    name, inputs = read_calibration(arguments.model, arguments.inputs)
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        # Folds batch normalization, as onnxruntime recommends before it quantizes.
        quant_pre_process(arguments.model, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            arguments.output,
            FolderReader(name, inputs),
            quant_format=QuantFormat.QDQ,
            per_channel=not arguments.per_tensor,
            activation_type=ACTIVATIONS[arguments.activations],
            weight_type=QuantType.QInt8,
            calibrate_method=METHODS[arguments.method],
        )
    return {
        "output": str(arguments.output),
        "bytes": arguments.output.stat().st_size,
        "method": arguments.method,
        "calibration_inputs": len(inputs),
        "seconds": round(time.monotonic() - started, 1),
        "version": ort.__version__,
    }


def main() -> int:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            report = quantize(parse_arguments())
    except (ValueError, OSError) as error:
        print(f"ort_quantize: {error}", file=sys.stderr)
        return 1
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
