"""
RepVGG (arXiv:2101.03697, section 3) and what was made of it for quantization: QARepVGG (arXiv:2212.01593, section 4), with BatchNorm behind the
sum, as its authors, YOLOv6 and YOLO-NAS write it. Written anew from the papers.
"""
from torch import nn

from common import conv_bn


class RepVgg(nn.Module):
    """k x k and 1x1 with BatchNorm, and BatchNorm alone where the shapes allow."""

    one_convolution = True

    def __init__(self, inputs, outputs, stride=1, groups=1, activation=None, eps=1e-5):
        super().__init__()
        self.dense = conv_bn(inputs, outputs, 3, stride, groups=groups, eps=eps)
        self.point = conv_bn(inputs, outputs, 1, stride, groups=groups, eps=eps)
        self.identity = nn.BatchNorm2d(inputs, eps=eps) if inputs == outputs and stride == 1 else None
        self.activation = activation or nn.ReLU()

    def forward(self, x):
        y = self.dense(x) + self.point(x)
        return self.activation(y if self.identity is None else y + self.identity(x))


class QaRepVggFirst(RepVgg):
    """Version 1: RepVGG's block, and BatchNorm behind its sum."""

    def __init__(self, inputs, outputs, stride=1):
        super().__init__(inputs, outputs, stride)
        self.after = nn.BatchNorm2d(outputs)
        self.activation = nn.Sequential(self.after, nn.ReLU())


class QaRepVgg(nn.Module):
    """Version 2: the 1x1 and the identity bare, BatchNorm behind the sum. With `average`, YOLOv6's: an average pool beside them."""

    one_convolution = True

    def __init__(self, inputs, outputs, stride=1, average=False):
        super().__init__()
        self.dense = conv_bn(inputs, outputs, 3, stride)
        self.point = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.same = inputs == outputs and stride == 1
        self.average = nn.AvgPool2d(3, stride, 1) if average and self.same else None
        self.after = nn.BatchNorm2d(outputs)

    def forward(self, x):
        y = self.dense(x) + self.point(x)
        if self.same:
            y = y + x
        if self.average is not None:
            y = y + self.average(x)
        return nn.functional.relu(self.after(y))


class QaRepVggScaled(nn.Module):
    """YOLO-NAS's: the 1x1 has a bias and a learned factor."""

    one_convolution = True

    def __init__(self, channels):
        super().__init__()
        self.dense, self.point = conv_bn(channels, channels, 3), nn.Conv2d(channels, channels, 1)
        self.alpha = nn.Parameter(self.point.bias.detach()[:1] * 0 + 0.7)
        self.after = nn.BatchNorm2d(channels)

    def forward(self, x):
        return nn.functional.relu(self.after(self.dense(x) + self.alpha * self.point(x) + x))


class SqueezeExcite(nn.Module):
    def __init__(self, channels, middle, gate=nn.Sigmoid):
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, middle, 1), nn.Conv2d(middle, channels, 1)
        self.gate = gate()

    def forward(self, x):
        return x * self.gate(self.up(nn.functional.relu(self.down(nn.functional.adaptive_avg_pool2d(x, 1)))))


def write(fixtures):
    paper = "arXiv:2101.03697, section 3.3: one 3x3 convolution a block"
    net = lambda block: nn.Sequential(block(3, 4, 2), block(4, 4), block(4, 4))
    facts = {"convolutions": 3, "sums": 0}
    any_batch = {"x": {0: "batch"}, "y": {0: "batch"}}
    fixtures.torch("repvgg", lambda: net(RepVgg), (1, 3, 8, 8), opsets=(17, 9), source=paper, **facts)
    grouped = lambda: nn.Sequential(RepVgg(3, 4, 2), RepVgg(4, 4, groups=2), SqueezeExcite(4, 2), RepVgg(4, 6, 2))
    fixtures.torch("repvgg-groups-se", grouped, (2, 3, 8, 8), opsets=(12, 14), source=paper, convolutions=5, sums=0, dynamic=any_batch)
    qa = "arXiv:2212.01593, section 4.3: folds as RepVGG does, the last BatchNorm with it"
    fixtures.torch("qarepvgg-v1", lambda: net(QaRepVggFirst), (1, 3, 8, 8), opsets=(13, 11), source=qa, **facts)
    fixtures.torch("qarepvgg-v2", lambda: net(QaRepVgg), (1, 3, 8, 8), opsets=(11, 16), source=qa, **facts)
    average = lambda: net(lambda *sizes: QaRepVgg(*sizes, average=True))
    fixtures.torch("qarepvgg-v2-average", average, (1, 3, 8, 8), opsets=(14, 13), source=qa, **facts)
    fixtures.torch("qarepvgg-scaled", lambda: QaRepVggScaled(4), (1, 4, 7, 7), opsets=(12, 15), source=qa, convolutions=1, sums=0)
