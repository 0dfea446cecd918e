"""
Whole classifiers at the smallest widths that keep their structure, with the layers around the blocks: stems, down-sampling, heads. Written
anew from the papers that each names.
"""
import torch
import torch.nn.functional as F
from torch import nn

from common import conv_bn, deployed
from large_kernel import ChannelNorm, UniRepLkBlock
from mobile import AttentionBlock, LargeKernel, MixerBlock, MobileOne, RepGhostBottleneck, RepViTBlock, TwoHeads, separable
from repvgg import QaRepVgg, RepVgg, SqueezeExcite


class Head(nn.Module):
    def __init__(self, channels, classes=5):
        super().__init__()
        self.linear = nn.Linear(channels, classes)

    def forward(self, x):
        return self.linear(F.adaptive_avg_pool2d(x, 1).flatten(1))


def repvgg():
    return nn.Sequential(
        RepVgg(3, 4, 2), RepVgg(4, 6, 2), RepVgg(6, 6), RepVgg(6, 8, 2), RepVgg(8, 8, groups=2), RepVgg(8, 12, 2), Head(12))


def qarepvgg():
    return nn.Sequential(QaRepVgg(3, 4, 2), QaRepVgg(4, 6, 2), QaRepVgg(6, 6), QaRepVgg(6, 8, 2), QaRepVgg(8, 8), Head(8))


def mobileone():
    """arXiv:2206.04040, table 2: a stem, four stages of depthwise and 1x1, SE in the last."""
    stages = [separable(4, 6, 2, branches=2), separable(6, 8, 2, branches=2), separable(8, 8, branches=2),
              separable(8, 12, 2, branches=1, squeeze=True)]
    return nn.Sequential(MobileOne(3, 4, 3, 2, branches=1), *stages, Head(12))


def repghost():
    """arXiv:2211.06088, table 1."""
    hard = nn.Sequential(*conv_bn(8, 12, 1), nn.ReLU())
    return nn.Sequential(
        *conv_bn(3, 4, 3, 2), nn.ReLU(), RepGhostBottleneck(4, 4, 4), RepGhostBottleneck(4, 6, 6, stride=2),
        RepGhostBottleneck(6, 8, 8, 5, 2, True), RepGhostBottleneck(8, 8, 8, squeeze=True), hard,
        nn.AdaptiveAvgPool2d(1), nn.Conv2d(12, 16, 1), nn.ReLU(), nn.Flatten(), nn.Linear(16, 5))


def fastvit():
    """arXiv:2303.14189, section 3: stem, RepMixer stages with patch embeddings between them, attention in the last."""
    embed = lambda i, o: nn.Sequential(LargeKernel(i, o, 7, 3, 2, i), nn.GELU(), MobileOne(o, o, 1, branches=1, activation=nn.GELU()))
    stem = [MobileOne(3, 4, 3, 2, branches=1, activation=nn.GELU()), MobileOne(4, 4, 3, 2, 4, branches=1, activation=nn.GELU()),
            MobileOne(4, 4, 1, branches=1, activation=nn.GELU())]
    last = MobileOne(8, 16, 3, 1, 8, branches=1, squeeze=True, activation=nn.GELU())
    return nn.Sequential(*stem, MixerBlock(4), embed(4, 8), MixerBlock(8), AttentionBlock(8), last, Head(16))


def repvit():
    """arXiv:2307.09283, figure 5: an early stem of two 3x3, blocks with SE in every other, two averaged heads."""
    return nn.Sequential(
        *conv_bn(3, 4, 3, 2), nn.GELU(), *conv_bn(4, 4, 3, 2), RepViTBlock(4, 4, squeeze=True), RepViTBlock(4, 4),
        RepViTBlock(4, 8, 2), RepViTBlock(8, 8, squeeze=True), TwoHeads(8, 5))


def unireplknet():
    """arXiv:2311.15599, section 3: stages of small and large kernels, LayerNorm between them."""
    down = lambda i, o: nn.Sequential(nn.Conv2d(i, o, 3, 2, 1), ChannelNorm(o))
    return nn.Sequential(
        down(3, 2), nn.GELU(), down(2, 4), UniRepLkBlock(4, 3), down(4, 6), UniRepLkBlock(6, 7), UniRepLkBlock(6, 13),
        nn.AdaptiveAvgPool2d(1), ChannelNorm(6), nn.Flatten(), nn.Linear(6, 5))


class Inverted(nn.Module):
    """EfficientNet's block (arXiv:1905.11946): 1x1, depthwise, SE, 1x1 with SiLU, added to its input where shapes allow."""

    def __init__(self, inputs, outputs, kernel, stride, widen):
        super().__init__()
        middle = inputs * widen
        first = [*conv_bn(inputs, middle, 1), nn.SiLU()] if widen > 1 else []
        self.down, self.up = nn.Conv2d(middle, 2, 1), nn.Conv2d(2, middle, 1)
        self.first = nn.Sequential(*first, *conv_bn(middle, middle, kernel, stride, groups=middle), nn.SiLU())
        self.last, self.same = conv_bn(middle, outputs, 1), inputs == outputs and stride == 1

    def forward(self, x):
        y = self.first(x)
        y = y * torch.sigmoid(self.up(F.silu(self.down(y.mean((2, 3), keepdim=True)))))
        y = self.last(y)
        return x + y if self.same else y


def efficientnet():
    return nn.Sequential(
        *conv_bn(3, 4, 3, 2), nn.SiLU(), Inverted(4, 4, 3, 1, 1), Inverted(4, 6, 3, 2, 4), Inverted(6, 6, 3, 1, 4),
        Inverted(6, 8, 5, 2, 4), *conv_bn(8, 16, 1), nn.SiLU(), Head(16))


class ConvNeXtBlock(nn.Module):
    """arXiv:2201.03545, figure 4: 7x7 depthwise, LayerNorm and two linear layers over channels last, a layer's scale."""

    def __init__(self, channels):
        super().__init__()
        self.depthwise, self.norm = nn.Conv2d(channels, channels, 7, padding=3, groups=channels), nn.LayerNorm(channels, eps=1e-6)
        self.first, self.last = nn.Linear(channels, 4 * channels), nn.Linear(4 * channels, channels)
        self.gamma = nn.Parameter(torch.empty(channels).uniform_(0.2, 1))
        nn.init.uniform_(self.norm.weight, 0.5, 1.5)
        nn.init.normal_(self.norm.bias)

    def forward(self, x):
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return x + (self.gamma * self.last(F.gelu(self.first(y)))).permute(0, 3, 1, 2)


class PlainChannelNorm(nn.Module):
    """LayerNorm over channels as ConvNeXt writes it for NCHW, by mean and power."""

    def __init__(self, channels):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.rand(channels) + 0.5), nn.Parameter(torch.randn(channels))

    def forward(self, x):
        mean = x.mean(1, keepdim=True)
        variance = (x - mean).pow(2).mean(1, keepdim=True)
        x = (x - mean) / torch.sqrt(variance + 1e-6)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class ConvNeXt(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 4, 4), PlainChannelNorm(4), ConvNeXtBlock(4))
        self.down = nn.Sequential(PlainChannelNorm(4), nn.Conv2d(4, 8, 2, 2), ConvNeXtBlock(8), ConvNeXtBlock(8))
        self.norm, self.linear = nn.LayerNorm(8, eps=1e-6), nn.Linear(8, 5)

    def forward(self, x):
        return self.linear(self.norm(self.down(self.stem(x)).mean([-2, -1])))


class Shuffle(nn.Module):
    """ShuffleNetV2's unit (arXiv:1807.11164, figure 3 c and d): half of the channels pass by, then the halves are interleaved."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        half = outputs // 2
        enters = inputs // 2 if stride == 1 else inputs
        self.side = nn.Sequential(*conv_bn(inputs, inputs, 3, 2, groups=inputs), *conv_bn(inputs, half, 1), nn.ReLU()) if stride > 1 else None
        self.main = nn.Sequential(
            *conv_bn(enters, half, 1), nn.ReLU(), *conv_bn(half, half, 3, stride, groups=half), *conv_bn(half, half, 1), nn.ReLU())

    def forward(self, x):
        a, b = x.chunk(2, 1) if self.side is None else (self.side(x), x)
        y = torch.cat([a, self.main(b)], 1)
        batch, channels, height, width = y.size()
        y = y.view(batch, 2, channels // 2, height, width)
        return torch.transpose(y, 1, 2).contiguous().view(batch, -1, height, width)


class Tail(nn.Module):
    def forward(self, x):
        return x.mean([2, 3])


def shufflenet():
    return nn.Sequential(
        *conv_bn(3, 4, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1), Shuffle(4, 8, 2), Shuffle(8, 8, 1), Shuffle(8, 8, 1), Tail(), nn.Linear(8, 5))


class Dense(nn.Module):
    """DenseNet's layer (arXiv:1608.06993): BatchNorm, ReLU, 1x1, BatchNorm, ReLU, 3x3; what it gives is joined to what it read."""

    def __init__(self, inputs, growth):
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, 2 * growth, 1, bias=False),
            nn.BatchNorm2d(2 * growth), nn.ReLU(), nn.Conv2d(2 * growth, growth, 3, padding=1, bias=False))

    def forward(self, x):
        return torch.cat([x, self.layers(x)], 1)


def densenet():
    return nn.Sequential(
        *conv_bn(3, 4, 3, 2), nn.ReLU(), Dense(4, 4), Dense(8, 4), nn.BatchNorm2d(12), nn.ReLU(), nn.Conv2d(12, 6, 1, bias=False),
        nn.AvgPool2d(2, 2), Dense(6, 4), Dense(10, 4), nn.BatchNorm2d(14), nn.ReLU(), Head(14))


class GroupNormAttention(nn.Module):
    """ShViT's layer (arXiv:2401.16456, section 3.2): GroupNorm of one group, one head of attention on some channels, the others joined."""

    def __init__(self, channels, inner=4, keys=4):
        super().__init__()
        self.inner, self.keys = inner, keys
        self.norm = nn.GroupNorm(1, inner)
        nn.init.uniform_(self.norm.weight, 0.5, 1.5)
        self.qkv = conv_bn(inner, 2 * keys + inner, 1)
        self.project = nn.Sequential(nn.ReLU(), *conv_bn(channels, channels, 1))

    def forward(self, x):
        batch, channels, height, width = x.shape
        a, b = torch.split(x, [self.inner, channels - self.inner], 1)
        q, k, v = self.qkv(self.norm(a)).split([self.keys, self.keys, self.inner], 1)
        q, k, v = q.flatten(2), k.flatten(2), v.flatten(2)
        weights = ((q.transpose(-2, -1) @ k) * self.keys**-0.5).softmax(-1)
        a = (v @ weights.transpose(-2, -1)).reshape(batch, self.inner, height, width)
        return x + self.project(torch.cat([a, b], 1))


def shvit():
    return nn.Sequential(*conv_bn(3, 4, 3, 2), nn.ReLU(), *conv_bn(4, 8, 3, 2), GroupNormAttention(8), GroupNormAttention(8), Head(8))


class Statistics(nn.Module):
    """Pools the frames of speech by attention: weighted mean and deviation (wespeaker's heads, arXiv:2210.17016)."""

    def __init__(self, channels):
        super().__init__()
        self.first, self.last = nn.Conv1d(3 * channels, 4, 1), nn.Conv1d(4, channels, 1)
        self.norm, self.linear = nn.BatchNorm1d(2 * channels), nn.Linear(2 * channels, 5)

    def forward(self, x):
        x = x.flatten(1, 2)
        mean = torch.mean(x, -1, keepdim=True).expand_as(x)
        deviation = torch.sqrt(torch.var(x, -1, keepdim=True) + 1e-7).expand_as(x)
        weights = torch.softmax(self.last(torch.tanh(self.first(torch.cat([x, mean, deviation], 1)))), 2)
        mean = torch.sum(weights * x, 2)
        variance = torch.sum(weights * x**2, 2) - mean**2
        return self.linear(self.norm(torch.cat([mean, torch.sqrt(variance.clamp(min=1e-7))], 1)))


class Speaker(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.pool = nn.Sequential(RepVgg(1, 4), RepVgg(4, 4), RepVgg(4, 6, 2)), Statistics(6 * 4)

    def forward(self, frames):
        return self.pool(self.body(frames.permute(0, 2, 1).unsqueeze(1)))


def write(fixtures):
    image = (1, 3, 32, 32)
    source = "{}: one convolution for each re-parameterizable block, the others as they are"
    batch = {"x": {0: "batch"}, "y": {0: "batch"}}

    def net(name, build, opsets, paper, shape=image, dynamic=None, **facts):
        fixtures.torch(name, build, shape, opsets=opsets, source=source.format(paper), dynamic=dynamic, convolutions=deployed(build()), **facts)

    net("repvgg-net", repvgg, (13, 7), "arXiv:2101.03697", sums=0, dynamic=batch)
    net("qarepvgg-net", qarepvgg, (8, 14), "arXiv:2212.01593", sums=0)
    net("mobileone-net", mobileone, (17, 11), "arXiv:2206.04040", sums=0, dynamic=batch)
    net("repghost-net", repghost, (13, 12), "arXiv:2211.06088", sums=4)
    net("fastvit-net", fastvit, (13, 17), "arXiv:2303.14189", norms=1)
    net("repvit-net", repvit, (14, 11), "arXiv:2307.09283", sums=4)
    net("unireplknet-net", unireplknet, (17, 13), "arXiv:2311.15599")
    net("efficientnet-net", efficientnet, (12, 13), "arXiv:1905.11946", dynamic=batch)
    net("convnext-net", ConvNeXt, (None, 13), "arXiv:2201.03545")
    net("convnext-net-layernorm", ConvNeXt, (None, 17), "arXiv:2201.03545", dynamic=batch)
    net("shufflenet-net", shufflenet, (11, 13), "arXiv:1807.11164")
    net("shufflenet-net-any-batch", shufflenet, (None, 12), "arXiv:1807.11164", dynamic=batch)
    net("densenet-net", densenet, (16, 12), "arXiv:1608.06993", norms=6)
    net("shvit-net", shvit, (13, 15), "arXiv:2401.16456")
    net("speaker-net", Speaker, (14, 13), "arXiv:2210.17016", shape=(1, 12, 8),
        dynamic={"x": {0: "batch", 1: "frames"}, "y": {0: "batch"}})
