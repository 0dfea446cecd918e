"""
PP-OCR's three nets (arXiv:2009.09941, arXiv:2206.03001) as Paddle's exporter writes them: weights in Constant nodes, BatchNorm kept, sizes by
Shape, Cast to int32, Slice with attributes, Cast back and Concat into Reshape, HardSwish in several spellings. Written anew from the papers and
public descriptions of exported files; the smallest widths.
"""
import torch
import torch.nn.functional as F

from by_hand import Writer


def paddle(opset):
    return Writer(opset, "PaddlePaddle", constants_are_nodes=True, ir=7, named="p2o.{op}.{n}")


def clip(w, x, low, high):
    value = w[x].clamp(low, high)
    if w.opset < 11:
        return w.node("Clip", [x], value, min=low, max=high)
    return w.node("Clip", [x, w.constant(float(low)), w.constant(float(high))], value)


def hard_swish(w, x, spelling):
    if spelling == "clip":  # x * clip(x + 3, 0, 6) / 6
        gate = clip(w, w.add(x, w.constant(torch.tensor([3.0]))), 0.0, 6.0)
        y, six = w.mul(x, gate), w.constant(torch.tensor([6.0]))
        return w.node("Div", [y, six], w[y] / w[six])
    if spelling == "gate":
        slope = float(torch.tensor(1 / 6).double())
        gate = w.node("HardSigmoid", [x], (w[x] * slope + 0.5).clamp(0, 1), alpha=1 / 6, beta=0.5)
        return w.mul(x, gate)
    return w.node("HardSwish", [x], F.hardswish(w[x]))


def unit(w, x, outputs, kernel, stride=1, groups=1, act="clip"):
    y = w.norm(w.conv(x, outputs, kernel, stride, (kernel - 1) // 2 if isinstance(kernel, int) else 0, groups))
    return w.relu(y) if act == "relu" else hard_swish(w, y, act) if act else y


def squeeze(w, x):
    channels = w[x].shape[1]
    y = w.node("GlobalAveragePool", [x], w[x].mean((2, 3), keepdim=True))
    y = w.conv(w.relu(w.conv(y, 2, 1, bias=True)), channels, 1, bias=True)
    slope = float(torch.tensor(0.2).double())
    return w.mul(x, w.node("HardSigmoid", [y], (w[y] * slope + 0.5).clamp(0, 1), alpha=0.2, beta=0.5))


def block(w, x, outputs, kernel, stride=1, act="clip", se=False):
    """MobileNetV3's: 1x1, depthwise, SE, 1x1."""
    y = unit(w, unit(w, x, w[x].shape[1] * 2, 1, act=act), w[x].shape[1] * 2, kernel, stride, w[x].shape[1] * 2, act)
    y = unit(w, squeeze(w, y) if se else y, outputs, 1, act="")
    return w.add(x, y) if w[x].shape == w[y].shape else y


def size(w, x, axis):
    """One size of a value as a tensor of one number, the long way."""
    shape = w.node("Shape", [x], torch.tensor(w[x].shape))
    narrow = w.node("Cast", [shape], w[shape].int(), to=6)
    one = w[narrow][axis:axis + 1]
    if w.opset < 10:
        part = w.node("Slice", [narrow], one, axes=[0], starts=[axis], ends=[axis + 1])
    else:
        part = w.node("Slice", [narrow, *(w.constant([n]) for n in (axis, axis + 1, 0))], one)
    return w.node("Cast", [part], one.long(), to=7)


def reshape(w, x, sizes):
    """To sizes that are numbers or (value, axis)."""
    parts = [w.constant([s]) if isinstance(s, int) else size(w, *s) for s in sizes]
    shape = w.node("Concat", parts, torch.cat([w[p] for p in parts]), axis=0)
    wanted = [int(n) or w[x].shape[i] for i, n in enumerate(w[shape])]  # 0: as it was
    return w.node("Reshape", [x, shape], w[x].reshape(wanted))


def softmax(w, x, axis):
    return w.node("Softmax", [x], w[x].softmax(axis), axis=axis)


def layer_norm(w, x):
    channels = w[x].shape[-1]
    centred = w.node("Sub", [x, mean := w.mean(x, [-1])], w[x] - w[mean])
    square = w.node("Pow", [centred, two := w.constant(torch.tensor([2.0]))], w[centred] ** w[two])
    spread = w.node("Sqrt", [v := w.add(w.mean(square, [-1]), w.constant(torch.tensor([1e-5])))], w[v].sqrt())
    y = w.node("Div", [centred, spread], w[centred] / w[spread])
    return w.add(w.mul(y, w.constant(torch.rand(channels) + 0.5)), w.constant(torch.randn(channels)))


def swish(w, x):
    return w.mul(x, w.node("Sigmoid", [x], w[x].sigmoid()))


def attention(w, x, heads=2):
    """Over [batch, positions, channels]."""
    channels = w[x].shape[2]
    each = channels // heads
    qkv = w.transpose(reshape(w, w.linear(x, 3 * channels), [0, -1, 3, heads, each]), [2, 0, 3, 1, 4])

    def part(n):
        starts = w.node("Slice", [qkv, *(w.constant([v]) for v in (n, n + 1, 0))], w[qkv][n:n + 1])
        return w.node("Squeeze", [starts], w[starts][0], axes=[0])

    q, k, v = map(part, range(3))
    q = w.mul(q, w.constant(torch.tensor([each**-0.5])))
    weights = w.node("MatMul", [q, t := w.transpose(k, [0, 1, 3, 2])], w[q] @ w[t])
    weights = softmax(w, weights, -1)
    y = w.transpose(w.node("MatMul", [weights, v], w[weights] @ w[v]), [0, 2, 1, 3])
    return w.linear(reshape(w, y, [0, -1, channels]), channels)


def direction():
    """Is a line of text upside down: MobileNetV3, a linear layer."""
    w = paddle(9)
    x = unit(w, w.input("x", torch.randn(1, 3, 16, 32), ["DynamicDimension.0", 3, 16, 32]), 4, 3, 2)
    x = block(w, block(w, x, 6, 3, 2, "relu", True), 6, 5, act="gate", se=True)
    x = unit(w, x, 8, 1)
    x = w.node("MaxPool", [x], F.max_pool2d(w[x], 2, 2), kernel_shape=[2, 2], strides=[2, 2], pads=[0] * 4)
    x = w.node("GlobalAveragePool", [x], w[x].mean((2, 3), keepdim=True))
    x = softmax(w, w.linear(reshape(w, x, [(x, 0), -1]), 2), 1)
    w.output(x, "save_infer_model/scale_0.tmp_1", ["DynamicDimension.1", 2])
    return w


def detection(opset):
    """Where text is: MobileNetV3, a pyramid of nearest up-sampling, two transposed convolutions with BatchNorm between."""
    w = paddle(opset)
    x = w.input("x", torch.randn(1, 3, 32, 32), ["DynamicDimension.0", 3, "DynamicDimension.1", "DynamicDimension.2"])
    levels, act = [unit(w, x, 4, 3, 2)], "swish" if opset >= 14 else "clip"
    for outputs in (4, 6, 8):
        levels.append(block(w, levels[-1], outputs, 3, 2, act, True))
    inner = [w.conv(level, 4, 1) for level in levels[1:]]

    def grow(x, times):
        value = F.interpolate(w[x], scale_factor=times, mode="nearest")
        scales = w.constant(torch.tensor([1.0, 1.0, times, times]))
        if opset < 11:
            return w.node("Resize", [x, scales], value, mode="nearest")
        return w.node("Resize", [x, "", scales], value, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")

    y = w.add(inner[1], grow(inner[2], 2))
    z = w.add(inner[0], grow(y, 2))
    parts = [grow(w.conv(inner[2], 2, 3, 1, 1), 4), grow(w.conv(y, 2, 3, 1, 1), 2), w.conv(z, 2, 3, 1, 1)]
    joined = w.node("Concat", parts, torch.cat([w[p] for p in parts], 1), axis=1)
    y = unit(w, joined, 4, 3, act="relu")
    y = w.relu(w.norm(w.add(w.transposed(y, 4, 2, 2), w.constant(torch.randn(1, 4, 1, 1)))))
    y = w.add(w.transposed(y, 1, 2, 2), w.constant(torch.randn(1, 1, 1, 1)))
    y = w.node("Sigmoid", [y], w[y].sigmoid())
    w.output(y, "sigmoid_0.tmp_0", ["DynamicDimension.3", 1, "DynamicDimension.4", "DynamicDimension.5"])
    return w


def recognition():
    """What a line of text says: PP-LCNet, attention over columns (SVTR), one distribution for each column."""
    w = paddle(11)
    x = unit(w, w.input("x", torch.randn(1, 3, 8, 32), ["DynamicDimension.0", 3, 8, "DynamicDimension.1"]), 4, 3, 2)
    for outputs, kernel, stride, se in ((6, 3, 1, False), (8, 5, (2, 1), True)):
        y = w.norm(w.conv(x, w[x].shape[1], kernel, stride, kernel // 2, w[x].shape[1]))
        y = hard_swish(w, y, "gate")
        x = hard_swish(w, w.norm(w.conv(squeeze(w, y) if se else y, outputs, 1)), "clip")
    x = w.node("AveragePool", [x], F.avg_pool2d(w[x], (2, 1), (2, 1)), kernel_shape=[2, 1], strides=[2, 1], pads=[0] * 4)
    side, channels = x, w[x].shape[1]
    y = swish(w, w.norm(w.conv(x, 4, 1)))
    y = w.transpose(reshape(w, y, [(y, 0), 4, -1]), [0, 2, 1])
    y = w.add(y, attention(w, layer_norm(w, y)))
    y = w.add(y, w.linear(swish(w, w.linear(layer_norm(w, y), 8)), 4))
    y = layer_norm(w, y)
    y = w.transpose(reshape(w, y, [(x, 0), 1, (x, 3), 4]), [0, 3, 1, 2])
    y = swish(w, w.norm(w.conv(y, channels, 1)))
    y = w.node("Concat", [side, y], torch.cat([w[side], w[y]], 1), axis=1)
    y = swish(w, w.norm(w.conv(y, 4, (1, 3), 1, (0, 1), pads=[0, 1, 0, 1])))
    y = w.node("Squeeze", [y], w[y].squeeze(2), axes=[2])
    y = softmax(w, w.linear(w.transpose(y, [0, 2, 1]), 7), 2)
    w.output(y, "softmax_2.tmp_0", ["DynamicDimension.2", "DynamicDimension.3", 7])
    return w


def write(fixtures):
    paper = "arXiv:2009.09941 and arXiv:2206.03001: as many convolutions as written"
    for name, build, facts in (
        ("ppocr-direction-net", direction, {"convolutions": 12}),
        ("ppocr-detection-net", lambda: detection(10), {"convolutions": 23}),
        ("ppocr-detection-net-swish", lambda: detection(14), {"convolutions": 23}),
        ("ppocr-recognition-net", recognition, {"convolutions": 10}),
    ):
        if fixtures.wants(name):
            torch.manual_seed(sum(map(ord, name)))
            build().write(fixtures, name, paper, **facts)
