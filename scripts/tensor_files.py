"""Reads a folder of prepared model inputs: `*.npy`, or `*.f32` (raw little-endian floats)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort


def input_shape(session: ort.InferenceSession) -> tuple[str, list[int]]:
    """Name and shape of a model's only input; free dimensions count as 1."""
    inputs = session.get_inputs()
    if len(inputs) != 1:
        raise ValueError(f"the model has {len(inputs)} inputs, one is expected")
    shape = [size if isinstance(size, int) and size > 0 else 1 for size in inputs[0].shape]
    return inputs[0].name, shape


def read_tensor(path: Path, shape: list[int]) -> np.ndarray:
    """One input as contiguous float32 of `shape`; a raw file says nothing about its own."""
    values = np.load(path, allow_pickle=False) if path.suffix == ".npy" else np.fromfile(path, "<f4")
    if values.dtype != np.float32:
        raise ValueError(f"{path} holds {values.dtype}, float32 is expected")
    if values.size != int(np.prod(shape)):
        raise ValueError(f"{path} holds {values.size} values, the model takes {shape}")
    return np.ascontiguousarray(values.reshape(shape))


def read_folder(folder: Path, shape: list[int]) -> list[np.ndarray]:
    """Every input of a folder in the order of the file names."""
    paths = sorted(p for p in folder.iterdir() if p.suffix in {".npy", ".f32"})
    if not paths:
        raise ValueError(f"{folder} holds no .npy or .f32 file")
    return [read_tensor(path, shape) for path in paths]
