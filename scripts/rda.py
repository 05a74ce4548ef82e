"""Reads data frames out of R's .rda files (serialization 2 or 3, XDR).

Only what data frames of numbers, factors and text need; anything else is refused. Layout: "R
Internals", section 1.8 (serialization formats).
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

LARGEST = 256 * 1024 * 1024
OPENERS = {b"\xfd7zXZ": lzma.decompress, b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress}

HAS_ATTRIBUTES, HAS_TAG = 0x200, 0x400


class Kind(IntEnum):
    """The types of items that are read."""

    NULL = 0
    SYMBOL = 1
    PAIRS = 2
    CHARACTERS = 9
    LOGICALS = 10
    INTEGERS = 13
    REALS = 14
    STRINGS = 16
    LIST = 19
    NULL_VALUE = 254
    REFERENCE = 255


class RdaError(Exception):
    """The file is not what this reader understands."""


@dataclass
class Value:
    """A vector or list, with R's attributes."""

    items: object
    attributes: dict = field(default_factory=dict)


class Reader:
    """A cursor over the serialized bytes."""

    def __init__(self, data: bytes):
        self.data = data
        self.position = 0
        self.symbols: list[str] = []

    def take(self, length: int) -> bytes:
        if length < 0 or self.position + length > len(self.data):
            raise RdaError(f"a part of {length} bytes at {self.position} does not fit into the file")
        self.position += length
        return self.data[self.position - length : self.position]

    def integer(self) -> int:
        return struct.unpack(">i", self.take(4))[0]

    def header(self) -> None:
        magic = self.take(7)
        if magic not in (b"RDX2\nX\n", b"RDX3\nX\n"):
            raise RdaError(f"the file starts with {magic!r}: not a binary .rda")
        version = self.integer()
        self.take(8)
        if version == 3:
            self.take(self.integer())

    def text(self) -> str | None:
        length = self.integer()
        return None if length == -1 else self.take(length).decode("utf-8", "replace")

    def vector(self, dtype: str, flags: int) -> Value:
        kind = np.dtype(dtype)
        items = np.frombuffer(self.take(self.integer() * kind.itemsize), kind)
        return Value(items, self.attributes(flags))

    def attributes(self, flags: int) -> dict:
        return self.item() if flags & HAS_ATTRIBUTES else {}

    def pairs(self, flags: int) -> dict:
        """A pair list as a dictionary by tag."""
        found = {}
        while flags & 0xFF == Kind.PAIRS:
            if flags & HAS_ATTRIBUTES:
                self.item()
            tag = self.item() if flags & HAS_TAG else None
            found[tag] = self.item()
            flags = self.integer()
        if flags & 0xFF not in (Kind.NULL, Kind.NULL_VALUE):
            raise RdaError(f"a pair list ends with an item of type {flags & 0xFF}")
        return found

    def symbol(self) -> str:
        if self.integer() & 0xFF != Kind.CHARACTERS:
            raise RdaError("a symbol has no name")
        name = self.text() or ""
        self.symbols.append(name)
        return name

    def reference(self, flags: int) -> str:
        index = (flags >> 8) or self.integer()
        if not 1 <= index <= len(self.symbols):
            raise RdaError(f"reference {index} points nowhere")
        return self.symbols[index - 1]

    def item(self) -> object:
        flags = self.integer()
        match flags & 0xFF:
            case Kind.NULL | Kind.NULL_VALUE:
                return {}
            case Kind.SYMBOL:
                return self.symbol()
            case Kind.PAIRS:
                return self.pairs(flags)
            case Kind.CHARACTERS:
                return self.text()
            case Kind.LOGICALS | Kind.INTEGERS:
                return self.vector(">i4", flags)
            case Kind.REALS:
                return self.vector(">f8", flags)
            case Kind.STRINGS | Kind.LIST:
                items = [self.item() for _ in range(self.integer())]
                return Value(items, self.attributes(flags))
            case Kind.REFERENCE:
                return self.reference(flags)
            case other:
                raise RdaError(f"items of type {other} are not understood")


@dataclass(frozen=True)
class Column:
    """A column: numbers, or a factor's codes from 0 with its levels."""

    values: np.ndarray
    levels: list[str] | None


def column(value: Value) -> Column:
    values = np.asarray(value.items)
    if values.dtype == np.dtype(">i4") and (values == -(2**31)).any():
        raise RdaError("a column has missing values")
    if values.dtype == np.dtype(">f8") and not np.isfinite(values).all():
        raise RdaError("a column has missing values")
    levels = value.attributes.get("levels")
    if levels is None:
        return Column(values, None)
    return Column(values - 1, levels.items)


def read_frame(data: bytes, name: str) -> dict[str, Column]:
    """The data frame `name` of an .rda file, its columns in the file's order."""
    for magic, opener in OPENERS.items():
        if data.startswith(magic):
            data = opener(data)
    if len(data) > LARGEST:
        raise RdaError(f"the file unpacks to more than {LARGEST} bytes")
    reader = Reader(data)
    reader.header()
    objects = reader.item()
    if not isinstance(objects, dict) or name not in objects:
        raise RdaError(f"there is no {name} in the file")
    frame = objects[name]
    names = frame.attributes["names"].items
    return {title: column(value) for title, value in zip(names, frame.items, strict=True)}
