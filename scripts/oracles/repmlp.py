"""
RepMLPNet (arXiv:2112.11081, section 3): a fully connected layer over the pixels of a window, trained beside convolutions, which are
injected into it as matrices. Written anew from the paper.
"""
import torch.nn.functional as F
from torch import nn

from common import conv_bn


class RepMlp(nn.Module):
    def __init__(self, channels, window, sets, kernels):
        super().__init__()
        self.window, self.sets = window, sets
        self.down, self.up = nn.Conv2d(channels, 2, 1), nn.Conv2d(2, channels, 1)
        pixels = window * window
        self.full = nn.Conv2d(sets * pixels, sets * pixels, 1, groups=sets, bias=False)
        self.norm = nn.BatchNorm2d(sets)
        self.convs = nn.ModuleList([conv_bn(sets, sets, k, groups=sets) for k in kernels])

    def forward(self, x):
        batch, channels, height, width = x.shape
        n, s = self.window, self.sets
        gate = self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1)))).sigmoid()
        rows, columns = height // n, width // n
        x = x.reshape(batch, channels, rows, n, columns, n).permute(0, 2, 4, 1, 3, 5)
        y = self.full(x.reshape(-1, s * n * n, 1, 1))
        y = self.norm(y.reshape(-1, s, n, n))
        image = x.reshape(-1, s, n, n)
        for conv in self.convs:
            y = y + conv(image)
        y = y.reshape(batch, rows, columns, channels, n, n).permute(0, 3, 1, 4, 2, 5)
        return y.reshape(batch, channels, height, width) * gate


class Unit(nn.Module):
    """The block behind BatchNorm, added to its input; then 1x1, GELU, 1x1 behind BatchNorm."""

    def __init__(self, channels, *options):
        super().__init__()
        self.norm, self.block = nn.BatchNorm2d(channels), RepMlp(channels, *options)
        self.feed = nn.Sequential(
            nn.BatchNorm2d(channels), *conv_bn(channels, 2 * channels, 1), nn.GELU(), *conv_bn(2 * channels, channels, 1))

    def forward(self, x):
        x = x + self.block(self.norm(x))
        return x + self.feed(x)


def write(fixtures):
    paper = "arXiv:2112.11081, section 3.3 (locality injection): the branches become part of the one fully connected layer; two 1x1 of the gate"
    fixtures.torch("repmlp", lambda: RepMlp(4, 3, 2, (1, 3)), (1, 4, 6, 6), opsets=(13, 12), convolutions=3, sums=0, source=paper)
    fixtures.torch("repmlp-one-window", lambda: RepMlp(2, 4, 2, (3,)), (2, 2, 4, 4), opsets=(11, 17), convolutions=3, sums=0, source=paper)
    fixtures.torch("repmlp-unit", lambda: Unit(4, 3, 2, (1, 3)), (1, 4, 6, 6), opsets=(14, 16), convolutions=5, norms=1, sums=2,
                   source=paper + "; two of the feed-forward part, two residuals, and the first BatchNorm, which the gate reads too")
