"""
Small nets in the manner of other exporters and other years: Caffe's and MXNet's converters (operator set 8), tf2onnx, PyTorch's operator sets 7 to 10,
PyTorch's functions, today's operator sets 18 and later, detectors that end in NonMaxSuppression. All by hand or from plain layers of PyTorch.
"""
import io

import onnx
import torch
import torch.nn.functional as F
from onnx import helper
from torch import nn

import common
from by_hand import Writer
from common import conv_bn
from repvgg import RepVgg
from yolo import conv


def residual():
    """MXNet's and Chainer's way: Sum of two and three values, weights listed as inputs, BatchNorm of the data, Dropout, IR version 3."""
    w = Writer(8, "mxnet", constants_are_inputs=True, ir=3)
    x = w.norm(w.input("data", torch.randn(2, 3, 16, 16)), epsilon=2e-5)
    x = w.relu(w.norm(w.conv(x, 4, 3, 2, 1), epsilon=2e-5))
    x = w.node("MaxPool", [x], F.max_pool2d(w[x], 3, 2, 1), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    for outputs, stride in ((4, 1), (6, 2)):
        y = w.norm(w.conv(w.relu(w.norm(w.conv(x, outputs, 3, stride, 1))), outputs, 3, 1, 1))
        short = x if stride == 1 else w.norm(w.conv(x, outputs, 1, stride))
        x = w.relu(w.node("Sum", [y, short], w[y] + w[short]))
    parts = [x, w.conv(x, 6, 1), w.conv(x, 6, 3, 1, 1)]
    x = w.node("Sum", parts, sum(w[p] for p in parts))
    x = w.node("GlobalAveragePool", [x], w[x].mean((2, 3), keepdim=True))
    x = w.node("Dropout", [w.node("Flatten", [x], w[x].flatten(1), axis=1)], w[x].flatten(1), ratio=0.5)
    weight, bias = w.constant(torch.randn(5, 6)), w.constant(torch.randn(5))
    x = w.node("Gemm", [x, weight, bias], w[x] @ w[weight].t() + w[bias], transB=1, alpha=1.0, beta=1.0)
    w.output(w.node("Softmax", [x], w[x].softmax(1), axis=1), "prob")
    return w


def inception():
    """Caffe's way: LRN, pools that round up, joined branches, PRelu of each channel, and the mean of three values."""
    w = Writer(8, "caffe2onnx", ir=3, constants_are_inputs=True)
    x = w.relu(w.conv(w.input("data", torch.randn(1, 3, 17, 17)), 6, 3, 2, 1, bias=True))
    x = w.node("LRN", [x], F.local_response_norm(w[x], 5, 1e-2, 0.75, 1.0), alpha=1e-2, beta=0.75, bias=1.0, size=5)
    x = w.node("MaxPool", [x], F.max_pool2d(w[x], 2, 2), kernel_shape=[2, 2], strides=[2, 2])
    slope = w.constant(torch.rand(4, 1, 1))
    branches = [w.conv(x, 4, 1, bias=True), w.conv(x, 4, 3, 1, 1, bias=True)]
    branches = [w.node("PRelu", [b, slope], torch.where(w[b] < 0, w[b] * w[slope], w[b])) for b in branches]
    pool = w.node("AveragePool", [x], F.avg_pool2d(w[x], 3, 1, 1, count_include_pad=False), kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4)
    x = w.node("Concat", [*branches, pool], torch.cat([w[b] for b in [*branches, pool]], 1), axis=1)
    parts = [w.conv(x, 4, k, 1, k // 2, bias=True) for k in (1, 3, 5)]
    x = w.node("Mean", parts, sum(w[p] for p in parts) / 3)
    w.output(w.node("ReduceMean", [x], w[x].mean((2, 3)), axes=[2, 3], keepdims=0), "pool")
    return w


def tensorflow():
    """tf2onnx's way: images channels last behind one Transpose, SAME padding by auto_pad, RepVGG's branches by one Sum, epsilon 1e-3."""
    w = Writer(13, "tf2onnx", named="model/{op}_{n}:0")
    x = w.transpose(w.input("images", torch.randn(2, 10, 10, 3), ["unk__1", 10, 10, 3]), [0, 3, 1, 2])
    x = same(w, x, 4, 3, 2)
    for _ in range(2):
        branches = [w.norm(same(w, x, 4, 3), epsilon=1e-3), w.norm(same(w, x, 4, 1), epsilon=1e-3), w.norm(x, epsilon=1e-3)]
        x = w.relu(w.node("Sum", branches, sum(w[b] for b in branches)))
    x = w.transpose(x, [0, 2, 3, 1])
    scale, shift = w.constant(torch.rand(4) + 0.5), w.constant(torch.randn(4))
    x = w.add(w.mul(x, scale), shift)  # BatchNorm over channels last
    zero, six = w.constant(0.0), w.constant(6.0)
    x = w.node("Clip", [x, zero, six], w[x].clamp(0, 6))
    x = w.linear(w.node("ReduceMean", [x], w[x].mean((1, 2)), axes=[1, 2], keepdims=0), 5)
    w.output(w.node("Softmax", [x], w[x].softmax(-1), axis=-1), "probabilities", ["unk__2", 5])
    return w


def same(w, x, outputs, kernel, stride=1):
    """TensorFlow's SAME: what is missing is padded, the odd pixel behind."""
    size = w[x].shape[2]
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    padded = w.values["padded"] = F.pad(w[x], [total // 2, total - total // 2] * 2)
    y = w.conv("padded", outputs, kernel, stride, auto_pad="SAME_UPPER")
    w.nodes[-1].input[0] = x
    return y


def today(opset):
    """Operators of the sets that exporters write now: Gelu, LayerNormalization, axes as inputs, Split in equal parts, GroupNormalization."""
    w = Writer(opset, "pytorch", ir=10, named="node_{op}_{n}")
    x = w.conv(w.input("x", torch.randn(1, 3, 12, 12), ["batch", 3, 12, 12]), 8, 3, 2, 1, bias=True)
    branches = [w.norm(w.conv(x, 8, 3, 1, 1)), w.norm(w.conv(x, 8, 1)), w.norm(x)]
    x = w.node("Gelu", [y := w.add(w.add(branches[0], branches[1]), branches[2])], F.gelu(w[y]))
    halves = w.node("Split", [x], list(w[x].chunk(2, 1)), axis=1, num_outputs=2)
    depthwise = w.conv(halves[0], 4, 3, 1, 1, 4)
    x = w.node("Concat", [depthwise, halves[1]], torch.cat([w[depthwise], w[halves[1]]], 1), axis=1)
    if opset >= 21:
        scale, shift = w.constant(torch.rand(8) + 0.5), w.constant(torch.randn(8))
        x = w.node("GroupNormalization", [x, scale, shift], F.group_norm(w[x], 2, w[scale], w[shift]), num_groups=2, epsilon=1e-5)
    y = w.transpose(x, [0, 2, 3, 1])
    scale, shift = w.constant(torch.rand(8) + 0.5), w.constant(torch.randn(8))
    y = w.node("LayerNormalization", [y, scale, shift], F.layer_norm(w[y], (8,), w[scale], w[shift], 1e-6), axis=-1, epsilon=1e-6)
    y = w.node("Gelu", [h := w.linear(y, 16)], F.gelu(w[h], approximate="tanh"), approximate="tanh")
    x = w.add(x, w.transpose(w.linear(y, 8), [0, 3, 1, 2]))
    x = w.node("Mish", [x], F.mish(w[x]))
    x = w.node("ReduceMean", [x, w.constant([2, 3])], w[x].mean((2, 3)), keepdims=0, noop_with_empty_axes=0)
    weight, bias = w.constant(torch.randn(5, 8)), w.constant(torch.randn(5))
    w.output(w.node("Gemm", [x, weight, bias], w[x] @ w[weight].t() + w[bias], transB=1), "logits", ["batch", 5])
    return w


def suppress(boxes, scores, most, overlap, least):
    """NonMaxSuppression by its definition, for one image: rows [0, class, box], the best first."""
    def area(b):
        return (b[2] - b[0]) * (b[3] - b[1])

    rows = []
    for label, column in enumerate(scores):
        chosen = []
        for i in column.argsort(descending=True).tolist():
            if len(chosen) == most or column[i] <= least:
                break
            low, high = torch.maximum(boxes[chosen, :2], boxes[i, :2]), torch.minimum(boxes[chosen, 2:], boxes[i, 2:])
            shared = (high - low).clamp(min=0).prod(1)
            union = torch.stack([area(boxes[j]) for j in chosen]) + area(boxes[i]) - shared if chosen else shared
            if not (shared / union > overlap).any():
                chosen.append(i)
        rows += [[0, label, i] for i in chosen]
    return torch.tensor(rows)


def detector():
    """Two re-parameterizable blocks, boxes around pixels, NonMaxSuppression, and the chosen boxes and scores by Gather."""
    w = Writer(11, "pytorch")
    x = w.relu(w.norm(w.conv(w.input("x", torch.randn(1, 3, 16, 16)), 6, 3, 2, 1)))
    for _ in range(2):
        x = w.relu(w.add(w.add(w.norm(w.conv(x, 6, 3, 1, 1)), w.norm(w.conv(x, 6, 1))), w.norm(x)))
    found = w.conv(x, 6, 3, 2, 1, bias=True)
    found = w.node("Reshape", [found, w.constant([1, 6, 16])], w[found].reshape(1, 6, 16))
    four, two = w.node("Split", [found], list(w[found].split([4, 2], 1)), axis=1, split=[4, 2])
    scores = w.node("Sigmoid", [two], w[two].sigmoid())
    four = w.node("Softplus", [t := w.transpose(four, [0, 2, 1])], F.softplus(w[t]))
    rows, columns = torch.meshgrid(torch.arange(4.0), torch.arange(4.0), indexing="ij")
    middle = torch.stack([rows, columns], 2).view(1, 16, 2)
    sides = w.mul(four, w.constant(torch.tensor([-1.0, -1, 1, 1])))
    boxes = w.add(sides, w.constant(torch.cat([middle, middle], 2)))
    kept = suppress(w[boxes][0], w[scores][0], 4, 0.4, 0.3)
    kept = w.node("NonMaxSuppression", [boxes, scores, w.constant([4]), w.constant(torch.tensor([0.4])), w.constant(torch.tensor([0.3]))], kept)
    which = w.node("Gather", [kept, w.constant(2)], w[kept][:, 2], axis=1)
    chosen = w.node("Gather", [boxes, which], w[boxes][:, w[which]], axis=1)
    w.output(kept, "indices", ["found", 3])
    w.output(chosen, "boxes", [1, "found", 4])
    w.output(scores, "scores")
    return w


def functions():
    """Functions of the model's own, one inside another, with an attribute that the caller gives."""
    w = Writer(17, "by hand", ir=8)
    w.domains.append("own")
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    leaky = helper.make_node("LeakyRelu", ["sum"], ["y"])
    leaky.attribute.append(onnx.AttributeProto(name="alpha", type=onnx.AttributeProto.FLOAT, ref_attr_name="slope"))
    pair = [helper.make_node("Conv", ["x", "dense"], ["a"], pads=[1] * 4), helper.make_node("Conv", ["x", "point"], ["b"]),
            helper.make_node("Add", ["a", "b"], ["y"])]
    unit = [helper.make_node("Branches", ["x", "dense", "point"], ["two"], domain="own"), helper.make_node("Add", ["two", "x"], ["sum"]), leaky]
    w.functions += [helper.make_function("own", "Branches", ["x", "dense", "point"], ["y"], pair, opset),
                    helper.make_function("own", "Unit", ["x", "dense", "point"], ["y"], unit, opset, ["slope"])]
    x = w.input("x", torch.randn(1, 4, 7, 7))
    for slope in (0.1, 0.25):
        dense, point = w.constant(torch.randn(4, 4, 3, 3) / 6), w.constant(torch.randn(4, 4, 1, 1) / 2)
        value = F.conv2d(w[x], w[dense], padding=1) + F.conv2d(w[x], w[point]) + w[x]
        x = w.node("Unit", [x, dense, point], F.leaky_relu(value, float(torch.tensor(slope).double())), domain="own", slope=slope)
    w.output(x, "y")
    return w


def module_functions(fixtures, name):
    """PyTorch's own functions: one for each RepVGG block and each pair of convolution and BatchNorm."""
    torch.manual_seed(sum(map(ord, name)))
    inputs = (torch.randn(1, 3, 8, 8),)
    module = common.unsettle(nn.Sequential(RepVgg(3, 4, 2), RepVgg(4, 4), RepVgg(4, 4)), inputs)
    file = io.BytesIO()
    torch.onnx.export(module, inputs, file, opset_version=15, training=torch.onnx.TrainingMode.PRESERVE, input_names=["x"], output_names=["y"],
                      export_modules_as_functions={RepVgg})
    model = onnx.load_model_from_string(file.getvalue())
    for node in [*model.graph.node, *(n for f in model.functions for n in f.node)]:
        node.ClearField("doc_string")
    (y,) = common.outputs_of(module, inputs)
    names = [value.name for value in (*model.graph.input, *model.graph.output)]  # the exporter names the output anew
    fixtures.onnx(name, model, {names[0]: inputs[0].numpy()}, {names[1]: y.numpy()}, "arXiv:2101.03697, in functions", convolutions=3, sums=0)


class Face(nn.Module):
    """A light face detector with priors: open ends of slices everywhere, which old operator sets write as 2^63 - 1."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(*conv_bn(3, 4, 3, 2), nn.ReLU(), *conv_bn(4, 4, 3, groups=4), nn.ReLU(), *conv_bn(4, 8, 1), nn.ReLU())
        self.near, self.far = conv(4, 4, 3, 2, nn.ReLU), conv(4, 4, 1, 2, nn.ReLU)
        self.boxes, self.labels = nn.Conv2d(8, 4, 3, padding=1), nn.Conv2d(8, 2, 3, padding=1)
        self.register_buffer("priors", torch.rand(1, 24, 4))

    def forward(self, x):
        y = self.body(x)
        y = torch.cat([self.near(y[:, 2:6]), self.far(y[:, -4:])], 1)
        y = y[:, :, 1:, 1:-1][:, :, :, :3]
        y = F.interpolate(y, scale_factor=2.0, mode="nearest")
        boxes = self.boxes(y).permute(0, 2, 3, 1).reshape(x.size(0), -1, 4)
        labels = torch.softmax(self.labels(y).permute(0, 2, 3, 1).reshape(x.size(0), -1, 2), 2)
        at = boxes[..., :2] * 0.1 * self.priors[..., 2:] + self.priors[..., :2]
        size = torch.exp(boxes[..., 2:] * 0.2) * self.priors[..., 2:]
        return labels, torch.cat([at - size / 2, at + size / 2], 2)


class Focus(nn.Module):
    """YOLOv5's first layer: every second pixel, four times, joined; then RepVGG's block and a skip of channels."""

    def __init__(self):
        super().__init__()
        self.conv, self.block = conv(12, 6, 3), RepVgg(4, 4)

    def forward(self, x):
        y = self.conv(torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1))
        return torch.cat([y[:, :2], self.block(y[:, 2:])], 1)


def write(fixtures):
    any_size = {"x": {0: "batch", 2: "height", 3: "width"}}
    face = lambda name, opsets, **options: fixtures.torch(
        name, Face, (1, 3, 16, 16), opsets=opsets, convolutions=7, source="plain layers: as many as written", **options)
    face("face-net-opset9", (9, 9), dynamic=None)
    face("face-net-any-batch", (None, 9), dynamic={"x": {0: "batch"}})
    face("face-net-opset10", (10, 11), dynamic=None)
    fixtures.torch("focus-net", Focus, (1, 3, 12, 12), opsets=(10, 13), dynamic=any_size, convolutions=2, sums=0,
                   source="YOLOv5's focus layer and arXiv:2101.03697")
    sums = "as many convolutions as written, the sum of two beside one another and RepVGG's branches one each"
    for name, build, facts in (
        ("residual-net-sum", residual, {"convolutions": 7, "norms": 1}),
        ("inception-net-lrn", inception, {"convolutions": 4}),
        ("tensorflow-net", tensorflow, {"convolutions": 3, "sums": 0}),
        ("today-net-opset20", lambda: today(20), {"convolutions": 3}),
        ("today-net-opset21", lambda: today(21), {"convolutions": 3}),
        ("today-net-opset23", lambda: today(23), {"convolutions": 3}),
        ("detector-net-suppression", detector, {"convolutions": 4, "sums": 0}),
        ("functions-net", functions, {"convolutions": 2, "sums": 0}),
    ):
        if fixtures.wants(name):
            torch.manual_seed(sum(map(ord, name)))
            build().write(fixtures, name, sums, **facts)
    if fixtures.wants("functions-net-pytorch"):
        module_functions(fixtures, "functions-net-pytorch")
