"""
RepLKNet (arXiv:2203.06717, section 4) and UniRepLKNet (arXiv:2311.15599, section 3): large depthwise kernels trained beside small or
dilated ones. Written anew from the papers.
"""
import torch
import torch.nn.functional as F
from torch import nn

from common import conv_bn
from mobile import LargeKernel
from repvgg import SqueezeExcite


class RepLkBlock(nn.Module):
    """BatchNorm, 1x1, large kernel, 1x1, added to its input; then a feed-forward part of 1x1 convolutions."""

    def __init__(self, channels, large, small):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.first = nn.Sequential(*conv_bn(channels, channels, 1), nn.ReLU())
        self.large, self.last = LargeKernel(channels, channels, large, small), conv_bn(channels, channels, 1)
        self.feed = nn.Sequential(
            nn.BatchNorm2d(channels), *conv_bn(channels, 2 * channels, 1), nn.GELU(), *conv_bn(2 * channels, channels, 1))

    def forward(self, x):
        x = x + self.last(F.relu(self.large(self.first(self.norm(x)))))
        return x + self.feed(x)


dilations = {7: [(5, 1), (3, 2), (3, 3)], 9: [(5, 1), (5, 2), (3, 3), (3, 4)], 13: [(5, 1), (7, 2), (3, 3), (3, 4), (3, 5)]}


class DilatedBranches(nn.Module):
    """A large depthwise kernel, and small ones with gaps that fit into it (UniRepLKNet, 3.2)."""

    one_convolution = True

    def __init__(self, channels, kernel):
        super().__init__()
        self.branches = nn.ModuleList([conv_bn(channels, channels, kernel, groups=channels)] + [
            conv_bn(channels, channels, k, groups=channels, dilation=d) for k, d in dilations[kernel]])

    def forward(self, x):
        y = self.branches[0](x)
        for branch in self.branches[1:]:
            y = y + branch(x)
        return y


class ResponseNorm(nn.Module):
    """Global response normalization over channels-last images (arXiv:2301.00808, section 3)."""

    def __init__(self, channels):
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.randn(1, 1, 1, channels)), nn.Parameter(torch.randn(1, 1, 1, channels))

    def forward(self, x):
        size = torch.norm(x, p=2, dim=(1, 2), keepdim=True)
        share = size / (size.mean(dim=-1, keepdim=True) + 1e-6)
        return (self.gamma * share + 1) * x + self.beta


class UniRepLkBlock(nn.Module):
    """Dilated branches and BatchNorm, SE, and two linear layers over channels last; BatchNorm and a layer's scale behind them."""

    def __init__(self, channels, kernel):
        super().__init__()
        self.depthwise = DilatedBranches(channels, kernel) if kernel >= 7 else nn.Conv2d(
            channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False)
        self.norm, self.squeeze = nn.BatchNorm2d(channels), SqueezeExcite(channels, 2)
        self.first, self.response = nn.Linear(channels, 4 * channels), ResponseNorm(4 * channels)
        self.last, self.after = nn.Linear(4 * channels, channels, bias=False), nn.BatchNorm2d(channels)
        self.gamma = nn.Parameter(torch.empty(channels).uniform_(0.2, 1))

    def forward(self, x):
        y = self.squeeze(self.norm(self.depthwise(x))).permute(0, 2, 3, 1)
        y = self.last(self.response(F.gelu(self.first(y)))).permute(0, 3, 1, 2)
        return x + self.gamma.view(1, -1, 1, 1) * self.after(y)


class ChannelNorm(nn.Module):
    """LayerNorm over the channels of NCHW, through channels last."""

    def __init__(self, channels):
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        nn.init.uniform_(self.norm.weight, 0.5, 1.5)
        nn.init.normal_(self.norm.bias)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def stem(channels):
    return nn.Sequential(
        nn.Conv2d(3, channels // 2, 3, 2, 1), ChannelNorm(channels // 2), nn.GELU(),
        nn.Conv2d(channels // 2, channels, 3, 2, 1), ChannelNorm(channels))


def write(fixtures):
    lk = "arXiv:2203.06717, section 4.1 (RepLKNet): 1x1, large, 1x1; 1x1, 1x1; two residuals. Each BatchNorm before a 1x1 can go into it"
    fixtures.torch("replknet", lambda: RepLkBlock(4, 13, 5), (1, 4, 8, 8), opsets=(13, 17), convolutions=5, sums=2, source=lk)
    fixtures.torch("replknet-31", lambda: LargeKernel(3, 3, 31, 5), (1, 3, 9, 9), opsets=(11, 12), convolutions=1, sums=0,
                   source="arXiv:2203.06717, section 3, guideline 3")
    uni = "arXiv:2311.15599, section 3 (UniRepLKNet): one depthwise, two of SE; two linear layers that hold BatchNorm and scale; a residual"
    any_size = {"x": {0: "batch", 2: "height", 3: "width"}}
    fixtures.torch("unireplknet", lambda: UniRepLkBlock(4, 7), (1, 4, 8, 8), opsets=(13, 17), convolutions=3, sums=1, source=uni)
    fixtures.torch("unireplknet-k13", lambda: UniRepLkBlock(4, 13), (1, 4, 8, 8), opsets=(12, 14), convolutions=3, sums=1, source=uni)
    fixtures.torch("unireplknet-small", lambda: UniRepLkBlock(6, 3), (1, 6, 7, 5), opsets=(11, 16), convolutions=3, sums=1, source=uni,
                   dynamic=any_size)
    fixtures.torch("unireplknet-stem", lambda: stem(8), (1, 3, 12, 12), opsets=(None, 13), convolutions=2, sums=2,
                   source="arXiv:2311.15599, section 3.1: two convolutions; LayerNorm subtracts a mean, its scale and shift are no convolution")
    fixtures.torch("unireplknet-stem-layernorm", lambda: stem(8), (1, 3, 12, 12), opsets=(None, 17), convolutions=2, sums=0,
                   source="as unireplknet-stem, with the operator LayerNormalization")
