"""
Asymmetric Convolution Block (ACNet, arXiv:1908.03930, section 3.2): k x k, 3x1 and 1x3 convolutions, each with BatchNorm, summed.
Written anew from the paper. Where the square kernel pads by less than half its size, the thin ones read a cropped input.
"""
from torch import nn

from common import conv_bn


class Crop(nn.Module):
    def __init__(self, rows, columns):
        super().__init__()
        self.rows, self.columns = rows, columns

    def forward(self, x):
        if self.rows > 0 and self.columns > 0:
            return x[:, :, self.rows:-self.rows, self.columns:-self.columns]
        if self.rows > 0:
            return x[:, :, self.rows:-self.rows, :]
        return x[:, :, :, self.columns:-self.columns]


def thin(inputs, outputs, kernel, stride, groups, rows, columns):
    """One thin convolution that sees `rows` and `columns` of border around its input, or a crop where they are negative."""
    layers = [] if rows >= 0 and columns >= 0 else [Crop(-rows, -columns)]
    return nn.Sequential(*layers, *conv_bn(inputs, outputs, kernel, stride, (max(rows, 0), max(columns, 0)), groups))


class Asymmetric(nn.Module):
    def __init__(self, inputs, outputs, kernel=3, stride=1, padding=1, groups=1):
        super().__init__()
        centre = padding - kernel // 2
        self.square = conv_bn(inputs, outputs, kernel, stride, padding, groups)
        self.vertical = thin(inputs, outputs, (3, 1), stride, groups, centre + 1, centre)
        self.horizontal = thin(inputs, outputs, (1, 3), stride, groups, centre, centre + 1)

    def forward(self, x):
        return self.square(x) + self.vertical(x) + self.horizontal(x)


def write(fixtures):
    facts = {"convolutions": 1, "sums": 0, "source": "arXiv:1908.03930, section 3.3: one convolution a block"}
    fixtures.torch("acb", lambda: Asymmetric(4, 6), (1, 4, 8, 8), opsets=(13, 11), **facts)
    fixtures.torch("acb-unpadded", lambda: Asymmetric(4, 6, padding=0), (1, 4, 8, 8), opsets=(12, 16), **facts)
    fixtures.torch("acb-k5-pad1-stride2", lambda: Asymmetric(4, 4, 5, 2, 1, 2), (2, 4, 11, 11), opsets=(14, 13), **facts)
    # Twice cropped: rows and columns in one branch.
    fixtures.torch("acb-k7-pad1", lambda: Asymmetric(3, 4, 7, 1, 1), (1, 3, 12, 12), opsets=(11, 17), **facts)
    any_size = {"x": {0: "batch", 2: "height", 3: "width"}}
    fixtures.torch("acb-unpadded-any-size", lambda: Asymmetric(3, 4, padding=0), (1, 3, 9, 7), opsets=(13, 15), dynamic=any_size, **facts)
    two = lambda: nn.Sequential(Asymmetric(3, 4, padding=0), nn.ReLU(), Asymmetric(4, 4, stride=2), nn.ReLU())
    fixtures.torch("acb-two", two, (1, 3, 12, 12), opsets=(12, 13), **{**facts, "convolutions": 2})
