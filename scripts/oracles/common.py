"""What all fixtures share: layers, statistics far from their defaults, export, and files of inputs and outputs."""
import copy
import io
import json
import pathlib
import random
import struct

import numpy
import onnx
import torch
from torch import nn

folder = pathlib.Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "third-party"
torch.set_num_threads(1)


def conv_bn(inputs, outputs, kernel, stride=1, padding=None, groups=1, dilation=1, eps=1e-5):
    """Convolution without bias, then BatchNorm; padded to keep the size unless told."""
    if padding is None:
        padding = dilation * (kernel - 1) // 2 if isinstance(kernel, int) else [dilation * (k - 1) // 2 for k in kernel]
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs, eps=eps))


def unsettle(module, inputs):
    """BatchNorm statistics as after training, then moved: those of the data, scaled and shifted; random scale and shift."""
    norms = [m for m in module.modules() if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d))]
    for norm in norms:
        norm.momentum = None
        if norm.affine:
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias, 0, 0.3)
    module.train()
    with torch.no_grad():
        for _ in range(3):
            times = 1 if getattr(module, "fixed_batch", False) else 4
            module(*(torch.cat([torch.randn_like(x) for _ in range(times)]) if x.is_floating_point() else x for x in inputs))
        for norm in norms:
            norm.running_mean += 0.3 * norm.running_var.sqrt() * torch.randn_like(norm.running_mean)
            norm.running_var *= torch.empty_like(norm.running_var).uniform_(0.5, 2)
    return module.eval()


def write_safetensors(path, arrays):
    header, parts, offset = {}, [], 0
    for name, array in arrays.items():
        data = numpy.ascontiguousarray(array)
        kind = {"float32": "F32", "int64": "I64", "int32": "I32", "bool": "BOOL"}[data.dtype.name]
        header[name] = {"dtype": kind, "shape": list(data.shape), "data_offsets": [offset, offset + data.nbytes]}
        parts.append(data.tobytes())
        offset += data.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


def outputs_of(module, inputs):
    """The module's outputs, computed in float64 and rounded: float32's own rounding is not part of what is right."""
    double = copy.deepcopy(module).double()
    with torch.no_grad():
        results = double(*(x.double() if x.is_floating_point() else x for x in inputs))
    results = results if isinstance(results, (tuple, list)) else (results,)
    return [r.float() if r.is_floating_point() else r for r in results]


def export(path, module, inputs, opset, keep_norms, names, dynamic):
    """torch.onnx.export as people call it; `keep_norms` leaves every BatchNormalization node in the file."""
    file = io.BytesIO()
    training = torch.onnx.TrainingMode.PRESERVE if keep_norms else torch.onnx.TrainingMode.EVAL
    torch.onnx.export(
        copy.deepcopy(module), inputs, file, opset_version=opset, training=training,
        input_names=names[0], output_names=names[1], dynamic_axes=dynamic,
    )
    model = onnx.load_model_from_string(file.getvalue())
    number_names(model.graph, {*names[0], *names[1]})
    path.write_bytes(model.SerializeToString())


def number_names(graph, kept):
    """Inner names as short as PyTorch gave them up to 1.12: numbers for values, operator and number for nodes; no source lines."""
    kept = kept | {i.name for i in graph.initializer} | {""}
    names = {}
    short = lambda name: name if name in kept else names.setdefault(name, str(len(names)))
    for number, node in enumerate(graph.node):
        node.ClearField("doc_string")
        node.name = f"{node.op_type}_{number}"
        node.input[:], node.output[:] = map(short, node.input), map(short, node.output)
    for info in graph.value_info:
        info.name = short(info.name)


class Fixtures:
    """Writes the files of one kind ("blocks", "nets") and collects what index.json says of them."""

    def __init__(self, kind, only=()):
        self.kind, self.only, self.index = kind, only, {}
        (folder / kind).mkdir(parents=True, exist_ok=True)

    def wants(self, name):
        return not self.only or any(part in name for part in self.only)

    def torch(self, name, build, *shapes, opsets, source, dynamic=None, **facts):
        """
        One module in its exports: `opsets` of `NAME-bn.onnx`, with every BatchNorm kept, and of `NAME.onnx`; None: not that one.
        `facts`: what is true of the authors' own deploy form: convolutions, sums.
        """
        if not self.wants(name):
            return
        seed = sum(map(ord, name))
        torch.manual_seed(seed)
        random.seed(seed)
        inputs = tuple(torch.randn(shape) for shape in shapes)
        module = unsettle(build(), inputs)
        inputs = tuple(torch.randn(shape) for shape in shapes)
        outputs = outputs_of(module, inputs)
        names = [["x"] if len(inputs) == 1 else [f"x{i}" for i in range(len(inputs))]]
        names.append(["y"] if len(outputs) == 1 else [f"y{i}" for i in range(len(outputs))])
        forms = {suffix: opset for suffix, opset in zip(("-bn", ""), opsets) if opset}
        place = folder / self.kind
        for suffix, opset in forms.items():
            export(place / f"{name}{suffix}.onnx", module, inputs, opset, suffix == "-bn", names, dynamic)
        self.entry(name, [f"{name}{suffix}" for suffix in forms], zip(names[0], inputs), zip(names[1], outputs), source, facts)

    def onnx(self, name, model, inputs, outputs, source, **facts):
        """A model made node by node, with inputs and outputs by name (numpy)."""
        (folder / self.kind / f"{name}.onnx").write_bytes(model.SerializeToString())
        self.entry(name, [name], inputs.items(), outputs.items(), source, facts)

    def entry(self, name, files, inputs, outputs, source, facts):
        place = folder / self.kind
        inputs, outputs = dict(inputs), dict(outputs)
        arrays = {**inputs, **outputs}
        write_safetensors(place / f"{name}-io.safetensors", {k: numpy.asarray(v) for k, v in arrays.items()})
        self.index[name] = {
            "files": [f"{self.kind}/{file}.onnx" for file in files], "io": f"{self.kind}/{name}-io.safetensors",
            "inputs": list(inputs), "outputs": list(outputs), **facts, "source": source,
        }
        sizes = ", ".join(f"{file} {(place / f'{file}.onnx').stat().st_size / 1000:.1f} kB" for file in files)
        print(f"{sizes}; outputs to {max(float(numpy.abs(numpy.asarray(v)).max()) for v in outputs.values()):.3g}")


def deployed(module):
    """Convolutions that a net keeps when every re-parameterizable block (`one_convolution`) has become one; those of an SE in it stay."""
    if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        return 1
    if getattr(module, "one_convolution", False):
        return 1 + (deployed(module.squeeze) if hasattr(module, "squeeze") else 0)
    return sum(map(deployed, module.children()))
