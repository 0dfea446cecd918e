"""Writes tests/fixtures/pil/operations.json: what PIL makes of pseudo-random pictures.

Needs Python with Pillow (made with Pillow 9.4.0, Debian 12's python3-pil). Run from the repository's root:
    python3 tests/data/make-pil-fixtures.py
The inputs are made again in the tests from the same generator, so that only outputs are stored: their bytes where
they are few, else their SHA-256.
"""

import base64
import hashlib
import json
import math

import PIL
from PIL import Image, ImageEnhance, ImageOps


def noise(width, height, channels, seed):
    """Smooth waves and noise of a linear congruential generator (Numerical Recipes' constants), all in integers."""
    state = seed
    data = bytearray()
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                state = (state * 1664525 + 1013904223) % 2**32
                wave = (x * (5 + 2 * c) + y * (7 - 3 * c)) % 256
                data.append((wave * 3 + (state >> 24)) // 4)
    return Image.frombytes("RGB" if channels == 3 else "L", (width, height), bytes(data))


def hue(image, turn):
    """torchvision's adjust_hue on PIL pictures."""
    h, s, v = image.convert("HSV").split()
    shift = int(turn * 255)
    h = h.point([(value + shift) % 256 for value in range(256)])
    return Image.merge("HSV", (h, s, v)).convert("RGB")


def affine(image, matrix):
    return image.transform(image.size, Image.AFFINE, matrix, Image.NEAREST)


cases = []


def case(operation, arguments, image_arguments, result):
    data = result.tobytes()
    entry = {
        "operation": operation,
        "arguments": arguments,
        "input": image_arguments,
        "width": result.width,
        "height": result.height,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    if len(data) <= 1500:
        entry["bytes"] = base64.b64encode(data).decode()
    cases.append(entry)


for arguments in ([37, 29, 3, 1], [28, 28, 1, 2], [40, 21, 1, 3]):
    image = noise(*arguments)
    for width, height in ((16, 16), (37, 11), (12, 29), (50, 60), (28, 28), (32, 32), (1, 1), (3, 70)):
        case("resize", [height, width], arguments, image.resize((width, height), Image.BILINEAR))
for arguments, sizes in (([500, 375, 3, 4], ((341, 256), (224, 224), (96, 72))), ([33, 47, 3, 5], ((224, 320),))):
    image = noise(*arguments)
    for width, height in sizes:
        case("resize", [height, width], arguments, image.resize((width, height), Image.BILINEAR))

arguments = [24, 18, 3, 6]
image = noise(*arguments)
case("grey", [], arguments, image.convert("L"))
for factor in (0, 0.1, 0.45, 0.73, 1, 1.27, 1.9):
    case("brightness", [factor], arguments, ImageEnhance.Brightness(image).enhance(factor))
    case("contrast", [factor], arguments, ImageEnhance.Contrast(image).enhance(factor))
    case("saturation", [factor], arguments, ImageEnhance.Color(image).enhance(factor))
    case("sharpness", [factor], arguments, ImageEnhance.Sharpness(image).enhance(factor))
for turn in (-0.5, -0.1, 0, 0.07, 0.33):
    case("hue", [turn], arguments, hue(image, turn))
for bits in (4, 6, 8):
    case("posterize", [bits], arguments, ImageOps.posterize(image, bits))
for threshold in (0, 76.5, 178.5, 255):
    case("solarize", [threshold], arguments, ImageOps.solarize(image, threshold))
case("autoContrast", [], arguments, ImageOps.autocontrast(image))
case("equalize", [], arguments, ImageOps.equalize(image))
for angle in (-30, -9, 4, 13.5, 27):
    case("rotate", [angle], arguments, image.rotate(angle, Image.NEAREST))
for shear in (-0.3, 0.11):
    case("affine", [1, shear, 0, 0, 1, 0], arguments, affine(image, (1, shear, 0, 0, 1, 0)))
    case("affine", [1, 0, 0, shear, 1, 0], arguments, affine(image, (1, 0, 0, shear, 1, 0)))
case("affine", [1, 0, -5, 0, 1, 3], arguments, affine(image, (1, 0, -5, 0, 1, 3)))

# Grey pictures, and one large enough for every step of the equalizer.
arguments = [64, 64, 1, 7]
image = noise(*arguments)
case("contrast", [0.6], arguments, ImageEnhance.Contrast(image).enhance(0.6))
case("sharpness", [1.6], arguments, ImageEnhance.Sharpness(image).enhance(1.6))
case("equalize", [], arguments, ImageOps.equalize(image))
case("autoContrast", [], arguments, ImageOps.autocontrast(image))
arguments = [160, 120, 3, 8]
image = noise(*arguments)
case("equalize", [], arguments, ImageOps.equalize(image))
case("hue", [0.21], arguments, hue(image, 0.21))
case("saturation", [1.3], arguments, ImageEnhance.Color(image).enhance(1.3))


# torchvision's Resize(shorter side) and CenterCrop, with its rounding, on pictures of many shapes.
def framed(image, size, crop_ratio):
    shorter = math.floor(size / crop_ratio)
    width, height = image.size
    if width <= height:
        new = (shorter, int(shorter * height / width))
    else:
        new = (int(shorter * width / height), shorter)
    image = image.resize(new, Image.BILINEAR)
    top = int(round((new[1] - size) / 2.0))
    left = int(round((new[0] - size) / 2.0))
    return image.crop((left, top, left + size, top + size))


for arguments in ([61, 40, 3, 9], [40, 61, 1, 10], [33, 33, 3, 11], [100, 29, 1, 12], [90, 71, 3, 13]):
    for size, ratio in ((32, 0.875), (28, 1), (16, 0.8)):
        case("frame", [size, ratio], arguments, framed(noise(*arguments), size, ratio))

with open("tests/fixtures/pil/operations.json", "w") as file:
    json.dump({"madeBy": f"Pillow {PIL.__version__}", "cases": cases}, file, indent=0)
    file.write("\n")
