"""
What looks like a re-parameterizable block and is not one, or not the one that it looks like: borders of other values, crops and constants along other
axes, padding that is not zero, values that something else reads too. A fold may leave these as they are; it must not change what they give.
"""
import torch
import torch.nn.functional as F
from torch import nn

from common import conv_bn


class Trap(nn.Module):
    """A 3x3 with BatchNorm and, summed with it, a branch that ends in a narrowing 3x3 or 1x1, so that folding would always be cheaper."""

    def __init__(self, how, channels=4):
        super().__init__()
        self.how = how
        self.beside, self.point = conv_bn(channels, channels, 3), conv_bn(channels, channels, 1)
        self.wide, self.norm = nn.Conv2d(channels, 8, 1), nn.BatchNorm2d(8)
        self.inner, self.padded = nn.Conv2d(8, channels, 3), nn.Conv2d(8, channels, 3, padding=1)
        self.gate = nn.Conv2d(channels, channels, 1)
        size = 6
        self.column, self.row = nn.Parameter(torch.randn(size)), nn.Parameter(torch.randn(1, 1, size, 1))
        self.field, self.mix = nn.Parameter(torch.randn(1, channels, size, size)), nn.Parameter(torch.randn(size, size))
        self.reversed = torch.arange(size - 1, -1, -1)
        self.order = torch.tensor([2, 0, 3, 1])

    def forward(self, x):
        return getattr(self, self.how)(x)

    # Borders between the two layers of a branch.

    def bordered(self, y, value, sides="tblr", start=0, padded=True, more=False):
        y = F.pad(y, (1, 1, 1, 1)) if padded else y
        stop = start + 1
        places = {"t": (..., slice(start, stop), slice(None)), "b": (..., slice(-stop, -start or None), slice(None)),
                  "l": (..., slice(None), slice(start, stop)), "r": (..., slice(None), slice(-stop, -start or None))}
        for side in sides:
            if more:
                y[places[side]] += value
            else:
                y[places[side]] = value
        return y

    def value(self):
        n = self.norm
        return (n.bias + n.weight * (self.wide.bias - n.running_mean) / torch.sqrt(n.running_var + n.eps)).view(1, -1, 1, 1)

    def middle(self, x):
        return self.norm(self.wide(x))

    def border_right(self, x):  # the one that folds, to hold the others against
        return self.beside(x) + self.inner(self.bordered(self.middle(x), self.value()))

    def border_zero(self, x):
        return self.beside(x) + self.inner(F.pad(self.middle(x), (1, 1, 1, 1)))

    def border_three_sides(self, x):
        return self.beside(x) + self.inner(self.bordered(self.middle(x), self.value(), "tbl"))

    def border_other_value(self, x):
        return self.beside(x) + self.inner(self.bordered(self.middle(x), self.value() * 1.01))

    def border_one_channel(self, x):
        return self.beside(x) + self.inner(self.bordered(self.middle(x), self.value()[:, :1]))

    def border_turned(self, x):
        return self.beside(x) + self.inner(self.bordered(self.middle(x), self.value().flip(1)))

    def border_within(self, x):
        return self.beside(x) + self.inner(self.bordered(self.middle(x), self.value(), start=1))

    def border_over_values(self, x):
        y = self.bordered(self.middle(x), self.value(), padded=False)
        return self.beside(x)[:, :, 1:-1, 1:-1] + self.inner(y)

    def border_added(self, x):
        return self.beside(x) + self.inner(self.bordered(self.middle(x), self.value(), more=True))

    def border_copied(self, x):
        y = F.pad(self.middle(x), (1, 1, 1, 1))
        y[:, :, 0:1], y[:, :, -1:] = y[:, :, 1:2], y[:, :, -2:-1]
        return self.beside(x) + self.inner(y)

    def border_interior(self, x):
        y = F.pad(self.middle(x), (1, 1, 1, 1))
        y[:, :, 1:-1, 1:-1] = self.value()
        return self.beside(x) + self.inner(y)

    # Padding that is not zero, or meets a bias.

    def pad_after_bias(self, x):
        return self.beside(x) + self.padded(self.wide(x))

    def pad_twice(self, x):
        wide = F.conv2d(x, self.padded.weight.transpose(0, 1), padding=1)
        return self.beside(x) + self.padded(wide)

    def pad_reflected(self, x):
        return self.beside(x) + F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), self.inner.weight[:, :4])

    def pad_copied(self, x):
        return self.beside(x) + F.conv2d(F.pad(x, (1, 1, 1, 1), "replicate"), self.inner.weight[:, :4])

    def pad_around(self, x):
        y = torch.cat([x[..., -1:], x, x[..., :1]], 3)
        return self.beside(x) + F.conv2d(torch.cat([y[:, :, -1:], y, y[:, :, :1]], 2), self.inner.weight[:, :4])

    def pad_constant(self, x):
        return self.beside(x) + F.conv2d(F.pad(x, (1, 1, 1, 1), value=0.5), self.inner.weight[:, :4])

    def pad_channels(self, x):
        return self.beside(x) + F.pad(self.point(x)[:, 1:], (0, 0, 0, 0, 0, 1))

    def pool_excluding(self, x):
        return self.beside(x) + F.avg_pool2d(self.point(x), 3, 1, 1, count_include_pad=False)

    def pool_rounding_up(self, x):
        return F.avg_pool2d(self.beside(x), 4, 4, ceil_mode=True) + F.avg_pool2d(self.point(x), 4, 4, ceil_mode=True)

    # Pixels in other places.

    def turned(self, x):
        return self.beside(x) + self.point(x.flip(3))

    def turned_by_index(self, x):
        return self.beside(x) + self.point(x.index_select(3, self.reversed))

    def rolled(self, x):
        return self.beside(x) + self.point(torch.roll(x, 1, 3))

    def transposed(self, x):
        return self.beside(x) + self.point(x.transpose(2, 3))

    def cropped_apart(self, x):
        return self.beside(x)[:, :, 1:-1, 1:-1] + self.point(x[:, :, 2:, :-2])

    def cropped_and_padded(self, x):
        return self.beside(x) + self.point(F.pad(x[:, :, 1:, 1:], (1, 0, 1, 0)))

    def odd_pixels(self, x):
        return self.beside(x)[:, :, ::2, ::2] + self.point(x[:, :, 1::2, 1::2])

    def channels_moved(self, x):
        return self.beside(x) + self.point(x.index_select(1, self.order))

    def shuffled(self, x):
        batch, channels, height, width = x.shape
        y = x.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(batch, channels, height, width)
        return self.beside(x) + self.point(y)

    def batch_moved(self, x):
        return self.beside(x) + self.point(x.flip(0))

    # Constants and matrices along other axes.

    def column_scale(self, x):
        return self.beside(x) + self.point(x) * self.column

    def row_shift(self, x):
        return self.beside(x) + (self.point(x) + self.row)

    def field_shift(self, x):
        return self.beside(x) + (self.point(x) + self.field)

    def width_matrix(self, x):
        return self.beside(x) + self.point(x) @ self.mix

    def height_matrix(self, x):
        return self.beside(x) + self.mix @ self.point(x)

    def mean_of_batch(self, x):
        return self.beside(x) + self.point(x.mean(0, keepdim=True))

    def mean_of_image(self, x):
        return self.beside(x) + self.point(x.mean((2, 3), keepdim=True))

    def one_channel(self, x):
        return self.beside(x) + self.point(x)[:, 1:2]

    # Almost linear.

    def leaky(self, x):
        return self.beside(x) + F.leaky_relu(self.point(x), 0.99)

    def chosen(self, x):
        y = self.point(x)
        return self.beside(x) + torch.where(y > 0, y, 0.99 * y)

    def product(self, x):
        return self.beside(x) * self.point(x)

    def gated(self, x):
        return self.beside(x) + self.point(x) * self.gate(x.mean((2, 3), keepdim=True))

    def divided(self, x):
        return self.beside(x) + 1 / (self.point(x) ** 2 + 1)

    def clipped(self, x):
        return self.beside(x) + self.point(x).clamp(-30, 1)

    # Values that something else reads too.

    def read_twice(self, x):
        y = self.point(x)
        return self.beside(x) + y, y

    def read_inside(self, x):
        y = self.point(x)
        return self.beside(x) + y + F.relu(y)

    def shared_weight(self, x):
        weight = self.beside[0].weight
        return self.beside(x) + F.conv2d(x, weight, padding=2, dilation=2) + self.beside[1](self.point(x))

    def added_to_itself(self, x):
        y = self.point(x)
        return self.beside(x) + y + y

    def next_block(self, x):
        y = self.beside(x) + self.point(x) + x
        return self.beside(y) + self.point(y) + y + x


hows = {
    "border_right": 13, "border_zero": 12, "border_three_sides": 13, "border_other_value": 12, "border_one_channel": 14, "border_turned": 13,
    "border_within": 11, "border_over_values": 13, "border_added": 12, "border_copied": 13, "border_interior": 16,
    "pad_after_bias": 12, "pad_twice": 13, "pad_reflected": 11, "pad_copied": 13, "pad_around": 12, "pad_constant": 13, "pad_channels": 14,
    "pool_excluding": 12, "pool_rounding_up": 13, "turned": 13, "turned_by_index": 12, "rolled": 13, "transposed": 11, "cropped_apart": 12,
    "cropped_and_padded": 13, "odd_pixels": 13, "channels_moved": 12, "shuffled": 14, "batch_moved": 13, "column_scale": 12, "row_shift": 13,
    "field_shift": 11, "width_matrix": 13, "height_matrix": 12, "mean_of_batch": 13, "mean_of_image": 12, "one_channel": 13, "leaky": 11,
    "chosen": 12, "product": 13, "gated": 14, "divided": 12, "clipped": 13, "read_twice": 12, "read_inside": 13, "shared_weight": 12,
    "added_to_itself": 13, "next_block": 12,
}
open_sizes = ("column_scale", "row_shift", "width_matrix", "height_matrix", "turned", "border_right", "border_other_value")


def write(fixtures):
    source = "plain layers: at most as many convolutions as written"
    for number, (how, opset) in enumerate(hows.items()):
        opsets = (opset, None) if number % 2 else (None, opset)
        fixtures.torch(f"trap-{how.replace('_', '-')}", lambda: Trap(how), (2, 4, 6, 6), opsets=opsets, source=source,
                       convolutions=1 if how == "border_right" else 4)
    batch = {"x": {0: "batch"}, "y": {0: "batch"}}
    for how in open_sizes:
        dynamic = batch if how.startswith(("border", "turned")) else {"x": {0: "batch", 1: "channels", 2: "height", 3: "width"}}
        fixtures.torch(f"trap-{how.replace('_', '-')}-any-size", lambda: Trap(how), (2, 4, 6, 6), opsets=(None, 13), convolutions=4,
                       dynamic=dynamic, source=source)
