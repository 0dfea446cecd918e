"""
Blocks of detectors: YOLOv6 (arXiv:2209.02976), YOLOv7 (arXiv:2207.02696), YOLOv9 (arXiv:2402.13616). Written anew from the papers and their figures.
"""
import torch
import torch.nn.functional as F
from torch import nn

from common import conv_bn
from repvgg import QaRepVgg, RepVgg


def conv(inputs, outputs, kernel=1, stride=1, activation=nn.SiLU, groups=1):
    return nn.Sequential(*conv_bn(inputs, outputs, kernel, stride, groups=groups, eps=1e-3), activation())


class Neck6(nn.Module):
    """YOLOv6: the deeper level grows by a transposed convolution and is joined to the other; then re-parameterized blocks."""

    def __init__(self, deep, flat, block, joined=False):
        super().__init__()
        self.grow, self.narrow = nn.ConvTranspose2d(deep, flat, 2, 2), conv(flat, flat, activation=nn.ReLU)
        first = 2 * flat if joined else flat
        self.blocks = nn.Sequential(block(2 * flat, first), block(first, first), block(first, flat), block(flat, flat))

    def forward(self, deep, flat):
        return self.blocks(torch.cat([self.grow(deep), self.narrow(flat)], 1))


class RepConvN(nn.Module):
    """YOLOv9's RepConv: no identity."""

    one_convolution = True

    def __init__(self, inputs, outputs):
        super().__init__()
        self.dense, self.point = conv_bn(inputs, outputs, 3, eps=1e-3), conv_bn(inputs, outputs, 1, eps=1e-3)

    def forward(self, x):
        return F.silu(self.dense(x) + self.point(x))


class Elan(nn.Module):
    """YOLOv7's efficient layer aggregation: two 1x1, two pairs of 3x3 behind one another, joined, 1x1."""

    def __init__(self, inputs, middle, outputs, activation=nn.SiLU):
        super().__init__()
        self.first, self.second = conv(inputs, middle, activation=activation), conv(inputs, middle, activation=activation)
        pair = lambda: nn.Sequential(conv(middle, middle, 3, activation=activation), conv(middle, middle, 3, activation=activation))
        self.pairs, self.last = nn.ModuleList([pair(), pair()]), conv(4 * middle, outputs, activation=activation)

    def forward(self, x):
        parts = [self.first(x), self.second(x)]
        for pair in self.pairs:
            parts.append(pair(parts[-1]))
        return self.last(torch.cat(parts[::-1], 1))


class Bottleneck9(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first, self.last = RepConvN(channels, channels), conv(channels, channels, 3)

    def forward(self, x):
        return x + self.last(self.first(x))


class Csp9(nn.Module):
    """RepNCSP: bottlenecks on one half, joined with the other."""

    def __init__(self, inputs, outputs, depth=1):
        super().__init__()
        half = outputs // 2
        self.first, self.second, self.last = conv(inputs, half), conv(inputs, half), conv(2 * half, outputs)
        self.middle = nn.Sequential(*(Bottleneck9(half) for _ in range(depth)))

    def forward(self, x):
        return self.last(torch.cat([self.middle(self.first(x)), self.second(x)], 1))


class Gelan(nn.Module):
    """RepNCSPELAN4: one 1x1, split in two; two cross-stage parts behind one another; all joined."""

    def __init__(self, inputs, outputs, middle, inner, depth=1):
        super().__init__()
        self.first = conv(inputs, middle)
        self.second = nn.Sequential(Csp9(middle // 2, inner, depth), conv(inner, inner, 3))
        self.third = nn.Sequential(Csp9(inner, inner, depth), conv(inner, inner, 3))
        self.last = conv(middle + 2 * inner, outputs)

    def forward(self, x):
        parts = list(self.first(x).chunk(2, 1))
        parts.append(self.second(parts[-1]))
        parts.append(self.third(parts[-1]))
        return self.last(torch.cat(parts, 1))


class ADown(nn.Module):
    """YOLOv9's down-sampling: an average pool, then one half by 3x3 and the other by a maximum and 1x1."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.first, self.second = conv(inputs // 2, outputs // 2, 3, 2), conv(inputs // 2, outputs // 2)

    def forward(self, x):
        a, b = F.avg_pool2d(x, 2, 1, 0, False, True).chunk(2, 1)
        return torch.cat([self.first(a), self.second(F.max_pool2d(b, 3, 2, 1))], 1)


class Auxiliary(nn.Module):
    """CBLinear and CBFuse: a convolution whose channels are split over the levels, each resized to the last one's size and summed."""

    def __init__(self, inputs, widths):
        super().__init__()
        self.widths, self.conv = widths, nn.Conv2d(inputs, sum(widths), 1)

    def forward(self, deep, flat):
        parts = self.conv(deep).split(self.widths, 1)
        grown = [F.interpolate(part, size=flat.shape[2:], mode="nearest") for part in parts]
        return torch.sum(torch.stack([*grown, flat]), 0)


def write(fixtures):
    six = "arXiv:2209.02976, section 2.1 (YOLOv6): RepBlocks fold; one 1x1 beside them, and a transposed convolution"
    shapes = ((1, 6, 4, 4), (1, 4, 8, 8))
    rep = lambda i, o: RepVgg(i, o, eps=1e-3)
    any_size = {name: {0: "batch", 2: f"height{name}", 3: f"width{name}"} for name in ("x0", "x1")}
    facts = {"convolutions": 5, "sums": 0, "source": six}
    fixtures.torch("yolov6-neck", lambda: Neck6(6, 4, rep), *shapes, opsets=(13, 12), **facts)
    fixtures.torch("yolov6-neck-joined", lambda: Neck6(6, 4, rep, True), *shapes, opsets=(11, 16), **facts)
    fixtures.torch("yolov6-neck-any-size", lambda: Neck6(6, 4, rep, True), *shapes, opsets=(14, 17), dynamic=any_size, **facts)
    fixtures.torch("yolov6-neck-qa", lambda: Neck6(6, 4, QaRepVgg, True), *shapes, opsets=(12, 13), **facts)
    average = lambda i, o: QaRepVgg(i, o, average=True)
    fixtures.torch("yolov6-neck-qa-average", lambda: Neck6(6, 4, average, True), *shapes, opsets=(16, 11), dynamic=any_size, **facts)

    seven = "arXiv:2207.02696, section 4.1 (YOLOv7): RepConv is one convolution"
    silu = lambda i, o: RepVgg(i, o, activation=nn.SiLU(), eps=1e-3)
    fixtures.torch("yolov7-repconv", lambda: nn.Sequential(silu(4, 4), silu(4, 6)), (1, 4, 8, 8), opsets=(12, 14), convolutions=2,
                   sums=0, source=seven)
    fixtures.torch("yolov7-elan", lambda: nn.Sequential(Elan(4, 4, 6), silu(6, 6)), (1, 4, 8, 8), opsets=(13, 11), convolutions=8,
                   sums=0, source=seven + "; ELAN has seven")

    nine = "arXiv:2402.13616, section 4.2 (YOLOv9): RepConv is one convolution"
    fixtures.torch("yolov9-gelan", lambda: Gelan(4, 6, 8, 4), (1, 4, 8, 8), opsets=(13, 17), convolutions=14, sums=2,
                   source=nine + "; five in each CSP part with its bottleneck, one behind each, one before and one after; two residuals")
    fixtures.torch("yolov9-down", lambda: nn.Sequential(conv(3, 4, 3), ADown(4, 6)), (1, 3, 9, 9), opsets=(12, 15), convolutions=3, sums=0,
                   source="YOLOv9's ADown: one convolution for each half, one before")
    fixtures.torch("yolov9-auxiliary", lambda: Auxiliary(6, (4, 4)), *shapes, opsets=(None, 13), convolutions=1,
                   source="arXiv:2402.13616, section 4.1 (CBLinear and CBFuse)")
