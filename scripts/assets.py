"""Fills .cache/assets with the files that tests/assets/*.toml pin by digest.

Run by scripts/setup with the project's Python environment. Nothing is done when the
stamp equals the digest of the tables and this script and every file is there.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import sysconfig
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLES = ROOT / "tests" / "assets"
ASSETS = ROOT / ".cache" / "assets"
STAMP = ASSETS / ".stamp"
LONGEST_SIDE = 640
ROLES = {"calibration", "measured", "selection"}


class AssetError(Exception):
    """A pinned file is missing or is not the one that the table names."""


@dataclass(frozen=True)
class Asset:
    """A file of an installed package and where it goes in the assets folder."""

    name: str
    package: str
    source: Path
    sha256: str
    is_photo: bool

    @property
    def target(self) -> Path:
        return ASSETS / self.name


def read_table(name: str) -> dict:
    with open(TABLES / name, "rb") as file:
        return tomllib.load(file)


def installed_path(package: str, path: str) -> Path:
    """Where `path` of a table lies: Debian packages install from the root folder."""
    if package.startswith("debian:"):
        return Path("/") / path
    return Path(sysconfig.get_path("purelib")) / path


def plain_files() -> list[Asset]:
    machine = platform.machine()
    entries = [e for e in read_table("assets.toml")["file"] if e.get("machine", machine) == machine]
    if not any("machine" in entry for entry in entries):
        raise AssetError(
            f"no ONNX Runtime library is pinned for {machine}: add its digest to tests/assets/assets.toml"
        )
    return [
        Asset(e["name"], e["package"], installed_path(e["package"], e["path"]), e["sha256"], False)
        for e in entries
    ]


def photos() -> list[Asset]:
    assets = []
    for entry in read_table("photos.toml")["photo"]:
        name, package = entry["name"], entry["package"]
        if entry["role"] not in ROLES:
            raise AssetError(f"photos.toml: {name}: role must be one of {sorted(ROLES)}")
        source = installed_path(package, entry["path"])
        assets.append(Asset(f"photos/{name}.png", package, source, entry["sha256"], True))
    return assets


def require_distinct(assets: list[Asset]) -> None:
    """No photo may serve under two names: roles would not be disjoint."""
    for key in ("name", "sha256"):
        values = [getattr(asset, key) for asset in assets]
        doubled = {value for value in values if values.count(value) > 1}
        if doubled:
            raise AssetError(f"the tables name the same {key} twice: {sorted(doubled)}")


def require_digest(asset: Asset) -> None:
    if not asset.source.is_file():
        raise AssetError(f"{asset.name}: {asset.source} is missing: is {asset.package} installed?")
    with open(asset.source, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != asset.sha256:
        raise AssetError(
            f"{asset.name}: {asset.source} has SHA-256 {found}, the table says {asset.sha256}:"
            f" another version of {asset.package} is installed"
        )


def write_photo(source: Path, target: Path) -> None:
    """Saves a photo as 8-bit RGB PNG, scaled down to at most LONGEST_SIDE pixels."""
    from PIL import Image

    with Image.open(source) as opened:
        photo = opened.convert("RGB")
    longest = max(photo.size)
    if longest > LONGEST_SIDE:
        size = tuple(max(1, round(side * LONGEST_SIDE / longest)) for side in photo.size)
        photo = photo.resize(size, Image.Resampling.LANCZOS)
    photo.save(target, format="PNG")


def place(asset: Asset) -> None:
    """Writes one asset under its final name only when it is complete."""
    require_digest(asset)
    asset.target.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=asset.target.parent, prefix=".part-")
    os.close(handle)
    try:
        write = write_photo if asset.is_photo else shutil.copyfile
        write(asset.source, Path(partial))
        os.chmod(partial, 0o644)
        os.replace(partial, asset.target)
    finally:
        Path(partial).unlink(missing_ok=True)


def remove_strangers(assets: list[Asset]) -> None:
    """Removes files that a former table named, so that a folder listing tells the truth."""
    wanted = {asset.target for asset in assets}
    for folder in {target.parent for target in wanted}:
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.is_file() and path not in wanted:
                path.unlink()


def wanted_stamp() -> str:
    digest = hashlib.sha256()
    for path in (TABLES / "assets.toml", TABLES / "photos.toml", Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_current(assets: list[Asset], stamp: str) -> bool:
    return (
        STAMP.is_file()
        and STAMP.read_text() == stamp
        and all(asset.target.is_file() for asset in assets)
    )


def main() -> int:
    try:
        assets = plain_files() + photos()
        require_distinct(assets)
        stamp = wanted_stamp()
        if is_current(assets, stamp):
            return 0
        started = time.monotonic()
        print(f"setup: {len(assets)} assets into {ASSETS.relative_to(ROOT)} …", flush=True)
        remove_strangers(assets)
        for asset in assets:
            place(asset)
        STAMP.write_text(stamp)
        print(f"setup: assets: done in {time.monotonic() - started:.1f} s")
    except AssetError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
