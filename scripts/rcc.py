"""Reads Qt's compiled resources (.rcc, formats 1 to 3): a tree of names, and the files' bytes."""

from __future__ import annotations

import struct
import zlib

COMPRESSED, FOLDER = 1, 2
HEADER = struct.Struct(">4sIIII")


class RccError(Exception):
    """The bytes are no resources that are understood here."""


class Resources:
    """The files in an .rcc file, by their path."""

    def __init__(self, data: bytes):
        try:
            magic, version, self._tree, self._data, self._names = HEADER.unpack_from(data)
        except struct.error as error:
            raise RccError("too short for an .rcc file") from error
        if magic != b"qres" or version not in (1, 2, 3):
            raise RccError(f"not an .rcc file of a known version: {magic!r} {version}")
        self._bytes = data
        self._entry = 14 if version == 1 else 22

    def read(self, path: str) -> bytes:
        """The bytes of the file at `path`, whose names are separated by slashes."""
        try:
            place = 0
            for name in path.strip("/").split("/"):
                place = self._child(place, name)
            return self._content(place)
        except (struct.error, KeyError, zlib.error, UnicodeDecodeError) as error:
            raise RccError(f"{path}: not in the resources: {error!r}") from error

    def _child(self, place: int, wanted: str) -> int:
        start = self._tree + place * self._entry
        _, flags, count, first = struct.unpack_from(">IHII", self._bytes, start)
        if not flags & FOLDER:
            raise KeyError(wanted)
        for child in range(first, first + count):
            if self._name(child) == wanted:
                return child
        raise KeyError(wanted)

    def _name(self, place: int) -> str:
        (offset,) = struct.unpack_from(">I", self._bytes, self._tree + place * self._entry)
        start = self._names + offset
        (length,) = struct.unpack_from(">H", self._bytes, start)
        # The length, a hash of four bytes, then UTF-16.
        return self._bytes[start + 6 : start + 6 + 2 * length].decode("utf-16-be")

    def _content(self, place: int) -> bytes:
        start = self._tree + place * self._entry
        _, flags, _, _, offset = struct.unpack_from(">IHHHI", self._bytes, start)
        if flags & FOLDER:
            raise KeyError("a folder")
        (length,) = struct.unpack_from(">I", self._bytes, self._data + offset)
        content = self._bytes[self._data + offset + 4 : self._data + offset + 4 + length]
        # Compressed bytes follow the length that they had.
        return zlib.decompress(content[4:]) if flags & COMPRESSED else content
