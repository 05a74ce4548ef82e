"""The peer of our benchmarks: ONNX Runtime in Python, one thread, batch 1.

It obeys one command a line and answers each with one line of JSON, so that the
benchmark can take turns between this process and our own:

    load NAME MODEL FOLDER   {"loaded": NAME, "inputs": count, "version": "…"}
    run NAME COUNT           {"name": NAME, "cpu_ms": [COUNT figures]}
    quit                     (or the end of stdin)

MODEL is an .onnx file, FOLDER holds its prepared inputs (see tensor_files.py), which are
taken in turn. A figure is the CPU time of this whole process during one run. What fails is
answered with {"error": "…"} and changes nothing. Paths are quoted as in a shell.
"""

from __future__ import annotations

import gc
import json
import os
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path

# numpy's BLAS threads spin while idle, and their time would be counted as the model's.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import onnxruntime as ort

from tensor_files import input_shape, read_folder


@dataclass
class Loaded:
    """A model with its inputs; `turn` is the input that comes next."""

    session: ort.InferenceSession
    input_name: str
    inputs: list[np.ndarray]
    turn: int = 0

    def run_once(self) -> float:
        feed = {self.input_name: self.inputs[self.turn % len(self.inputs)]}
        self.turn += 1
        started = time.process_time_ns()
        self.session.run(None, feed)
        return (time.process_time_ns() - started) / 1e6


def open_session(model: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    return ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def load(models: dict[str, Loaded], name: str, model: str, folder: str) -> dict:
    session = open_session(Path(model))
    input_name, shape = input_shape(session)
    loaded = Loaded(session, input_name, read_folder(Path(folder), shape))
    for _ in range(3):  # the first runs allocate
        loaded.run_once()
    loaded.turn = 0
    models[name] = loaded
    return {"loaded": name, "inputs": len(loaded.inputs), "version": ort.__version__}


def run(models: dict[str, Loaded], name: str, count: str) -> dict:
    if name not in models:
        raise ValueError(f"no model {name!r} is loaded")
    gc.disable()
    try:
        return {"name": name, "cpu_ms": [models[name].run_once() for _ in range(int(count))]}
    finally:
        gc.enable()


def answer(models: dict[str, Loaded], words: list[str]) -> dict:
    match words:
        case ["load", name, model, folder]:
            return load(models, name, model, folder)
        case ["run", name, count]:
            return run(models, name, count)
        case _:
            raise ValueError("commands are: load NAME MODEL FOLDER | run NAME COUNT | quit")


def main() -> None:
    models: dict[str, Loaded] = {}
    for line in sys.stdin:
        if line.strip() == "quit":
            break
        try:
            reply = answer(models, shlex.split(line))
        except Exception as error:  # noqa: BLE001 - the benchmark decides what a failure means
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
