#!/usr/bin/env python3
"""Writes tests/fixtures/torch with PyTorch's own torch.save, and index.json with the values it wrote.

Run it on a machine that has PyTorch (made with 1.13.1) and numpy; the results are committed, so that the tests need neither.
"""
import argparse
import collections
import json
import os
import pathlib
import sys

import numpy
import torch

folder = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "torch"
names = {
    torch.float64: "f64", torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16", torch.int64: "i64",
    torch.int32: "i32", torch.int16: "i16", torch.int8: "i8", torch.uint8: "u8", torch.bool: "bool",
}
index = {}


def describe(tensor):
    if tensor.dtype in (torch.float16, torch.bfloat16):
        bits = tensor.detach().contiguous().view(torch.int16).flatten().tolist()
        values = [b & 0xFFFF for b in bits]
    else:
        values = [int(v) if isinstance(v, bool) else v for v in tensor.detach().flatten().tolist()]
    return {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "values": values}


def save(name, value, tensors, kinds=("zip", "legacy"), **options):
    for kind in kinds:
        file = f"{name}-{kind}.pth"
        torch.save(value, folder / file, _use_new_zipfile_serialization=kind == "zip", **options)
        index[file] = {key: describe(tensor) for key, tensor in tensors.items()}


class TinyNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(2, 3, 1)
        self.bn = torch.nn.BatchNorm2d(3)
        self.register_buffer("absent", None)


def main():
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    types = collections.OrderedDict()
    for dtype, name in names.items():
        values = torch.tensor([[0, 1, 2], [3, 4, 5]])
        if dtype == torch.bool:
            values = values % 2
        elif dtype != torch.uint8:
            values = -values * (0.7 if dtype.is_floating_point else 1)
        types[name] = values.to(dtype)
        types[f"{name}.scalar"] = types[name][1, 1].clone()
    types["empty"] = torch.empty(0, 4)
    save("types", types, types)

    base = torch.arange(24, dtype=torch.float32)
    views = {
        "base": base,
        "window": base[4:10],
        "matrix": base.view(4, 6),
        "transposed": base.view(4, 6).t(),
        "channels_last": base.view(1, 2, 3, 4).contiguous(memory_format=torch.channels_last),
        "permuted": base.view(2, 3, 4).permute(2, 0, 1),
        "column": base.view(4, 6)[:, 2],
        "every_second": base[1::2],
        "expanded": base[7:8].expand(3, 4),
        "ones_axis": base.view(4, 6)[:, 1:2],
    }
    save("views", views, views)

    model = {"module.a.weight": torch.randn(2, 2), "module.b.bias": torch.nn.Parameter(torch.randn(3))}
    average = {"module.a.weight": torch.randn(2, 2)}
    checkpoint = {
        "epoch": 7,
        "arch": "repvgg",
        "args": argparse.Namespace(lr=0.1, path=pathlib.PurePosixPath("/data"), milestones=(30, 60)),
        "best_acc": numpy.float64(72.41),
        "count": numpy.int64(2**40),
        "big": 2**100,
        "history": collections.defaultdict(list, loss=[2.3, float("inf"), -1.5]),
        "device": torch.device("cpu"),
        "dtype": torch.float32,
        "size": torch.Size([1, 2]),
        "flags": {"x", "y"},
        "raw": b"\x00\xffbytes",
        "nothing": None,
        "state_dict": model,
        "model_ema": {"ema": average},
        "optimizer": torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1).state_dict(),
    }
    stripped = {key.removeprefix("module."): value for key, value in model.items()}
    save("checkpoint", checkpoint, stripped)
    save("protocol4", checkpoint, stripped, pickle_protocol=4)
    save("protocol5", checkpoint, stripped, pickle_protocol=5)

    net = TinyNet()
    save("module", net, net.state_dict(), kinds=("zip",))  # the legacy format would embed PyTorch's source code

    torch.save({"w": torch.complex(torch.ones(2), torch.ones(2))}, folder / "complex.pth")
    torch.save({"w": torch.eye(2).to_sparse()}, folder / "sparse.pth")
    torch.save({"w": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)}, folder / "quantized.pth")
    torch.save([1, 2, 3], folder / "list.pth")
    (folder / "index.json").write_text(json.dumps(index, indent=1) + "\n")
    total = sum(os.path.getsize(f) for f in folder.iterdir())
    print(f"{len(list(folder.iterdir()))} files, {total} bytes, PyTorch {torch.__version__}, Python {sys.version.split()[0]}")


main()
