"""Runs one net in PyTorch for `repvgg bench` (src/api/bench/engines/pytorch.node.ts).

Usage: pytorch_engine.py FOLDER THREADS, with in FOLDER:
  net.json     {"steps": [...], "inputs": {name: {"shape", "offset"}}, "output": name}; numbers are offsets and lengths in
  numbers.f32  float32, little endian: inputs and weights

Each line on stdin asks for a run. Answers on stdout: first {"version", "length"} as a line of JSON; then for each run 8 bytes, the peak
memory of this process (uint64, bytes), and `length` float32 numbers.
"""

import json
import os
import resource
import struct
import sys

import torch
import torch.nn.functional as F


class Net(torch.nn.Module):
    """The steps one after another; weights are parameters, so that freezing can pack them."""

    def __init__(self, steps, output, number):
        super().__init__()
        self.steps, self.output = steps, output
        for i, step in enumerate(steps):
            for name in ("weight", "bias"):
                if step.get(name):
                    value = torch.nn.Parameter(number(step[name]), requires_grad=False)
                    self.register_parameter(f"{name}{i}", value)

    def forward(self, inputs):
        values = dict(inputs)
        for i, step in enumerate(self.steps):
            x = values[step["x"]]
            weight, bias = getattr(self, f"weight{i}", None), getattr(self, f"bias{i}", None)
            values[step["y"]] = run(step, x, weight, bias, values)
        return values[self.output]


def run(step, x, weight, bias, values):
    op = step["op"]
    if op == "Conv":
        top, left, bottom, right = step["pads"]
        if (top, left) != (bottom, right):
            x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
        return F.conv2d(x, weight, bias, step["strides"], (top, left), step["dilations"], step["groups"])
    if op == "Gemm":
        return F.linear(x, weight, bias)
    if op == "Relu":
        return F.relu(x)
    if op == "Add":
        return x + values[step["other"]]
    if op == "MaxPool":
        top, left, bottom, right = step["pads"]
        if (top, left) != (bottom, right):
            x, top, left = F.pad(x, (left, right, top, bottom), value=float("-inf")), 0, 0
        return F.max_pool2d(x, step["kernel"], step["strides"], (top, left))
    if op == "GlobalAveragePool":
        return x.mean((2, 3), keepdim=True)
    if op == "Flatten":
        return x.flatten(1)
    raise ValueError(op)


def main():
    folder, threads = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(threads)
    with open(os.path.join(folder, "net.json")) as file:
        net = json.load(file)
    with open(os.path.join(folder, "numbers.f32"), "rb") as file:
        numbers = torch.frombuffer(bytearray(file.read()), dtype=torch.float32)

    def number(at):
        shape = at["shape"]
        length = torch.Size(shape).numel()
        return numbers[at["offset"] : at["offset"] + length].reshape(shape).clone()

    inputs = {name: number(at) for name, at in net["inputs"].items()}
    with torch.no_grad():
        module = Net(net["steps"], net["output"], number).eval()
        traced = torch.jit.trace(module, (inputs,), strict=False)
        traced = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
        output = traced(inputs)
        stdout = sys.stdout.buffer
        stdout.write(json.dumps({"version": torch.__version__, "length": output.numel()}).encode() + b"\n")
        stdout.flush()
        while sys.stdin.buffer.readline():
            output = traced(inputs)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            stdout.write(struct.pack("<Q", peak) + output.contiguous().numpy().tobytes())
            stdout.flush()


main()
