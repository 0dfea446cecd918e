"""What nets of all kinds have around BatchNorm: transposed convolutions, joined channels, one and three dimensions. Plain layers of PyTorch."""
import torch
import torch.nn.functional as F
from torch import nn

from common import conv_bn


class Joined(nn.Module):
    """BatchNorm behind a Concat of convolutions, each of which can hold its part."""

    def __init__(self, pooled=False):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 2, 1, bias=False)
        self.pooled, self.norm = pooled, nn.BatchNorm2d(9 if pooled else 6)

    def forward(self, x):
        parts = [self.first(x), self.second(x)]
        return F.relu(self.norm(torch.cat([*parts, F.max_pool2d(x, 3, 1, 1)] if self.pooled else parts, 1)))


class JoinedSources(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.ConvTranspose2d(4, 4, 2, 2), nn.BatchNorm2d(8)

    def forward(self, x):
        y = F.relu(self.first(x))
        return F.relu(self.norm(torch.cat([self.first(x), self.second(F.max_pool2d(y, 2))], 1)))


class Line(nn.Module):
    """RepVGG's block in one or three dimensions."""

    def __init__(self, dimensions, channels, last):
        super().__init__()
        conv, norm = (nn.Conv1d, nn.BatchNorm1d) if dimensions == 1 else (nn.Conv3d, nn.BatchNorm3d)
        self.dense = nn.Sequential(conv(channels, last, 3, padding=1, bias=False), norm(last))
        self.point = nn.Sequential(conv(channels, last, 1, bias=False), norm(last))
        self.identity = norm(channels) if channels == last else None

    def forward(self, x):
        y = self.dense(x) + self.point(x)
        return F.relu(y if self.identity is None else y + self.identity(x))


def write(fixtures):
    source = "BatchNorm in inference is a factor and a shift for each channel (arXiv:1502.03167, section 3.1), which the layer before it can hold"
    transposed = lambda *sizes, **options: lambda: nn.Sequential(
        nn.ConvTranspose2d(*sizes, **options), nn.BatchNorm2d(sizes[1]), nn.ReLU(), nn.Conv2d(sizes[1], 3, 1))
    fixtures.torch("transposed-norm", transposed(4, 6, 2, 2), (1, 4, 5, 5), opsets=(13, 12), convolutions=1, sums=0, source=source)
    fixtures.torch("transposed-norm-groups", transposed(4, 6, 3, 2, 1, 1, groups=2, bias=False), (1, 4, 5, 6), opsets=(11, 17),
                   convolutions=1, sums=0, source=source)
    fixtures.torch("transposed-norm-dilated", transposed(3, 4, 3, (2, 1), (1, 0), dilation=2), (1, 3, 5, 4), opsets=(14, 16),
                   convolutions=1, sums=0, source=source)
    fixtures.torch("joined-norm", Joined, (1, 3, 8, 8), opsets=(12, 13), convolutions=2, sums=0, source=source)
    fixtures.torch("joined-norm-pooled", lambda: Joined(True), (1, 3, 8, 8), opsets=(13, None), convolutions=2, norms=1, sums=0,
                   source="a part that is no convolution needs a BatchNorm")
    fixtures.torch("joined-norm-sources", JoinedSources, (1, 3, 8, 8), opsets=(11, 15), convolutions=1, norms=1, sums=0,
                   source="the exporter merges the two calls of one convolution, which ReLU reads without BatchNorm: a second convolution would cost more than the BatchNorm")
    fixtures.torch("repvgg-1d", lambda: nn.Sequential(Line(1, 3, 4), Line(1, 4, 4)), (2, 3, 9), opsets=(13, 11), convolutions=2, sums=0,
                   source="arXiv:2101.03697 in one dimension")
    fixtures.torch("repvgg-3d", lambda: nn.Sequential(Line(3, 2, 3), Line(3, 3, 3)), (1, 2, 4, 5, 6), opsets=(12, 16), convolutions=2,
                   sums=0, source="arXiv:2101.03697 in three dimensions")
