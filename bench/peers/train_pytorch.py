"""Training throughput of RepVGG-A0 (training form) in PyTorch: SGD with momentum, random pictures held in memory.

Usage: train_pytorch.py SIZE BATCH THREADS SECONDS   → one JSON line {"steps": …, "milliseconds": [per step …]}
The net is written here from the paper's definition; only the time of a step is of interest.
"""
import json
import sys
import time

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()

        def branch(kernel):
            conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(outputs))

        self.dense = branch(3)
        self.pointwise = branch(1)
        self.identity = nn.BatchNorm2d(inputs) if inputs == outputs and stride == 1 else None

    def forward(self, x):
        y = self.dense(x) + self.pointwise(x)
        if self.identity is not None:
            y = y + self.identity(x)
        return torch.relu(y)


def a0(classes=1000):
    layers, inputs = [Block(3, 48, 2)], 48
    for depth, width in zip([2, 4, 14, 1], [48, 96, 192, 1280]):
        for index in range(depth):
            layers.append(Block(inputs, width, 2 if index == 0 else 1))
            inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


def main():
    size, batch, threads, seconds = (int(a) for a in sys.argv[1:5])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = a0()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    x = torch.randn(batch, 3, size, size)
    labels = torch.randint(0, 1000, (batch,))
    loss_function = nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad()
        loss = loss_function(net(x), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    step()
    step()
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < seconds or len(times) < 3:
        before = time.perf_counter()
        step()
        times.append((time.perf_counter() - before) * 1000)
    print(json.dumps({"torch": torch.__version__, "milliseconds": times}))


main()
