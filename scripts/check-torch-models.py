#!/usr/bin/env python3
"""Checks folded .pth files of ours under PyTorch: each loads, strictly, into a plain RepVGG and gives the expected logits.

    check-torch-models.py plain.pth io.safetensors [plain2.pth io2.safetensors ...]

The plain RepVGG is written here from the paper (arXiv:2101.03697, section 3.4): 3x3 convolutions with bias and ReLU, the
first of each stage with stride 2, then global average pooling and a linear layer; with squeeze-and-excitation where the
file has it (before the ReLU: `se`; RepVGGplus, after it: `post_se`). Its sizes are read off the file's shapes.
`io.safetensors` holds `input` and `logits`. Exit code 0: all logits within 1e-4, relative.
"""
import json
import re
import struct
import sys

import torch
from torch import nn


class SqueezeExcite(nn.Module):
    def __init__(self, channels, squeezed):
        super().__init__()
        self.down = nn.Conv2d(channels, squeezed, 1)
        self.up = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x):
        mean = x.mean(dim=(2, 3), keepdim=True)
        return x * torch.sigmoid(self.up(torch.relu(self.down(mean))))


class Block(nn.Module):
    def __init__(self, in_channels, kernel, stride, squeezed_before, squeezed_after):
        super().__init__()
        out_channels, per_group = kernel[:2]
        self.rbr_reparam = nn.Conv2d(in_channels, out_channels, 3, stride, 1, groups=in_channels // per_group)
        if squeezed_before:
            self.se = SqueezeExcite(out_channels, squeezed_before)
        if squeezed_after:
            self.post_se = SqueezeExcite(out_channels, squeezed_after)

    def forward(self, x):
        x = self.rbr_reparam(x)
        if hasattr(self, "se"):
            x = self.se(x)
        x = torch.relu(x)
        return self.post_se(x) if hasattr(self, "post_se") else x


class PlainRepVGG(nn.Module):
    """Blocks under the paths that the state dict gives them, run in that order."""

    def __init__(self, state):
        super().__init__()
        suffix = ".rbr_reparam.weight"
        paths = sorted((name[: -len(suffix)] for name in state if name.endswith(suffix)), key=order)
        channels = state[paths[0] + suffix].shape[1]
        stage = None
        self.blocks = []
        for path in paths:
            kernel = tuple(state[path + suffix].shape)
            squeezed = [state[n].shape[0] if (n := f"{path}.{m}.down.weight") in state else 0 for m in ("se", "post_se")]
            stride = 2 if order(path)[0] != stage else 1
            stage = order(path)[0]
            block = Block(channels, kernel, stride, *squeezed)
            self.place(path, block)
            self.blocks.append(block)
            channels = kernel[0]
        self.linear = nn.Linear(channels, state["linear.weight"].shape[0])

    def place(self, path, block):
        *parents, last = path.split(".")
        owner = self
        for name in parents:
            if not hasattr(owner, name):
                owner.add_module(name, nn.Module())
            owner = getattr(owner, name)
        owner.add_module(last, block)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.linear(x.mean(dim=(2, 3)))


def order(path):
    """Stage, half of a stage that is cut in two, index."""
    stage, half, index = re.match(r"stage(\d+)(_second)?[^.]*(?:\.blocks)?(?:\.(\d+))?$", path).groups()
    return int(stage), half is not None, int(index or 0)


def read_safetensors(path):
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header.pop("__metadata__", None)
    data = bytearray(content[8 + length :])
    return {
        name: torch.frombuffer(data[slice(*e["data_offsets"])], dtype=torch.float32).reshape(e["shape"])
        for name, e in header.items()
        if e["dtype"] == "F32"
    }


def check(weights, io):
    state = torch.load(weights, map_location="cpu", weights_only=True)
    model = PlainRepVGG(state).eval()
    model.load_state_dict(state, strict=True)
    arrays = read_safetensors(io)
    with torch.no_grad():
        logits = model(arrays["input"])
    error = ((logits - arrays["logits"]).abs().max() / arrays["logits"].abs().max()).item()
    print(f"{weights}: {len(state)} tensors, {len(model.blocks)} blocks, relative error {error:.2e}")
    return error <= 1e-4


arguments = sys.argv[1:]
if not arguments or len(arguments) % 2:
    sys.exit(__doc__)
pairs = list(zip(arguments[::2], arguments[1::2]))
sys.exit(0 if all([check(*pair) for pair in pairs]) else 1)
