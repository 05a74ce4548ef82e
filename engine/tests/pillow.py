"""Writes the resized pictures that src/preprocess/tests.rs compares with (Pillow 13.0.0).

python3 -m venv v && v/bin/pip install pillow==13.0.0 && v/bin/python engine/tests/pillow.py
"""
from PIL import Image


def picture(width, height):
    image = Image.new("RGB", (width, height))
    image.putdata([
        tuple((x * 37 + y * 91 + c * 53 + (x * y) % 7 * 29) % 256 for c in range(3))
        for y in range(height) for x in range(width)
    ])
    return image


for name, size, target in [("SHRUNK", (23, 17), (9, 5)), ("GROWN", (4, 3), (7, 5))]:
    levels = picture(*size).resize(target, Image.Resampling.BILINEAR).tobytes()
    print(f"const {name}: &str = \"{levels.hex()}\";")
