"""
Re-parameterized nets for phones: MobileOne (arXiv:2206.04040), RepGhost (arXiv:2211.06088), FastViT (arXiv:2303.14189), RepViT (arXiv:2307.09283).
Written anew from the papers.
"""
import torch
import torch.nn.functional as F
from torch import nn

from common import conv_bn
from repvgg import SqueezeExcite


class MobileOne(nn.Module):
    """`branches` convolutions with BatchNorm, one 1x1 where the kernel is larger, BatchNorm alone where shapes allow (MobileOne, 3.2)."""

    one_convolution = True

    def __init__(self, inputs, outputs, kernel=3, stride=1, groups=1, branches=4, scale=True, skip=True, squeeze=False, activation=None):
        super().__init__()
        self.convs = nn.ModuleList([conv_bn(inputs, outputs, kernel, stride, groups=groups) for _ in range(branches)])
        self.scale = conv_bn(inputs, outputs, 1, stride, groups=groups) if scale and kernel > 1 else None
        self.skip = nn.BatchNorm2d(inputs) if skip and inputs == outputs and stride == 1 else None
        self.squeeze = SqueezeExcite(outputs, max(outputs // 4, 2)) if squeeze else nn.Identity()
        self.activation = nn.ReLU() if activation is None else activation

    def forward(self, x):
        y = 0
        if self.skip is not None:
            y = self.skip(x)
        if self.scale is not None:
            y = y + self.scale(x)
        for conv in self.convs:
            y = y + conv(x)
        return self.activation(self.squeeze(y))


def separable(inputs, outputs, stride=1, **options):
    return nn.Sequential(
        MobileOne(inputs, inputs, 3, stride, inputs, **options), MobileOne(inputs, outputs, 1, **options))


class RepGhostModule(nn.Module):
    """1x1, then a depthwise convolution and BatchNorm alone, summed where GhostNet joins (RepGhost, 3.2)."""

    def __init__(self, inputs, outputs, activation=True, norm=True):
        super().__init__()
        act = lambda: nn.ReLU() if activation else nn.Identity()
        self.primary = nn.Sequential(*conv_bn(inputs, outputs, 1), act())
        self.cheap = conv_bn(outputs, outputs, 3, groups=outputs)
        self.fusion = nn.BatchNorm2d(outputs) if norm else nn.Identity()
        self.activation = act()

    def forward(self, x):
        y = self.primary(x)
        return self.activation(self.cheap(y) + self.fusion(y))


class RepGhostBottleneck(nn.Module):
    def __init__(self, inputs, middle, outputs, kernel=3, stride=1, squeeze=False):
        super().__init__()
        self.first = RepGhostModule(inputs, middle)
        self.down = conv_bn(middle, middle, kernel, stride, groups=middle) if stride > 1 else nn.Identity()
        self.squeeze = SqueezeExcite(middle, 2, nn.Hardsigmoid) if squeeze else nn.Identity()
        self.last = RepGhostModule(middle, outputs, activation=False)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(
            conv_bn(inputs, inputs, kernel, stride, groups=inputs), conv_bn(inputs, outputs, 1))

    def forward(self, x):
        return self.last(self.squeeze(self.down(self.first(x)))) + self.shortcut(x)


class LayerScale(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(channels, 1, 1).uniform_(0.2, 1))

    def forward(self, x):
        return self.gamma * x


class RepMixer(nn.Module):
    """x + scale * (mixer(x) - norm(x)): folds into one depthwise convolution (FastViT, 3.2.1)."""

    one_convolution = True

    def __init__(self, channels, kernel=3):
        super().__init__()
        none = nn.Identity()
        self.norm = MobileOne(channels, channels, kernel, 1, channels, 0, scale=False, activation=none)
        self.mixer = MobileOne(channels, channels, kernel, 1, channels, 1, activation=none)
        self.scale = LayerScale(channels)

    def forward(self, x):
        return x + self.scale(self.mixer(x) - self.norm(x))


class ConvFeedForward(nn.Module):
    """7x7 depthwise with BatchNorm, 1x1, GELU, 1x1 (FastViT, 3.2.3); its caller adds it to x, scaled."""

    def __init__(self, channels, ratio=2):
        super().__init__()
        self.conv = conv_bn(channels, channels, 7, groups=channels)
        self.first, self.last = nn.Conv2d(channels, ratio * channels, 1), nn.Conv2d(ratio * channels, channels, 1)

    def forward(self, x):
        return self.last(F.gelu(self.first(self.conv(x))))


class MixerBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.mixer, self.feed, self.scale = RepMixer(channels), ConvFeedForward(channels), LayerScale(channels)

    def forward(self, x):
        x = self.mixer(x)
        return x + self.scale(self.feed(x))


class Attention(nn.Module):
    """Heads over the pixels of an image, NCHW in and out."""

    def __init__(self, channels, heads=2):
        super().__init__()
        self.heads, self.each = heads, channels // heads
        self.qkv, self.project = nn.Linear(channels, 3 * channels, bias=False), nn.Linear(channels, channels)

    def forward(self, x):
        batch, channels, height, width = x.shape
        x = x.flatten(2).transpose(-2, -1)
        qkv = self.qkv(x).reshape(batch, height * width, 3, self.heads, self.each).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        weights = ((q * self.each**-0.5) @ k.transpose(-2, -1)).softmax(-1)
        x = self.project((weights @ v).transpose(1, 2).reshape(batch, height * width, channels))
        return x.transpose(-2, -1).reshape(batch, channels, height, width)


class AttentionBlock(nn.Module):
    """FastViT's last stage: a conditional position encoding, attention behind BatchNorm, feed-forward."""

    def __init__(self, channels):
        super().__init__()
        self.position = MobileOne(channels, channels, 7, 1, channels, 1, scale=False, activation=nn.Identity())
        self.norm, self.attention = nn.BatchNorm2d(channels), Attention(channels)
        self.feed, self.scales = ConvFeedForward(channels), nn.ModuleList([LayerScale(channels), LayerScale(channels)])

    def forward(self, x):
        x = self.position(x)
        x = x + self.scales[0](self.attention(self.norm(x)))
        return x + self.scales[1](self.feed(x))


class LargeKernel(nn.Module):
    """A large depthwise kernel and a small one, each with BatchNorm, summed (RepLKNet, FastViT's patch embedding)."""

    one_convolution = True

    def __init__(self, inputs, outputs, large, small, stride=1, groups=None):
        super().__init__()
        self.large = conv_bn(inputs, outputs, large, stride, groups=groups or inputs)
        self.small = conv_bn(inputs, outputs, small, stride, groups=groups or inputs)

    def forward(self, x):
        return self.large(x) + self.small(x)


class RepViTMixer(nn.Module):
    """3x3 depthwise with BatchNorm, bare 1x1 depthwise and the input, summed, then BatchNorm (RepViT, 3.3)."""

    one_convolution = True

    def __init__(self, channels):
        super().__init__()
        self.dense = conv_bn(channels, channels, 3, groups=channels)
        self.point, self.after = nn.Conv2d(channels, channels, 1, groups=channels), nn.BatchNorm2d(channels)

    def forward(self, x):
        return self.after(self.dense(x) + self.point(x) + x)


class RepViTBlock(nn.Module):
    def __init__(self, inputs, outputs, stride=1, squeeze=False):
        super().__init__()
        squeezing = SqueezeExcite(inputs, 2) if squeeze else nn.Identity()
        if stride == 1:
            self.tokens = nn.Sequential(RepViTMixer(inputs), squeezing)
        else:
            self.tokens = nn.Sequential(conv_bn(inputs, inputs, 3, stride, groups=inputs), squeezing, conv_bn(inputs, outputs, 1))
        self.channels = nn.Sequential(conv_bn(outputs, 2 * outputs, 1), nn.GELU(), conv_bn(2 * outputs, outputs, 1))

    def forward(self, x):
        x = self.tokens(x)
        return x + self.channels(x)


class TwoHeads(nn.Module):
    """RepViT's classifier: BatchNorm and a linear layer for the labels, and another pair for the teacher, averaged."""

    def __init__(self, channels, classes):
        super().__init__()
        head = lambda: nn.Sequential(nn.BatchNorm1d(channels), nn.Linear(channels, classes))
        self.heads = nn.ModuleList([head(), head()])

    def forward(self, x):
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)
        return (self.heads[0](x) + self.heads[1](x)) / 2


def write(fixtures):
    one = "arXiv:2206.04040, section 3.2 (MobileOne): one convolution a block"
    fixtures.torch("mobileone", lambda: nn.Sequential(MobileOne(3, 4, 3, 2), separable(4, 6)), (1, 3, 8, 8), opsets=(13, 12),
                   source=one, convolutions=3, sums=0)
    squeezed = lambda: nn.Sequential(MobileOne(3, 4, 3, 2, branches=1), separable(4, 4, branches=2, squeeze=True))
    fixtures.torch("mobileone-se", squeezed, (1, 3, 8, 8), opsets=(11, 17), source=one + "; SE has two more", convolutions=7, sums=0)

    ghost = "arXiv:2211.06088, section 3.2 (RepGhost): primary and cheap operation, one convolution each"
    fixtures.torch("repghost", lambda: RepGhostModule(3, 4), (1, 3, 7, 7), opsets=(14, 13), source=ghost, convolutions=2, sums=0)
    fixtures.torch("repghost-bare", lambda: RepGhostModule(3, 4, norm=False), (1, 3, 7, 7), opsets=(12, 15), source=ghost,
                   convolutions=2, sums=0)
    fixtures.torch("repghost-bottleneck", lambda: RepGhostBottleneck(4, 6, 8, 3, 2, True), (1, 4, 8, 8), opsets=(16, 11),
                   source=ghost + "; one between, two of SE, two of the shortcut", convolutions=9, sums=1)
    fixtures.torch("repghost-residual", lambda: RepGhostBottleneck(4, 6, 4), (1, 4, 8, 8), opsets=(13, 12), source=ghost,
                   convolutions=4, sums=1)

    fast = "arXiv:2303.14189, section 3.2 (FastViT)"
    fixtures.torch("fastvit-repmixer", lambda: RepMixer(4), (1, 4, 8, 8), opsets=(13, 17), convolutions=1, sums=0,
                   source=fast + ": RepMixer is one depthwise convolution")
    fixtures.torch("fastvit-block", lambda: MixerBlock(4), (1, 4, 8, 8), opsets=(11, 14), convolutions=4, sums=1,
                   source=fast + ": RepMixer, and 7x7, 1x1, 1x1 in the feed-forward part, which is added to its input")
    fixtures.torch("fastvit-attention", lambda: AttentionBlock(4), (1, 4, 4, 4), opsets=(12, 16), convolutions=4, norms=1, sums=2,
                   source=fast + ": position encoding 1, feed-forward 3; BatchNorm before attention stays, two residuals")
    patches = lambda: nn.Sequential(LargeKernel(4, 8, 7, 3, 2, 4), nn.GELU(), MobileOne(8, 8, 1, branches=1), nn.GELU())
    fixtures.torch("fastvit-patches", patches, (1, 4, 9, 9), opsets=(15, 13), convolutions=2, sums=0,
                   source=fast + ": each re-parameterized part of the patch embedding is one convolution")

    vit = "arXiv:2307.09283, section 3.3 (RepViT)"
    fixtures.torch("repvit", lambda: RepViTBlock(4, 4, squeeze=True), (1, 4, 8, 8), opsets=(13, 12), convolutions=5, sums=1,
                   source=vit + ": token mixer 1, SE 2, channel mixer 2, its residual")
    fixtures.torch("repvit-down", lambda: RepViTBlock(4, 6, 2), (1, 4, 8, 8), opsets=(17, 14), convolutions=4, sums=1,
                   source=vit + ": depthwise and 1x1, channel mixer 2, its residual")
    fixtures.torch("repvit-head", lambda: TwoHeads(6, 5), (3, 6, 4, 4), opsets=(11, 13), convolutions=0, sums=0,
                   source=vit + ": the deploy form has one linear layer for both heads, BatchNorm within")
