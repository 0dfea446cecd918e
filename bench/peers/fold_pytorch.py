"""RepVGG's conversion to plain form in PyTorch: loads a checkpoint in training form, fuses block by block, saves a state dict.

Usage: fold_pytorch.py INPUT.pth OUTPUT.pth [OURS.safetensors]
→ one JSON line {"startMilliseconds": …, "milliseconds": …, "peakMB": …}
With a third file, what another program made of the same checkpoint, also the largest difference of any weight, relative to the
largest magnitude in its tensor. Written from the paper's formulas (section 3.3); float32, as the authors' conversion computes.
"""
import time

began = time.perf_counter()
import json
import struct
import sys

import torch


def fused(kernel, state, norm):
    """A kernel and the BatchNorm behind it as one kernel and bias."""
    scale = state[norm + ".weight"] / torch.sqrt(state[norm + ".running_var"] + 1e-5)
    bias = state[norm + ".bias"] - state[norm + ".running_mean"] * scale
    return kernel * scale.reshape(-1, 1, 1, 1), bias


def identity_kernel(outputs, inputs):
    """The 3×3 kernel that passes each channel on; `inputs` a group."""
    kernel = torch.zeros(outputs, inputs, 3, 3)
    channels = torch.arange(outputs)
    kernel[channels, channels % inputs, 1, 1] = 1
    return kernel


def plain_block(state, block):
    dense = state[block + ".rbr_dense.conv.weight"]
    kernel, bias = fused(dense, state, block + ".rbr_dense.bn")
    branches = [torch.nn.functional.pad(state[block + ".rbr_1x1.conv.weight"], [1, 1, 1, 1])]
    norms = [block + ".rbr_1x1.bn"]
    if block + ".rbr_identity.weight" in state:
        branches.append(identity_kernel(dense.shape[0], dense.shape[1]))
        norms.append(block + ".rbr_identity")
    for branch, norm in zip(branches, norms):
        branch_kernel, branch_bias = fused(branch, state, norm)
        kernel = kernel + branch_kernel
        bias = bias + branch_bias
    return kernel, bias


def convert(source, target):
    state = torch.load(source, map_location="cpu")
    plain = {}
    for name in state:
        if name.endswith(".rbr_dense.conv.weight"):
            block = name[: -len(".rbr_dense.conv.weight")]
            plain[block + ".rbr_reparam.weight"], plain[block + ".rbr_reparam.bias"] = plain_block(state, block)
        elif name.startswith("linear."):
            plain[name] = state[name]
    torch.save(plain, target)
    return plain


def largest_difference(plain, path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        assert header.keys() == plain.keys()
        worst = 0.0
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            file.seek(8 + length + begin)
            data = torch.frombuffer(bytearray(file.read(end - begin)), dtype=torch.float32).reshape(entry["shape"])
            assert data.isfinite().all()
            worst = max(worst, ((data - plain[name]).abs().max() / plain[name].abs().max()).item())
    return worst


def peak_memory():
    """Bytes; not getrusage's figure, which on Linux a child takes over from its parent."""
    with open("/proc/self/status") as status:
        (kilobytes,) = (line.split()[1] for line in status if line.startswith("VmHWM:"))
    return int(kilobytes) * 1024


imported = time.perf_counter()
with torch.no_grad():
    weights = convert(sys.argv[1], sys.argv[2])
result = {
    "startMilliseconds": (imported - began) * 1000,
    "milliseconds": (time.perf_counter() - imported) * 1000,
    "peakMB": peak_memory() / 1e6,
}
if len(sys.argv) > 3:
    result["largestDifference"] = largest_difference(weights, sys.argv[3])
print(json.dumps(result))
