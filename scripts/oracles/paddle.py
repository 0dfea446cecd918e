"""
Backbones of PaddleOCR and RT-DETR: PP-LCNetV3's re-parameterized layers with learnable affine (PaddleOCR, PP-OCRv4's report) and
HGNetV2's blocks. Written anew from their public descriptions; see nets_paddle.py for files as Paddle's own exporter writes them.
"""
import torch
import torch.nn.functional as F
from torch import nn

from common import conv_bn
from repvgg import SqueezeExcite


class Affine(nn.Module):
    """One factor and one shift for all channels."""

    def __init__(self):
        super().__init__()
        self.scale, self.bias = nn.Parameter(torch.rand(1) + 0.5), nn.Parameter(torch.randn(1))

    def forward(self, x):
        return self.scale * x + self.bias


class RepLayer(nn.Module):
    """k x k branches, 1x1 and identity, each with BatchNorm; affine, activation, affine."""

    def __init__(self, inputs, outputs, kernel, stride=1, groups=1, branches=4):
        super().__init__()
        self.identity = nn.BatchNorm2d(inputs) if inputs == outputs and stride == 1 else None
        self.convs = nn.ModuleList([conv_bn(inputs, outputs, kernel, stride, groups=groups) for _ in range(branches)])
        self.point = conv_bn(inputs, outputs, 1, stride, groups=groups) if kernel > 1 else None
        self.before, self.after, self.stride = Affine(), Affine(), stride

    def forward(self, x):
        y = 0
        if self.identity is not None:
            y = y + self.identity(x)
        if self.point is not None:
            y = y + self.point(x)
        for conv in self.convs:
            y = y + conv(x)
        y = self.before(y)
        return self.after(F.hardswish(y)) if self.stride == 1 else y


def lcnet_block(inputs, outputs, kernel, stride=1, squeeze=False):
    squeezing = [SqueezeExcite(inputs, 2, nn.Hardsigmoid)] if squeeze else []
    return nn.Sequential(RepLayer(inputs, inputs, kernel, stride, inputs), *squeezing, RepLayer(inputs, outputs, 1))


class Unit(nn.Module):
    """Convolution, BatchNorm, ReLU, affine."""

    def __init__(self, inputs, outputs, kernel, stride=1, groups=1, activation=True, affine=True, padding=None):
        super().__init__()
        self.conv = conv_bn(inputs, outputs, kernel, stride, padding, groups)
        self.activation = nn.ReLU() if activation else nn.Identity()
        self.affine = Affine() if affine and activation else nn.Identity()

    def forward(self, x):
        return self.affine(self.activation(self.conv(x)))


class Stem(nn.Module):
    def __init__(self, middle, outputs):
        super().__init__()
        self.first = Unit(3, middle, 3, 2)
        self.thin = nn.Sequential(Unit(middle, middle // 2, 2, padding=0), nn.ZeroPad2d((0, 1, 0, 1)), Unit(middle // 2, middle, 2, padding=0))
        self.join, self.last = Unit(2 * middle, middle, 3, 2), Unit(middle, outputs, 1)

    def forward(self, x):
        x = F.pad(self.first(x), (0, 1, 0, 1))
        return self.last(self.join(torch.cat([F.max_pool2d(x, 2, 1), self.thin(x)], 1)))


class HgBlock(nn.Module):
    """Units behind one another, all joined; squeezed and widened by 1x1; added to the input."""

    def __init__(self, inputs, middle, outputs, depth, light):
        super().__init__()
        unit = lambda i: nn.Sequential(Unit(i, middle, 1, activation=False), Unit(middle, middle, 5, groups=middle)) if light else Unit(i, middle, 3)
        self.units = nn.ModuleList([unit(middle if n else inputs) for n in range(depth)])
        self.join = nn.Sequential(Unit(inputs + depth * middle, outputs // 2, 1), Unit(outputs // 2, outputs, 1))
        self.same = inputs == outputs

    def forward(self, x):
        parts = [x]
        for unit in self.units:
            parts.append(unit(parts[-1]))
        y = self.join(torch.cat(parts, 1))
        return x + y if self.same else y


def write(fixtures):
    lc = "PP-OCRv4 (PP-LCNetV3): each re-parameterized layer is one convolution; SE has two; the affines behind activations stay as they are"
    fixtures.torch("pplcnetv3", lambda: lcnet_block(4, 6, 3), (1, 4, 8, 8), opsets=(13, 12), convolutions=2, sums=0, source=lc)
    fixtures.torch("pplcnetv3-se", lambda: lcnet_block(4, 4, 5, 2, True), (1, 4, 8, 8), opsets=(11, 17), convolutions=4, sums=0, source=lc)
    hg = "HGNetV2 (RT-DETR, arXiv:2304.08069, section 4.1): as many convolutions as written; an affine behind an activation is not one"
    fixtures.torch("hgnetv2-stem", lambda: Stem(4, 6), (1, 3, 14, 14), opsets=(12, 14), convolutions=5, sums=0, source=hg)
    fixtures.torch("hgnetv2", lambda: HgBlock(4, 4, 6, 2, False), (1, 4, 8, 8), opsets=(14, 13), convolutions=4, sums=0, source=hg)
    fixtures.torch("hgnetv2-light", lambda: HgBlock(4, 4, 4, 2, True), (1, 4, 8, 8), opsets=(16, 11), convolutions=6, sums=1, source=hg)
