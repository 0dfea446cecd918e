"""
The same arithmetic as in the published blocks, spelled in other ways that people write and exporters keep: borders, crops, sums, computed
kernels, linear layers, and identities behind operators that say nothing of channels. Plain layers of PyTorch.
"""
import torch
import torch.nn.functional as F
from torch import nn

from common import conv_bn
from repvgg import QaRepVgg, RepVgg


class Bordered(nn.Module):
    """1x1 with BatchNorm, a border of what it gives for 0, 3x3 with BatchNorm; beside it a 3x3 with BatchNorm. `how` the border is made."""

    def __init__(self, how, inputs=3, outputs=4):
        super().__init__()
        self.how, self.norm = how, nn.BatchNorm2d(inputs)
        self.point, self.inner = nn.Conv2d(inputs, inputs, 1, bias=False), conv_bn(inputs, outputs, 3, padding=0)
        self.beside = conv_bn(inputs, outputs, 3)

    def border(self, y):
        n = self.norm
        value = (n.bias - n.running_mean * n.weight / torch.sqrt(n.running_var + n.eps)).view(1, -1, 1, 1)
        batch, channels, height, width = y.shape
        if self.how == "pasted":  # the values into a field of the border's value
            field = value.expand(batch, channels, height + 2, width + 2).clone()
            field[:, :, 1:-1, 1:-1] = y
            return field
        if self.how == "indexed":  # rows and columns by number
            y = F.pad(y, (1, 1, 1, 1))
            flat = value.view(1, -1, 1)
            y[:, :, 0], y[:, :, -1], y[..., 0], y[..., -1] = flat, flat, flat, flat
            return y
        if self.how == "chosen":  # by a mask
            mask = F.pad(torch.ones(1, 1, height, width), (1, 1, 1, 1)).bool()
            return torch.where(mask, F.pad(y, (1, 1, 1, 1)), value)
        if self.how == "masked":  # by a product with a mask
            mask = F.pad(torch.ones(1, 1, height, width), (1, 1, 1, 1)).to(y)
            return F.pad(y, (1, 1, 1, 1)) + (1 - mask) * value
        return F.pad(y - value, (1, 1, 1, 1)) + value

    def forward(self, x):
        return self.inner(self.border(self.norm(self.point(x)))) + self.beside(x)


class Cropped(nn.Module):
    """A 3x3 without padding beside a 1x1 of the inner pixels, cropped in several ways."""

    def __init__(self, how, inputs=3, outputs=4):
        super().__init__()
        self.how, self.dense, self.point = how, conv_bn(inputs, outputs, 3, padding=0), conv_bn(inputs, outputs, 1)
        self.register_buffer("rows", torch.arange(1, 7))

    def forward(self, x):
        if self.how == "after":
            return self.dense(x) + self.point(x)[:, :, 1:-1, 1:-1]
        if self.how == "pad":
            inner = F.pad(x, (-1, -1, -1, -1))
        elif self.how == "narrow":
            inner = x.narrow(2, 1, x.size(2) - 2).narrow(3, 1, x.size(3) - 2)
        elif self.how == "split":
            inner = x.split([1, 6, 1], 2)[1].split([1, 6, 1], 3)[1]
        else:
            inner = x.index_select(2, self.rows).index_select(3, self.rows)
        return self.dense(x) + self.point(inner)


class Strided(nn.Module):
    """A 3x3 of stride 2 beside a 1x1 that reads every second pixel by a slice."""

    def __init__(self):
        super().__init__()
        self.dense, self.point = conv_bn(3, 4, 3, 2), conv_bn(3, 4, 1)

    def forward(self, x):
        return self.dense(x) + self.point(x[:, :, ::2, ::2])


class Summed(nn.Module):
    """RepVGG's branches, summed in several ways."""

    def __init__(self, how, channels=4):
        super().__init__()
        self.how = how
        self.branches = nn.ModuleList([conv_bn(channels, channels, 3), conv_bn(channels, channels, 1), nn.BatchNorm2d(channels)])
        self.shares = nn.Parameter(torch.randn(3))

    def forward(self, x):
        parts = [branch(x) for branch in self.branches]
        if self.how == "stack":
            return torch.stack(parts).sum(0)
        if self.how == "mean":
            return torch.stack(parts, 1).mean(1)
        if self.how == "shares":  # learned shares, as in searches for architectures
            shares = torch.softmax(self.shares, 0)
            return sum(share * part for share, part in zip(shares, parts))
        if self.how == "einsum":
            return torch.einsum("k,knchw->nchw", self.shares, torch.stack(parts))
        return torch.sub(torch.add(parts[0], parts[1], alpha=0.5), parts[2], alpha=2) / 3


class Computed(nn.Module):
    """Two convolutions beside one another whose kernels are computed from what was learned."""

    def __init__(self, how):
        super().__init__()
        self.how, self.weight, self.beside = how, nn.Parameter(torch.randn(4, 3, 3, 3)), conv_bn(3, 4, 1)
        self.gain, self.factor = nn.Parameter(torch.rand(4, 1, 1, 1) + 0.5), nn.Parameter(torch.randn(6, 3))
        self.mask = nn.Parameter((torch.rand(4, 3, 3, 3) > 0.4).float(), requires_grad=False)
        self.patterns = nn.Parameter(torch.randn(4, 6, 3, 3))

    def kernel(self):
        w = self.weight
        if self.how == "standardized":  # arXiv:1903.10520
            w = w - w.mean((1, 2, 3), keepdim=True)
            return w / (w.std((1, 2, 3), keepdim=True) + 1e-5)
        if self.how == "normed":  # arXiv:1602.07868
            return self.gain * w / torch.norm(w, 2, (1, 2, 3), keepdim=True)
        if self.how == "masked":  # pruned
            return w * self.mask
        if self.how == "quantized":
            scale = w.abs().amax((1, 2, 3), keepdim=True) / 7
            return torch.round(w / scale).clamp(-8, 7) * scale
        # As OREPA's branches (arXiv:2204.00826): patterns times factors.
        return w + torch.matmul(self.patterns.permute(0, 2, 3, 1), self.factor).permute(0, 3, 1, 2)

    def forward(self, x):
        return F.conv2d(x, self.kernel(), padding=1) + self.beside(x)


class Behind(nn.Module):
    """RepVGG's blocks, one with BatchNorm and one bare as its identity, behind an operator that changes shapes or says nothing of them."""

    def __init__(self, how):
        super().__init__()
        self.how = how
        self.before = nn.Conv2d(3, 16 if how in ("shuffle", "glu") else 4, 1)
        self.norm = nn.GroupNorm(2, 4) if how == "group" else nn.InstanceNorm2d(4, affine=True)
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.gru = nn.GRU(4, 4, batch_first=True)
        self.blocks = nn.Sequential(RepVgg(8 if how == "glu" else 4, 4), RepVgg(4, 4), QaRepVgg(4, 4))

    def middle(self, x):
        if self.how in ("group", "instance"):
            return self.norm(x)
        if self.how == "shuffle":
            return F.pixel_shuffle(x, 2)
        if self.how == "bilinear":
            return self.up(x)
        if self.how == "tile":
            return x.repeat(1, 1, 2, 1)
        if self.how == "glu":
            return F.glu(x, 1)
        if self.how == "sort":
            return x.sort(3)[0]
        if self.how == "recurrent":
            batch, channels, height, width = x.shape
            y = self.gru(x.flatten(2).transpose(1, 2))[0]
            return y.transpose(1, 2).reshape(batch, channels, height, width)
        return torch.cumsum(x, 3)

    def forward(self, x):
        return self.blocks(self.middle(self.before(x)))


class TokenNorm(nn.Module):
    """LeViT's linear layer (arXiv:2104.01136): over tokens, with BatchNorm over its channels, and one with BatchNorm over [batch, channels, tokens]."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Linear(4, 6, bias=False), nn.BatchNorm1d(6)
        self.last, self.after = nn.Linear(6, 4), nn.BatchNorm1d(4)

    def forward(self, x):
        x = x.flatten(2).transpose(1, 2)
        x = self.first(x)
        x = F.hardswish(self.norm(x.flatten(0, 1)).reshape_as(x))
        return self.after(self.last(x).transpose(1, 2))


class ChannelsLast(nn.Module):
    """A linear layer over channels last between two convolutions, nothing else: it is a 1x1 convolution."""

    def __init__(self):
        super().__init__()
        self.first, self.middle, self.last = conv_bn(3, 4, 3), nn.Linear(4, 4), conv_bn(4, 5, 1)

    def forward(self, x):
        y = F.relu(self.first(x)).permute(0, 2, 3, 1)
        return self.last(self.middle(y).permute(0, 3, 1, 2))


def write(fixtures):
    source = "the same map as one convolution, by the algebra of arXiv:2103.13425, section 3.3"

    def one(name, build, opsets, shape=(1, 3, 8, 8), convolutions=1, sums=0, source=source, **options):
        fixtures.torch(name, build, shape, opsets=opsets, convolutions=convolutions, sums=sums, source=source, **options)

    any_size = {"x": {0: "batch", 2: "height", 3: "width"}}
    one("border-pasted", lambda: Bordered("pasted"), (13, None))
    one("border-indexed", lambda: Bordered("indexed"), (None, 12))
    one("border-chosen", lambda: Bordered("chosen"), (11, 14))
    one("border-masked", lambda: Bordered("masked"), (16, 12))
    one("border-shifted", lambda: Bordered("shifted"), (13, 17))
    one("border-shifted-any-size", lambda: Bordered("shifted"), (12, 13), dynamic=any_size)
    for how, opsets in {"after": (13, 11), "pad": (11, 15), "narrow": (12, 13), "split": (14, 12), "gather": (13, 16)}.items():
        one(f"crop-{how}", lambda: Cropped(how), opsets)
    one("crop-narrow-any-size", lambda: Cropped("narrow"), (13, 12), dynamic=any_size)
    one("slice-strided", Strided, (12, 14))
    four = (2, 4, 6, 5)
    for how, opsets in {"stack": (13, 11), "mean": (12, 14), "shares": (16, 13), "einsum": (12, 17), "factors": (11, 15)}.items():
        one(f"sum-{how}", lambda: Summed(how), opsets, four)
    for how, opset in {"standardized": 13, "normed": 12, "masked": 11, "quantized": 15, "factored": 14}.items():
        one(f"kernel-{how}", lambda: Computed(how), (None, opset))
    folded = "arXiv:2101.03697, section 3.3: one convolution a block, whatever comes before"
    for how, opsets in {"group": (13, 12), "instance": (11, 16), "shuffle": (14, 13), "bilinear": (12, 15), "tile": (13, 11), "glu": (17, 12),
                        "sort": (13, 14), "cumsum": (12, 13), "recurrent": (14, 11)}.items():
        one(f"behind-{how}", lambda: Behind(how), opsets, convolutions=4, source=folded, dynamic={"x": {0: "batch"}, "y": {0: "batch"}})
    levit = "arXiv:2104.01136, section 4.2: BatchNorm goes into the linear layer"
    one("linear-norm", TokenNorm, (13, 12), (2, 4, 3, 3), 0, source=levit)
    one("linear-channels-last", ChannelsLast, (12, 16), convolutions=2, source="a linear layer and a 1x1 behind it are one")
