"""
A writer of ONNX files node by node, for exporters that are not PyTorch's. PyTorch computes every value as it is written, in float64, so that
the file's outputs are known without running it.
"""
import numpy
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper

types = {torch.float64: TensorProto.FLOAT, torch.int64: TensorProto.INT64, torch.int32: TensorProto.INT32, torch.bool: TensorProto.BOOL}


def as_stored(value):
    """Floating-point numbers are float32 in the file."""
    value = value.float() if value.is_floating_point() else value
    return value.numpy()


class Writer:
    def __init__(self, opset, producer, constants_are_nodes=False, constants_are_inputs=False, ir=8, named="{op}_{n}"):
        self.opset, self.producer, self.ir, self.named = opset, producer, ir, named
        self.constants_are_nodes, self.constants_are_inputs = constants_are_nodes, constants_are_inputs
        self.nodes, self.initializers, self.inputs, self.outputs, self.values = [], [], [], [], {}
        self.functions, self.domains, self.count = [], [], 0

    def name(self, op):
        self.count += 1
        return self.named.format(op=op, n=self.count)

    def input(self, name, value, shape=None):
        value = value.float().double() if value.is_floating_point() else value
        self.values[name] = value
        self.inputs.append(helper.make_tensor_value_info(name, types[value.dtype], shape or list(value.shape)))
        return name

    def constant(self, value):
        """A weight, or numbers of an operator. Floats are rounded to float32 before anything is computed from them."""
        if isinstance(value, (list, int)):
            value = torch.tensor(value, dtype=torch.int64)
        if isinstance(value, float):
            value = torch.tensor(value)
        value = value.float().double() if value.is_floating_point() else value
        name = self.name("const")
        tensor = numpy_helper.from_array(as_stored(value), name)
        if self.constants_are_nodes:
            self.nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        else:
            self.initializers.append(tensor)
        self.values[name] = value
        return name

    def node(self, op, inputs, value, domain=None, outputs=None, **attributes):
        """One node; `value`: what it gives (several for several outputs)."""
        values = value if isinstance(value, (list, tuple)) else [value]
        names = outputs or [self.name(op) for _ in values]
        self.nodes.append(helper.make_node(op, inputs, names, name=self.name(f"{op}_node"), domain=domain, **attributes))
        self.values.update(zip(names, values))
        return names if isinstance(value, (list, tuple)) else names[0]

    def __getitem__(self, name):
        return self.values[name]

    def output(self, source, name, shape=None):
        """A value under the name of an output."""
        for node in self.nodes:
            node.input[:] = [name if i == source else i for i in node.input]
            node.output[:] = [name if o == source else o for o in node.output]
        value = self.values[name] = self.values.pop(source)
        self.outputs.append(helper.make_tensor_value_info(name, types[value.dtype], shape or list(value.shape)))

    def model(self):
        inputs = list(self.inputs)
        if self.constants_are_inputs:
            inputs += [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in self.initializers]
        graph = helper.make_graph(self.nodes, "graph", inputs, self.outputs, self.initializers)
        opsets = [helper.make_opsetid("", self.opset), *(helper.make_opsetid(d, 1) for d in self.domains)]
        model = helper.make_model(graph, producer_name=self.producer, opset_imports=opsets, functions=self.functions)
        model.ir_version = self.ir
        return model

    def write(self, fixtures, name, source, **facts):
        stored = lambda infos: {info.name: as_stored(self.values[info.name]) for info in infos}
        fixtures.onnx(name, self.model(), stored(self.inputs), stored(self.outputs), source, **facts)

    # Layers, with random weights.

    def conv(self, x, outputs, kernel, stride=1, padding=0, groups=1, bias=False, **attributes):
        channels = self[x].shape[1]
        kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        weight = self.constant(torch.randn(outputs, channels // groups, *kernel) / (channels // groups * kernel[0] * kernel[1]) ** 0.5)
        shift = [self.constant(torch.randn(outputs) * 0.3)] if bias else []
        value = F.conv2d(self[x], self[weight], self[shift[0]] if bias else None, stride, padding, groups=groups)
        strides = [stride] * 2 if isinstance(stride, int) else list(stride)
        given = attributes or {"pads": [padding] * 4}
        return self.node("Conv", [x, weight, *shift], value, kernel_shape=list(kernel), strides=strides, dilations=[1, 1], group=groups, **given)

    def transposed(self, x, outputs, kernel, stride):
        weight = self.constant(torch.randn(self[x].shape[1], outputs, kernel, kernel) / self[x].shape[1] ** 0.5)
        value = F.conv_transpose2d(self[x], self[weight], None, stride)
        return self.node("ConvTranspose", [x, weight], value, kernel_shape=[kernel] * 2, strides=[stride] * 2, dilations=[1, 1], group=1, pads=[0] * 4)

    def norm(self, x, **attributes):
        channels = self[x].shape[1]
        draws = (torch.rand(channels) + 0.5, torch.randn(channels) * 0.3, torch.randn(channels) * 0.3, torch.rand(channels) * 1.5 + 0.3)
        scale, shift, mean, variance = names = [self.constant(d) for d in draws]
        epsilon = attributes.get("epsilon", 1e-5)
        value = F.batch_norm(self[x], self[mean], self[variance], self[scale], self[shift], eps=float(numpy.float32(epsilon)))
        return self.node("BatchNormalization", [x, *names], value, **{"epsilon": epsilon, "momentum": 0.9, **attributes})

    def relu(self, x):
        return self.node("Relu", [x], F.relu(self[x]))

    def add(self, a, b):
        return self.node("Add", [a, b], self[a] + self[b])

    def mul(self, a, b):
        return self.node("Mul", [a, b], self[a] * self[b])

    def linear(self, x, outputs):
        """MatMul and Add, as exporters write a linear layer over the last axis."""
        weight = self.constant(torch.randn(self[x].shape[-1], outputs) / self[x].shape[-1] ** 0.5)
        y = self.node("MatMul", [x, weight], self[x] @ self[weight])
        return self.add(y, self.constant(torch.randn(outputs) * 0.3))

    def transpose(self, x, order):
        return self.node("Transpose", [x], self[x].permute(order), perm=order)

    def mean(self, x, axes, keep=True):
        return self.node("ReduceMean", [x], self[x].mean(axes, keepdim=keep), axes=axes, keepdims=int(keep))
