"""
Diverse Branch Block (arXiv:2103.13425, section 3.2 and figure 2): a sum of four branches, each a sequence that ends in BatchNorm.
Written anew from the paper. The padding between two layers of a branch writes the border by assignments to slices, as the authors'
class does and many after it; torch 1.13 exports each as ScatterND with its indices computed from shapes.
"""
import torch
import torch.nn.functional as F
from torch import nn

from common import conv_bn


class BorderedNorm(nn.Module):
    """BatchNorm, and around its result a border of what it gives for 0."""

    def __init__(self, channels, border, affine=True, joined=False):
        super().__init__()
        self.bn = nn.BatchNorm2d(channels, affine=affine)
        self.border, self.joined = border, joined

    def forward(self, x):
        y = self.bn(x)
        n = self.border
        if n == 0:
            return y
        value = -self.bn.running_mean / torch.sqrt(self.bn.running_var + self.bn.eps)
        if self.bn.affine:
            value = self.bn.weight * value + self.bn.bias
        value = value.view(1, -1, 1, 1)
        if self.joined:  # as the authors' first version: joined rows, then joined columns
            batch, channels, height, width = y.shape
            row = value.expand(batch, channels, n, width)
            y = torch.cat([row, y, row], 2)
            column = value.expand(batch, channels, height + 2 * n, n)
            return torch.cat([column, y, column], 3)
        y = F.pad(y, [n] * 4)
        y[:, :, 0:n, :] = value
        y[:, :, -n:, :] = value
        y[:, :, :, 0:n] = value
        y[:, :, :, -n:] = value
        return y


class NearIdentity(nn.Module):
    """A 1x1 convolution whose kernel is the identity plus what it learns."""

    def __init__(self, channels, groups):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1, groups=groups, bias=False)
        each = channels // groups
        self.identity = torch.zeros(channels, each, 1, 1)
        for i in range(channels):
            self.identity[i, i % each] = 1
        self.groups = groups

    def forward(self, x):
        return F.conv2d(x, self.conv.weight + self.identity.to(self.conv.weight), None, groups=self.groups)


class DiverseBranches(nn.Module):
    def __init__(self, inputs, outputs, kernel=3, stride=1, padding=None, groups=1, middle=None, affine=True, joined=False):
        super().__init__()
        padding = kernel // 2 if padding is None else padding
        depthwise = groups == outputs
        self.origin = conv_bn(inputs, outputs, kernel, stride, padding, groups)
        norm = lambda channels: BorderedNorm(channels, padding, affine, joined)
        if depthwise:
            self.point = None
            self.average = nn.Sequential(nn.AvgPool2d(kernel, stride, padding), nn.BatchNorm2d(outputs))
        else:
            self.point = conv_bn(inputs, outputs, 1, stride, padding - kernel // 2, groups)
            self.average = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, groups=groups, bias=False), norm(outputs),
                nn.AvgPool2d(kernel, stride), nn.BatchNorm2d(outputs),
            )
        middle = middle or (2 * inputs if depthwise else inputs)
        first = NearIdentity(inputs, groups) if middle == inputs else nn.Conv2d(inputs, middle, 1, groups=groups, bias=False)
        self.sequence = nn.Sequential(first, norm(middle), *conv_bn(middle, outputs, kernel, stride, 0, groups))

    def forward(self, x):
        y = self.origin(x)
        if self.point is not None:
            y = y + self.point(x)
        return y + self.average(x) + self.sequence(x)


def net():
    """Two blocks with ReLU, as a net has them: the second reads what the first gives."""
    return nn.Sequential(DiverseBranches(3, 4, stride=2), nn.ReLU(), DiverseBranches(4, 4, groups=4), nn.ReLU())


def write(fixtures):
    paper = "arXiv:2103.13425, section 3.3 (transforms I to VI): every block is one convolution"
    one = {"convolutions": 1, "sums": 0}
    block = lambda name, opsets, shape, *args, dynamic=None, **options: fixtures.torch(
        name, lambda: DiverseBranches(*args, **options), shape, opsets=opsets, source=paper, dynamic=dynamic, **one)
    block("dbb", (13, 13), (1, 3, 6, 6), 3, 4)
    block("dbb-k5-stride2", (16, None), (1, 3, 9, 9), 3, 4, kernel=5, stride=2)
    block("dbb-groups", (None, 12), (1, 4, 7, 7), 4, 4, groups=2)
    block("dbb-depthwise", (12, 17), (1, 4, 7, 7), 4, 4, groups=4)
    block("dbb-wider-middle", (None, 13), (2, 3, 6, 6), 3, 4, middle=6)
    block("dbb-no-affine", (11, None), (1, 3, 6, 6), 3, 4, affine=False)
    block("dbb-joined-border", (11, 14), (1, 3, 6, 6), 3, 4, joined=True)
    block("dbb-any-batch", (None, 17), (2, 3, 6, 6), 3, 4, dynamic={"x": {0: "batch"}, "y": {0: "batch"}})
    fixtures.torch("dbb-two", net, (1, 3, 12, 12), opsets=(13, None), source=paper, convolutions=2, sums=0)
