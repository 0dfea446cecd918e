"""
Whole nets with more than one output or outputs as large as their input, at the smallest widths that keep their structure: YOLOv6, YOLOv7, YOLOv9,
YOLOv10's head, RT-DETR, U-Net, super resolution. Written anew from the papers that each names.
"""
import torch
import torch.nn.functional as F
from torch import nn

from common import conv_bn, deployed
from repvgg import RepVgg
from yolo import ADown, Elan, Gelan, conv


def centres(height, width, like):
    """Pixel centres [2, height * width], as every head without anchors has them."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y]).view(2, -1).to(like)


class Yolo6(nn.Module):
    """arXiv:2209.02976: EfficientRep, a pyramid with transposed convolutions, decoupled heads without distributions (n and s)."""

    def __init__(self, classes=2):
        super().__init__()
        rep = lambda i, o, s=1: RepVgg(i, o, s, eps=1e-3)
        relu = lambda i, o, k=1, s=1: conv(i, o, k, s, nn.ReLU)
        self.stem = nn.Sequential(rep(3, 3, 2), rep(3, 4, 2), rep(4, 4))
        self.level3 = nn.Sequential(rep(4, 6, 2), rep(6, 6))
        self.level4 = nn.Sequential(rep(6, 8, 2), rep(8, 8))
        self.before, self.pool, self.after = relu(8, 4), nn.MaxPool2d(5, 1, 2), relu(16, 8)
        self.narrow, self.grow, self.side = relu(8, 6), nn.ConvTranspose2d(6, 6, 2, 2), relu(6, 6)
        self.up = nn.Sequential(rep(12, 6), rep(6, 6))
        self.down, self.last = relu(6, 6, 3, 2), nn.Sequential(rep(12, 8), rep(8, 8))
        self.stems = nn.ModuleList([conv(6, 6), conv(8, 8)])
        self.labels = nn.ModuleList([nn.Sequential(conv(c, c, 3), nn.Conv2d(c, classes, 1)) for c in (6, 8)])
        self.boxes = nn.ModuleList([nn.Sequential(conv(c, c, 3), nn.Conv2d(c, 4, 1)) for c in (6, 8)])

    def forward(self, x):
        level3 = self.level3(self.stem(x))
        y = self.before(self.level4(level3))
        first = self.pool(y)
        second = self.pool(first)
        deep = self.narrow(self.after(torch.cat([y, first, second, self.pool(second)], 1)))
        flat = self.up(torch.cat([self.grow(deep), self.side(level3)], 1))
        levels = [flat, self.last(torch.cat([self.down(flat), deep], 1))]
        boxes, labels, strides = [], [], (8.0, 16.0)
        for i, level in enumerate(levels):
            batch, _, height, width = level.shape
            y = self.stems[i](level)
            labels.append(torch.sigmoid(self.labels[i](y)).reshape(batch, -1, height * width))
            left_top, right_bottom = self.boxes[i](y).reshape(batch, 4, height * width).permute(0, 2, 1).split(2, -1)
            points = centres(height, width, y).t()
            low, high = points - left_top, points + right_bottom
            boxes.append(torch.cat([(low + high) / 2, high - low], -1) * strides[i])
        boxes, labels = torch.cat(boxes, 1), torch.cat(labels, -1).permute(0, 2, 1)
        return torch.cat([boxes, torch.ones((boxes.shape[0], boxes.shape[1], 1), dtype=boxes.dtype), labels], -1)


class Implicit(nn.Module):
    """YOLOv7's implicit knowledge (arXiv:2207.02696, section 4.2.3): added before the last convolution, multiplied behind it."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.add, self.factor = nn.Parameter(torch.randn(1, inputs, 1, 1)), nn.Parameter(torch.rand(1, outputs, 1, 1) + 0.5)
        self.conv = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x):
        return self.factor * self.conv(self.add + x)


class Yolo7Tiny(nn.Module):
    """YOLOv7-tiny: ELAN with leaky ReLU, pooled pyramid, nearest up-sampling, heads with anchors and implicit knowledge."""

    def __init__(self, classes=2, anchors=3):
        super().__init__()
        leaky = lambda: nn.LeakyReLU(0.1)
        unit = lambda i, o, k=1, s=1: conv(i, o, k, s, leaky)
        elan = lambda i, m, o: Elan(i, m, o, leaky)
        self.stem = nn.Sequential(unit(3, 4, 3, 2), unit(4, 6, 3, 2), elan(6, 3, 6))
        self.level3 = nn.Sequential(nn.MaxPool2d(2, 2), elan(6, 4, 8))
        self.level4 = nn.Sequential(nn.MaxPool2d(2, 2), elan(8, 4, 8))
        self.side, self.before, self.middle, self.after = unit(8, 4), unit(8, 4), unit(16, 4), unit(8, 4)
        self.narrow, self.lateral, self.up = unit(4, 4), unit(8, 4), elan(8, 3, 6)
        self.down, self.last = unit(6, 4, 3, 2), elan(8, 4, 8)
        self.heads = nn.ModuleList([nn.Sequential(unit(c, c, 3), Implicit(c, anchors * (classes + 5))) for c in (6, 8)])
        self.anchors, self.classes = anchors, classes
        self.register_buffer("sizes", torch.tensor([[12.0, 16, 19, 36, 40, 28], [36, 75, 76, 55, 72, 146]]).view(2, 1, anchors, 1, 1, 2))

    def forward(self, x):
        level3 = self.level3(self.stem(x))
        level4 = self.level4(level3)
        y = self.before(level4)
        pools = [F.max_pool2d(y, k, 1, k // 2) for k in (5, 9, 13)]
        deep = self.after(torch.cat([self.middle(torch.cat([*pools[::-1], y], 1)), self.side(level4)], 1))
        grown = F.interpolate(self.narrow(deep), scale_factor=2.0, mode="nearest")
        flat = self.up(torch.cat([self.lateral(level3), grown], 1))
        found = []
        for i, level in enumerate([flat, self.last(torch.cat([self.down(flat), deep], 1))]):
            y = self.heads[i](level)
            batch, _, height, width = y.shape
            y = y.view(batch, self.anchors, self.classes + 5, height, width).permute(0, 1, 3, 4, 2).contiguous().sigmoid()
            grid = centres(height, width, y).view(2, height, width).permute(1, 2, 0) - 0.5
            at, size, rest = y.split((2, 2, self.classes + 1), 4)
            stride = (8.0, 16.0)[i]
            at = at * (2.0 * stride) + stride * (grid - 0.5)
            size = size**2 * (4 * self.sizes[i])
            found.append(torch.cat([at, size, rest], 4).view(batch, -1, self.classes + 5))
        return torch.cat(found, 1)


class Distribution(nn.Module):
    """The mean of a distribution over distances, by a 1x1 convolution of 0, 1, 2, … (arXiv:2006.04388)."""

    def __init__(self, bins):
        super().__init__()
        self.conv, self.bins = nn.Conv2d(bins, 1, 1, bias=False).requires_grad_(False), bins
        self.conv.weight.data[:] = torch.arange(bins, dtype=torch.float32).view(1, bins, 1, 1)

    def forward(self, x):
        batch, _, count = x.shape
        return self.conv(x.view(batch, 4, self.bins, count).transpose(2, 1).softmax(1)).view(batch, 4, count)


class DistributionHead(nn.Module):
    """YOLOv8's and YOLOv9's head."""

    def __init__(self, widths, classes=2, bins=4):
        super().__init__()
        self.boxes = nn.ModuleList([nn.Sequential(conv(c, 4, 3), conv(4, 4, 3, groups=4), nn.Conv2d(4, 4 * bins, 1, groups=4)) for c in widths])
        self.labels = nn.ModuleList([nn.Sequential(conv(c, 4, 3), conv(4, 4, 3), nn.Conv2d(4, classes, 1)) for c in widths])
        self.mean, self.classes, self.bins = Distribution(bins), classes, bins

    def forward(self, levels):
        joined = [torch.cat([box(x), label(x)], 1) for box, label, x in zip(self.boxes, self.labels, levels)]
        points = torch.cat([centres(*x.shape[2:], x) for x in levels], 1)
        strides = torch.cat([torch.full((1, x.shape[2] * x.shape[3]), 8.0 * 2**i).to(x) for i, x in enumerate(levels)], 1)
        flat = torch.cat([x.view(x.shape[0], 4 * self.bins + self.classes, -1) for x in joined], 2)
        boxes, labels = flat.split((4 * self.bins, self.classes), 1)
        left_top, right_bottom = self.mean(boxes).chunk(2, 1)
        low, high = points.unsqueeze(0) - left_top, points.unsqueeze(0) + right_bottom
        return torch.cat([torch.cat([(low + high) / 2, high - low], 1) * strides, labels.sigmoid()], 1)


class Yolo9(nn.Module):
    """arXiv:2402.13616: GELAN, average pools in down-sampling, pools in an aggregation, distribution heads (t)."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(conv(3, 4, 3, 2), conv(4, 4, 3, 2), Elan(4, 2, 4))
        self.level3 = nn.Sequential(ADown(4, 6), Gelan(6, 6, 4, 2))
        self.level4 = nn.Sequential(ADown(6, 8), Gelan(8, 8, 4, 2))
        self.before, self.after = conv(8, 4), conv(16, 8)
        self.up, self.down, self.last = Gelan(14, 6, 4, 2), ADown(6, 6), Gelan(14, 8, 4, 2)
        self.head = DistributionHead((6, 8))

    def features(self, x):
        level3 = self.level3(self.stem(x))
        parts = [self.before(self.level4(level3))]
        for _ in range(3):
            parts.append(F.max_pool2d(parts[-1], 5, 1, 2))
        deep = self.after(torch.cat(parts, 1))
        flat = self.up(torch.cat([F.interpolate(deep, scale_factor=2, mode="nearest"), level3], 1))
        return [flat, self.last(torch.cat([self.down(flat), deep], 1))]

    def forward(self, x):
        return self.head(self.features(x))


class Best(Yolo9):
    """YOLOv10's last step (arXiv:2405.14458, section 3.1): the best of all boxes, by two TopK and Gather, without suppression."""

    def forward(self, x):
        found = super().forward(x).transpose(-1, -2)
        boxes, scores = found.split([4, 2], -1)
        _, best = torch.topk(scores.amax(-1), 8, -1)
        best = best.unsqueeze(-1)
        boxes = torch.gather(boxes, 1, best.repeat(1, 1, 4))
        scores = torch.gather(scores, 1, best.repeat(1, 1, 2))
        top, order = torch.topk(scores.flatten(1), 8, -1)
        labels = order % 2
        order = torch.div(order, 2, rounding_mode="floor")
        boxes = boxes.gather(1, order.unsqueeze(-1).repeat(1, 1, 4))
        return torch.cat([boxes, top.unsqueeze(-1), labels.unsqueeze(-1).to(boxes)], -1)


class Residual(nn.Module):
    """ResNet-vd's block: the shortcut is an average pool and 1x1."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first, self.last = conv(inputs, outputs, 3, stride, nn.ReLU), conv_bn(outputs, outputs, 3)
        self.short = nn.Identity()
        if stride == 2:
            self.short = nn.Sequential(nn.AvgPool2d(2, 2, 0, ceil_mode=True), *conv_bn(inputs, outputs, 1))
        elif inputs != outputs:
            self.short = conv_bn(inputs, outputs, 1)

    def forward(self, x):
        return F.relu(self.last(self.first(x)) + self.short(x))


class EncoderLayer(nn.Module):
    """Attention over the pixels of the deepest level, LayerNorm behind each part (RT-DETR, 4.2: AIFI)."""

    def __init__(self, channels, heads=2):
        super().__init__()
        self.attention = nn.MultiheadAttention(channels, heads, batch_first=True)
        self.first, self.last = nn.Linear(channels, 2 * channels), nn.Linear(2 * channels, channels)
        self.norms = nn.ModuleList([nn.LayerNorm(channels), nn.LayerNorm(channels)])

    def forward(self, x, position):
        q = x + position
        x = self.norms[0](x + self.attention(q, q, value=x)[0])
        return self.norms[1](x + self.last(F.gelu(self.first(x))))


def positions(height, width, channels):
    """Sines and cosines of columns and rows, [1, height * width, channels]."""
    columns, rows = torch.meshgrid(torch.arange(width, dtype=torch.float32), torch.arange(height, dtype=torch.float32), indexing="ij")
    omega = 1.0 / 10000 ** (torch.arange(channels // 4, dtype=torch.float32) / (channels // 4))
    parts = [c.flatten()[:, None] @ omega[None] for c in (columns, rows)]
    return torch.cat([f(p) for p in parts for f in (torch.sin, torch.cos)], 1)[None]


class CspRep(nn.Module):
    """RT-DETR's fusion: re-parameterizable blocks on one branch, added to the other."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.first, self.second = conv(inputs, outputs), conv(inputs, outputs)
        self.blocks = nn.Sequential(*(RepVgg(outputs, outputs, activation=nn.SiLU()) for _ in range(2)))

    def forward(self, x):
        return self.blocks(self.first(x)) + self.second(x)


class DetrEncoder(nn.Module):
    """Backbone and hybrid encoder of RT-DETR (arXiv:2304.08069, section 4)."""

    def __init__(self, width=8):
        super().__init__()
        self.stem = nn.Sequential(conv(3, 3, 3, 2, nn.ReLU), conv(3, 3, 3, 1, nn.ReLU), conv(3, 4, 3, 1, nn.ReLU), nn.MaxPool2d(3, 2, 1))
        self.level3, self.level4 = nn.Sequential(Residual(4, 6, 2), Residual(6, 6, 1)), nn.Sequential(Residual(6, 8, 2))
        self.project = nn.ModuleList([conv_bn(6, width, 1), conv_bn(8, width, 1)])
        self.layer = EncoderLayer(width)
        self.lateral, self.up = conv(width, width), CspRep(2 * width, width)
        self.down, self.last = conv(width, width, 3, 2), CspRep(2 * width, width)
        self.register_buffer("position", positions(4, 4, width))

    def forward(self, x):
        level3 = self.level3(self.stem(x))
        flat, deep = self.project[0](level3), self.project[1](self.level4(level3))
        height, width = deep.shape[2:]
        y = self.layer(deep.flatten(2).permute(0, 2, 1), self.position)
        deep = self.lateral(y.permute(0, 2, 1).reshape(-1, 8, height, width).contiguous())
        flat = self.up(torch.cat([F.interpolate(deep, scale_factor=2.0, mode="nearest"), flat], 1))
        return flat, self.last(torch.cat([self.down(flat), deep], 1))


class Deformable(nn.Module):
    """Attention to a few sampled points of an image around each query's box (arXiv:2010.04159, as RT-DETR's decoder uses it)."""

    def __init__(self, channels=8, heads=2, points=2):
        super().__init__()
        self.heads, self.points, self.each = heads, points, channels // heads
        self.offsets, self.weights = nn.Linear(channels, heads * points * 2), nn.Linear(channels, heads * points)
        self.value, self.project = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.score = nn.Linear(channels, 3)

    def forward(self, x):
        batch, channels, height, width = x.shape
        memory = x.flatten(2).permute(0, 2, 1)
        best = torch.topk(self.score(memory).max(-1).values, 5, 1)[1]
        queries = memory.gather(1, best.unsqueeze(-1).repeat(1, 1, channels))
        value = self.value(memory).reshape(batch, height * width, self.heads, self.each).permute(0, 2, 3, 1)
        value = value.reshape(batch * self.heads, self.each, height, width)
        at = self.offsets(queries).sigmoid().reshape(batch, 5, self.heads, self.points, 2)
        grid = (2 * at - 1).permute(0, 2, 1, 3, 4).flatten(0, 1)
        sampled = F.grid_sample(value, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        weights = self.weights(queries).reshape(batch, 5, self.heads, self.points).softmax(-1).permute(0, 2, 1, 3)
        y = (sampled * weights.reshape(batch * self.heads, 1, 5, self.points)).sum(-1)
        return self.project(y.reshape(batch, channels, 5).permute(0, 2, 1))


class UNet(nn.Module):
    """arXiv:1505.04597 with padded convolutions: grows by transposed convolutions or bilinearly, padded to the size it is joined to."""

    def __init__(self, bilinear):
        super().__init__()
        double = lambda i, o: nn.Sequential(*conv_bn(i, o, 3), nn.ReLU(), *conv_bn(o, o, 3), nn.ReLU())
        self.first, self.second, self.third = double(3, 4), double(4, 6), double(6, 6 if bilinear else 8)
        grow = lambda i, o: nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True) if bilinear else nn.ConvTranspose2d(i, o, 2, 2)
        self.grow = nn.ModuleList([grow(8, 6), grow(6, 4)])
        self.up = nn.ModuleList([double(12, 4 if bilinear else 6), double(8, 4)])
        self.last = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        first = self.first(x)
        second = self.second(F.max_pool2d(first, 2))
        y = self.third(F.max_pool2d(second, 2))
        for side, grow, up in zip((second, first), self.grow, self.up):
            y = grow(y)
            rows, columns = side.size(2) - y.size(2), side.size(3) - y.size(3)
            y = F.pad(y, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
            y = up(torch.cat([side, y], 1))
        return self.last(y)


class Segmenter(nn.Module):
    """A light segmenter: dilated convolutions, pooled context grown bilinearly to the features' size, half-pixel up-sampling to the input's."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv(3, 4, 3, 2, nn.ReLU6), conv(4, 6, 3, 2, nn.Hardswish))
        self.near, self.far = conv_bn(6, 4, 1), nn.Sequential(*conv_bn(6, 4, 3, dilation=2))
        self.context, self.last = nn.Conv2d(6, 4, 1), nn.Conv2d(12, 2, 1)

    def forward(self, x):
        y = self.body(x)
        context = F.interpolate(self.context(F.adaptive_avg_pool2d(y, 1)), size=y.shape[2:], mode="bilinear", align_corners=False)
        y = self.last(F.relu(torch.cat([self.near(y), self.far(y), context], 1)))
        return F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=False)


class Span(nn.Module):
    """Super resolution with attention without parameters (arXiv:2311.12770): three-layer convolutions beside one, gates, a pixel shuffle."""

    def __init__(self, channels=4):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, channels, 3, padding=1), nn.Conv2d(2 * channels, 12, 3, padding=1)
        triple = lambda: nn.ModuleList([nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 1), nn.Conv2d(2 * channels, 2 * channels, 3), nn.Conv2d(2 * channels, channels, 1)),
            nn.Conv2d(channels, channels, 1)])
        self.blocks = nn.ModuleList([nn.ModuleList([triple(), triple()]) for _ in range(2)])

    def forward(self, x):
        first = y = self.first(x)
        for block in self.blocks:
            out = y
            for n, (deep, flat) in enumerate(block):
                out = deep(F.pad(out, (1, 1, 1, 1))) + flat(out)
                out = F.silu(out) if n == 0 else out
            y = (out + y) * (torch.sigmoid(out) - 0.5)
        return F.pixel_shuffle(self.last(torch.cat([first, y], 1)), 2)


def write(fixtures):
    picture = (1, 3, 64, 64)
    batch = {"x": {0: "batch"}, "y": {0: "batch"}}
    sizes = {"x": {0: "batch", 2: "height", 3: "width"}, "y": {0: "batch"}}
    source = "{}: one convolution for each re-parameterizable block, the others as they are"

    def net(name, build, opsets, paper, shape=picture, dynamic=None, **facts):
        fixtures.torch(name, build, shape, opsets=opsets, source=source.format(paper), dynamic=dynamic, convolutions=deployed(build()), **facts)

    net("yolov6-net", Yolo6, (13, 12), "arXiv:2209.02976")
    net("yolov6-net-any-batch", Yolo6, (None, 17), "arXiv:2209.02976", dynamic=batch)
    net("yolov7-tiny-net", Yolo7Tiny, (12, 14), "arXiv:2207.02696")
    net("yolov9-net", Yolo9, (13, 17), "arXiv:2402.13616", dynamic=None)
    net("yolov10-head-net", Best, (None, 13), "arXiv:2405.14458")
    net("rtdetr-encoder-net", DetrEncoder, (16, 17), "arXiv:2304.08069")
    net("rtdetr-encoder-net-any-batch", DetrEncoder, (None, 13), "arXiv:2304.08069",
        dynamic={"x": {0: "batch"}, "y0": {0: "batch"}, "y1": {0: "batch"}})
    net("deformable-net", Deformable, (None, 16), "arXiv:2010.04159", shape=(1, 8, 4, 5))
    net("unet-net", lambda: UNet(False), (13, 12), "arXiv:1505.04597", shape=(1, 3, 18, 22))
    net("unet-net-bilinear", lambda: UNet(True), (11, 17), "arXiv:1505.04597", shape=(1, 3, 18, 22))
    net("unet-net-any-size", lambda: UNet(True), (None, 13), "arXiv:1505.04597", shape=(1, 3, 18, 22), dynamic=sizes)
    net("segmenter-net", Segmenter, (14, 11), "plain layers", shape=(1, 3, 24, 20))
    net("segmenter-net-any-size", Segmenter, (None, 16), "plain layers", shape=(1, 3, 24, 20), dynamic=sizes)
    fixtures.torch("span-net", Span, (1, 3, 8, 8), opsets=(None, 13), convolutions=6,
                   source="arXiv:2311.12770, section 3.2: one convolution in place of three and one; first and last")
