"""Lays the proofs' fixed data sets under .cache/data/<name>/ as .npy files.

`datasets.py [NAME ...]`: all of tests/assets/datasets.toml, or those named. Only this script
fetches them, never `make setup`. A file whose digest is the table's is left alone; one that
comes out different is an error, and nothing is laid. Splits are fixed, in the order of the files.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from pathlib import Path

import numpy as np

import rda

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests" / "assets" / "datasets.toml"
DATA = ROOT / ".cache" / "data"
PACKAGES = ROOT / ".cache" / "packages"
FETCH_SECONDS = 600

Arrays = dict[str, np.ndarray]


class DatasetError(Exception):
    """A data set can't be laid; the text names the cure."""


# --- Packages: fetched, never installed. ---


def run(command: list[str], cure: str) -> None:
    try:
        done = subprocess.run(
            command, cwd=PACKAGES, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DatasetError(f"{command[0]}: {error}: {cure}") from error
    if done.returncode != 0:
        raise DatasetError(f"`{' '.join(command)}` failed: {done.stderr.strip()[-500:]}\n  cure: {cure}")


def fetch(kind: str, name: str, version: str) -> None:
    match kind:
        case "debian":
            # Any version will do whose files have the table's digests.
            cure = "`sudo apt-get update`, or put the package's .deb into .cache/packages"
            run(["apt-get", "download", name], cure)
        case "npm":
            run(["npm", "pack", "--silent", f"{name}@{version}"], "is the npm registry reachable?")
        case "pypi":
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            run([*pip, "--only-binary", ":all:", f"{name}=={version}"], "is the package index reachable?")
        case _:
            raise DatasetError(f"{TABLE.name}: packages of kind {kind} are not known")


def archive(package: str) -> Path:
    """The package's file; `package` is kind:name==version, or debian:name."""
    kind, _, rest = package.partition(":")
    name, _, version = rest.partition("==")
    pattern = f"{name}_*.deb" if kind == "debian" else f"{name}-{version}*"
    PACKAGES.mkdir(parents=True, exist_ok=True)
    if not any(PACKAGES.glob(pattern)):
        print(f"data: {package} …", file=sys.stderr, flush=True)
        fetch(kind, name, version)
    found = sorted(PACKAGES.glob(pattern))
    if not found:
        raise DatasetError(f"{package}: no {pattern} in {PACKAGES}: fetch it by hand")
    return found[-1]


def member(path: Path, name: str) -> bytes:
    """The bytes of a file inside a package."""
    try:
        if path.suffix == ".deb":
            done = subprocess.run(
                ["dpkg-deb", "--fsys-tarfile", path], capture_output=True, timeout=FETCH_SECONDS, check=True
            )
            with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
                return tar.extractfile(f"./{name}").read()
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                return wheel.read(name)
        with tarfile.open(path) as tar:
            return tar.extractfile(name).read()
    except (OSError, KeyError, tarfile.TarError, zipfile.BadZipFile, subprocess.SubprocessError) as error:
        raise DatasetError(f"{path}: {name}: {error!r}: delete that file and try again") from error


class Sources:
    """The packages' files by the table's names, checked when they are read."""

    def __init__(self, entries: dict):
        self.entries = entries

    def read(self, name: str) -> bytes:
        entry = self.entries[name]
        path = archive(entry["package"])
        data = member(path, entry["path"])
        found = hashlib.sha256(data).hexdigest()
        if found != entry["sha256"]:
            raise DatasetError(
                f"{path}: {entry['path']} has SHA-256 {found}, {TABLE.name} says {entry['sha256']}:"
                " another version of the package; delete that file and try again"
            )
        return data


# --- Data sets. ---


def parts(rows: np.ndarray, labels: np.ndarray, in_test: np.ndarray) -> Arrays:
    return {
        "train_rows": rows[~in_test],
        "train_labels": labels[~in_test],
        "test_rows": rows[in_test],
        "test_labels": labels[in_test],
    }


def frame(sources: Sources, name: str, label: str, train: int, kind: type) -> Arrays:
    """A data frame whose first `train` rows are for training, the rest for testing."""
    columns = rda.read_frame(sources.read(name), name)
    labels = columns.pop(label).values
    rows = np.stack([column.values for column in columns.values()], axis=1)
    if not (rows == rows.astype(kind)).all():
        raise DatasetError(f"{name} holds numbers that {kind.__name__} can't hold")
    in_test = np.arange(len(rows)) >= train
    return parts(rows.astype(kind), labels.astype(np.uint16), in_test)


def mnist10k(sources: Sources) -> Arrays:
    """Ten files of pixels between 0 and 1, one a digit; every fifth image is for testing."""
    digits = [json.loads(sources.read(f"mnist {digit}"))["data"] for digit in range(10)]
    # Halves go up: none of the 256 values lies near one.
    images = [np.floor(np.array(d, np.float64) * 255 + 0.5).astype(np.uint8).reshape(-1, 784) for d in digits]
    labels = np.repeat(np.arange(10, dtype=np.uint16), [len(part) for part in images])
    rows = np.concatenate(images)
    return parts(rows, labels, np.arange(len(rows)) % 5 == 0)


def idx(data: bytes) -> np.ndarray:
    """An array of the MNIST family's files: magic 0, 0, 8 (bytes), rank, then the sizes."""
    data = gzip.decompress(data)
    rank = data[3]
    shape = np.frombuffer(data, ">u4", rank, 4).astype(int)
    return np.frombuffer(data, np.uint8, int(shape.prod()), 4 + 4 * rank).reshape(shape)


def fashion(sources: Sources) -> Arrays:
    arrays = {}
    for part in ("train", "test"):
        arrays[f"{part}_rows"] = idx(sources.read(f"fashion {part} images")).reshape(-1, 784)
        arrays[f"{part}_labels"] = idx(sources.read(f"fashion {part} labels")).astype(np.uint16)
    return arrays


class Plain(pickle.Unpickler):
    """Builds arrays and plain values, nothing else."""

    KNOWN = {
        ("numpy.core.multiarray", "_reconstruct"): ("numpy._core.multiarray", "_reconstruct"),
        ("_codecs", "encode"): ("_codecs", "encode"),
        ("numpy", "dtype"): ("numpy", "dtype"),
        ("numpy", "ndarray"): ("numpy", "ndarray"),
    }

    def find_class(self, module: str, name: str):
        if (module, name) not in self.KNOWN:
            raise DatasetError(f"the watch's file wants {module}.{name}")
        return super().find_class(*self.KNOWN[module, name])


def watch(sources: Sources) -> Arrays:
    """Recordings of a smart watch: 6 axes at 50 Hz, one of 7 exercises and 10 subjects each."""
    file = io.BytesIO(sources.read("watch"))
    np.lib.format.read_magic(file)
    np.lib.format.read_array_header_1_0(file)
    data = Plain(file).load().item()
    lengths = [len(recording) for recording in data["X"]]
    return {
        "samples": np.concatenate(data["X"]).astype(np.float32),
        "starts": np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint32),
        "labels": data["y"].astype(np.uint16),
        "subjects": data["subject"].astype(np.uint16),
    }


SETS = {
    "mnist10k": mnist10k,
    "letter": lambda sources: frame(sources, "LetterRecognition", "lettr", 15_000, np.uint8),
    "satellite": lambda sources: frame(sources, "Satellite", "classes", 4_435, np.uint8),
    "dna": lambda sources: frame(sources, "DNA", "Class", 2_000, np.uint8),
    "shuttle": lambda sources: frame(sources, "Shuttle", "Class", 43_500, np.float32),
    "fashion": fashion,
    "watch": watch,
}


# --- Laying them. ---


def encoded(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    little = array.astype(array.dtype.newbyteorder("<"))
    np.lib.format.write_array(file, np.ascontiguousarray(little), version=(1, 0), allow_pickle=False)
    return file.getvalue()


def is_laid(folder: Path, wanted: dict[str, str]) -> bool:
    if not wanted:
        return False
    for name, digest in wanted.items():
        path = folder / f"{name}.npy"
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            return False
    return True


def place(path: Path, data: bytes) -> None:
    """Writes a file under its final name only when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".part-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    finally:
        Path(partial).unlink(missing_ok=True)


def lay(name: str, sources: Sources, wanted: dict[str, str]) -> None:
    folder = DATA / name
    if is_laid(folder, wanted):
        return
    started = time.monotonic()
    files = {file: encoded(array) for file, array in SETS[name](sources).items()}
    found = {file: hashlib.sha256(data).hexdigest() for file, data in files.items()}
    if found != wanted:
        lines = "\n".join(f'{file} = "{digest}"' for file, digest in found.items())
        raise DatasetError(f"{name} came out different from {TABLE.name}:\n{lines}")
    for file, data in files.items():
        place(folder / f"{file}.npy", data)
    print(f"data: {name} in {time.monotonic() - started:.1f} s", file=sys.stderr)


def main() -> int:
    try:
        table = tomllib.loads(TABLE.read_text())
        names = sys.argv[1:] or list(SETS)
        unknown = sorted(set(names) - set(SETS))
        if unknown:
            raise DatasetError(f"{', '.join(unknown)}: there is only {', '.join(SETS)}")
        sources = Sources(table["source"])
        for name in names:
            lay(name, sources, table["set"].get(name, {}))
    except (DatasetError, rda.RdaError) as error:
        print(f"data: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
