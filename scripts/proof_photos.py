"""Lays the photographs that only proofs need under .cache/data/photos as PNG files.

They come out of the Debian package that tests/assets/proof-photos.toml names, which is fetched,
never installed. Each is checked by digest; nothing is done when all are there for this table.
"""

from __future__ import annotations

import hashlib
import io
import sys
import tomllib

from PIL import Image

import datasets
import rcc

TABLE = datasets.ROOT / "tests" / "assets" / "proof-photos.toml"
PHOTOS = datasets.DATA / "photos"
STAMP = PHOTOS / ".stamp"
LONGEST_SIDE = 640


def picture(data: bytes) -> bytes:
    """An 8-bit RGB PNG, scaled down to at most LONGEST_SIDE pixels."""
    with Image.open(io.BytesIO(data)) as opened:
        photo = opened.convert("RGB")
    longest = max(photo.size)
    if longest > LONGEST_SIDE:
        size = tuple(max(1, round(side * LONGEST_SIDE / longest)) for side in photo.size)
        photo = photo.resize(size, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    photo.save(file, format="PNG")
    return file.getvalue()


def lay(table: dict) -> None:
    package = datasets.archive(table["package"])
    opened: dict[str, rcc.Resources] = {}
    for photo in table["photo"]:
        name, path = photo["name"], photo["resources"]
        if path not in opened:
            opened[path] = rcc.Resources(datasets.member(package, path))
        data = opened[path].read(photo["path"])
        found = hashlib.sha256(data).hexdigest()
        if found != photo["sha256"]:
            raise datasets.DatasetError(
                f"{package}: {name} has SHA-256 {found}, the table says {photo['sha256']}: another"
                " version of the package; delete that file and try again"
            )
        datasets.place(PHOTOS / f"{name}.png", picture(data))


def main() -> int:
    try:
        text = TABLE.read_bytes()
        table = tomllib.loads(text.decode())
        stamp = hashlib.sha256(text).hexdigest()
        files = [PHOTOS / f"{photo['name']}.png" for photo in table["photo"]]
        if STAMP.is_file() and STAMP.read_text() == stamp and all(f.is_file() for f in files):
            return 0
        lay(table)
        STAMP.write_text(stamp)
    except (datasets.DatasetError, rcc.RccError, OSError) as error:
        print(f"proof_photos: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
