"""
ECBSR's edge-oriented convolution block (Zhang, Zeng, Zhang: Edge-oriented Convolution Block for Real-time Super Resolution on Mobile
Devices, ACM Multimedia 2021, section 3.2): a 3x3 convolution, a 1x1 that widens and a 3x3 that narrows, and a 1x1 before each of two Sobel
and one Laplacian filter with learned scales. Written anew from the paper. In evaluation the authors compute one kernel in the forward
pass, by which the export holds the computation instead of the kernel.
"""
import torch
import torch.nn.functional as F
from torch import nn

filters = {
    "sobel-x": [[1, 0, -1], [2, 0, -2], [1, 0, -1]],
    "sobel-y": [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
    "laplacian": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
}


def bordered(x, value):
    """A border of one pixel, of the value that 1x1 convolutions give for 0: their bias."""
    value = value.view(1, -1, 1, 1)
    y = F.pad(x, (1, 1, 1, 1))
    y[:, :, 0:1, :] = value
    y[:, :, -1:, :] = value
    y[:, :, :, 0:1] = value
    y[:, :, :, -1:] = value
    return y


class Pair(nn.Module):
    """1x1, then 3x3, with nothing between."""

    def __init__(self, inputs, middle, outputs):
        super().__init__()
        self.point, self.dense = nn.Conv2d(inputs, middle, 1), nn.Conv2d(middle, outputs, 3)

    def forward(self, x):
        return self.dense(bordered(self.point(x), self.point.bias))

    def kernel(self):
        return self.dense.weight, self.dense.bias


class Edge(nn.Module):
    """1x1, then one filter a channel, scaled and shifted."""

    def __init__(self, inputs, outputs, kind):
        super().__init__()
        self.point = nn.Conv2d(inputs, outputs, 1)
        self.scale = nn.Parameter(torch.randn(outputs, 1, 1, 1))
        self.bias = nn.Parameter(torch.randn(outputs))
        mask = torch.tensor(filters[kind], dtype=torch.float32).expand(outputs, 1, 3, 3).clone()
        self.mask = nn.Parameter(mask, requires_grad=False)

    def forward(self, x):
        return F.conv2d(bordered(self.point(x), self.point.bias), self.scale * self.mask, self.bias, groups=len(self.scale))

    def kernel(self):
        channels = len(self.scale)
        scaled = self.scale * self.mask
        dense = torch.zeros(channels, channels, 3, 3, dtype=scaled.dtype)
        for i in range(channels):
            dense[i, i, :, :] = scaled[i, 0, :, :]
        return dense, self.bias


class EdgeBlock(nn.Module):
    def __init__(self, inputs, outputs, widen=2, identity=False, computed=False, activation=True):
        super().__init__()
        self.dense = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.branches = nn.ModuleList([Pair(inputs, widen * outputs, outputs), *(Edge(inputs, outputs, k) for k in filters)])
        self.identity, self.computed = identity, computed
        self.activation = nn.PReLU(outputs) if activation else nn.Identity()

    def forward(self, x):
        if self.computed:
            weight, bias = self.folded()
            return self.activation(F.conv2d(x, weight, bias, padding=1))
        y = self.dense(x)
        for branch in self.branches:
            y = y + branch(x)
        return self.activation(y + x if self.identity else y)

    def folded(self):
        weight, bias = self.dense.weight, self.dense.bias
        for branch in self.branches:
            outer, shift = branch.kernel()
            inner = branch.point
            weight = weight + F.conv2d(outer, inner.weight.permute(1, 0, 2, 3))
            spread = torch.ones(1, len(inner.bias), 3, 3, dtype=outer.dtype) * inner.bias.view(1, -1, 1, 1)
            bias = bias + F.conv2d(spread, outer).view(-1) + shift
        if self.identity:
            channels = len(bias)
            unit = torch.zeros(channels, channels, 3, 3, dtype=weight.dtype)
            for i in range(channels):
                unit[i, i, 1, 1] = 1.0
            weight = weight + unit
        return weight, bias


class SuperResolution(nn.Module):
    """The net at its smallest: one block, the input added to every sub-pixel, and a pixel shuffle."""

    def __init__(self, computed):
        super().__init__()
        self.body = EdgeBlock(1, 4, widen=1, computed=computed, activation=False)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, x):
        return self.shuffle(self.body(x) + x)


def write(fixtures):
    source = "Edge-oriented Convolution Block, ACM MM 2021, section 3.3: every block is one 3x3 convolution"
    one = {"convolutions": 1, "source": source}
    fixtures.torch("ecb", lambda: EdgeBlock(3, 2), (1, 3, 6, 6), opsets=(None, 13), sums=0, **one)
    fixtures.torch("ecb-identity", lambda: EdgeBlock(2, 2, identity=True), (1, 2, 6, 6), opsets=(None, 11), sums=0, **one)
    fixtures.torch("ecb-computed", lambda: EdgeBlock(3, 2, computed=True), (1, 3, 6, 6), opsets=(None, 13), sums=0, **one)
    fixtures.torch(
        "ecb-computed-identity", lambda: EdgeBlock(2, 2, identity=True, computed=True), (1, 2, 6, 6), opsets=(None, 16), sums=0, **one)
    whole = {"convolutions": 1, "source": source}
    fixtures.torch("ecbsr", lambda: SuperResolution(False), (1, 1, 8, 8), opsets=(None, 12), **whole)
    fixtures.torch("ecbsr-computed", lambda: SuperResolution(True), (1, 1, 8, 8), opsets=(None, 14), **whole)
