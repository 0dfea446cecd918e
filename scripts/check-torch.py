#!/usr/bin/env python3
"""Checks .pth files of ours with PyTorch: loads each with weights_only=True and compares it with a safetensors file.

    check-torch.py ours.pth expected.safetensors [ours2.pth expected2.safetensors …]

Needs PyTorch 1.13 or later; reads safetensors itself. Exit code 0: all equal, bit by bit.
"""
import json
import struct
import sys

import torch

TYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}


def read_safetensors(path):
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header.pop("__metadata__", None)
    data = content[8 + length :]
    return {name: (e["dtype"], e["shape"], data[slice(*e["data_offsets"])]) for name, e in header.items()}


def raw_bytes(tensor):
    tensor = tensor.contiguous()
    if tensor.numel() == 0:
        return b""
    return tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.dtype != torch.bool else tensor.numpy().tobytes()


def check(ours, expected):
    state = torch.load(ours, map_location="cpu", weights_only=True)
    wanted = read_safetensors(expected)
    assert list(state) == list(wanted), "names differ"
    for name, (dtype, shape, data) in wanted.items():
        tensor = state[name]
        assert tensor.dtype == TYPES[dtype], f"{name}: {tensor.dtype}"
        assert list(tensor.shape) == shape, f"{name}: {list(tensor.shape)}"
        assert raw_bytes(tensor) == data, f"{name}: other values"
    print(f"{ours}: {len(state)} tensors equal")


arguments = sys.argv[1:]
if not arguments or len(arguments) % 2:
    sys.exit(__doc__)
for pair in zip(arguments[::2], arguments[1::2]):
    check(*pair)
