"""PyTorch for `repvgg bench`: see python_engine.py."""

import torch
import torch.nn.functional as F
from python_engine import serve


class Net(torch.nn.Module):
    """The steps one after another; weights are parameters, so that freezing can pack them."""

    def __init__(self, steps, output, tensor):
        super().__init__()
        self.steps, self.output = steps, output
        for i, step in enumerate(steps):
            for name in ("weight", "bias"):
                if step.get(name):
                    value = torch.nn.Parameter(tensor(step[name]), requires_grad=False)
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


def prepare(net, array, threads):
    torch.set_num_threads(threads)

    def tensor(place):
        return torch.from_numpy(array(place).copy())

    inputs = {name: tensor(place) for name, place in net["inputs"].items()}
    with torch.no_grad():
        module = Net(net["steps"], net["output"], tensor).eval()
        traced = torch.jit.trace(module, (inputs,), strict=False)
        traced = torch.jit.optimize_for_inference(torch.jit.freeze(traced))

    def run():
        with torch.no_grad():
            return traced(inputs).numpy()

    return torch.__version__, run


serve(prepare)
