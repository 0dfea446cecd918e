"""
More of what is not what it looks like, where only the axis, the type or the order of values tells: every size of the input is 4, so that shapes never do.
A fold may leave these as they are; it must not change what they give.
"""
import torch
import torch.nn.functional as F
from torch import nn

from common import conv_bn

size = 4


class AxisTrap(nn.Module):
    fixed_batch = True

    def __init__(self, how):
        super().__init__()
        self.how = how
        self.dense, self.point = conv_bn(size, size, 3), conv_bn(size, size, 1)
        self.grow, self.other = nn.ConvTranspose2d(size, size, 2, 2), nn.ConvTranspose2d(size, size, 3, 2, 1, 1)
        self.sparse = nn.ConvTranspose2d(size, size, 1, 2, 0, 1)
        self.norm, self.wide, self.line = nn.BatchNorm2d(size), nn.BatchNorm2d(2 * size), nn.BatchNorm1d(size)
        self.linear, self.layer = nn.Linear(size, size), nn.LayerNorm(size)
        self.first, self.second = nn.Conv1d(size, size, 3, padding=2, dilation=2), nn.Conv1d(size, size, 3, padding=1)
        self.vector, self.matrix = nn.Parameter(torch.randn(size)), nn.Parameter(torch.randn(size, size))
        self.field, self.frame = nn.Parameter(torch.randn(1, size, size, size)), nn.Parameter(torch.randn(1, size, size + 2, size + 2))
        self.hole = torch.ones(1, 1, size, size).bool()
        self.hole[0, 0, 1, 2] = False

    def forward(self, x):
        return getattr(self, self.how)(x)

    # Constants, matrices and orders along one of four axes of the same size.

    def scale_columns(self, x):
        return self.dense(x) + self.point(x) * self.vector

    def scale_rows(self, x):
        return self.dense(x) + self.point(x) * self.vector.view(-1, 1)

    def scale_channels(self, x):
        return self.dense(x) + self.point(x) * self.vector.view(-1, 1, 1)

    def scale_images(self, x):
        return self.dense(x) + self.point(x) * self.vector.view(-1, 1, 1, 1)

    def shift_pixels(self, x):
        return self.dense(x) + (self.point(x) + self.matrix)

    def mix_columns(self, x):
        return self.dense(x) + self.linear(self.point(x))

    def mix_rows(self, x):
        return self.dense(x) + self.linear(self.point(x).transpose(2, 3)).transpose(2, 3)

    def mix_channels(self, x):
        return self.dense(x) + self.linear(self.point(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def mix_channels_turned(self, x):
        return self.dense(x) + self.linear(self.point(x).permute(0, 2, 3, 1)).permute(0, 3, 2, 1)

    def mix_images(self, x):
        return self.dense(x) + self.linear(self.point(x).permute(1, 2, 3, 0)).permute(3, 0, 1, 2)

    def mix_each_image(self, x):
        return self.dense(x) + torch.matmul(self.point(x), self.field.view(size, 1, size, size))

    def channels_for_rows(self, x):
        return self.dense(x) + self.point(x.permute(0, 2, 1, 3))

    def images_for_channels(self, x):
        return self.dense(x) + self.point(x.transpose(0, 1))

    def norm_of_rows(self, x):
        return self.dense(x) + self.norm(self.point(x).transpose(1, 2)).transpose(1, 2)

    def norm_of_images(self, x):
        return self.dense(x) + self.norm(self.point(x).transpose(0, 1)).transpose(0, 1)

    def norm_of_tokens(self, x):
        return self.line(self.linear(x.mean(3)))  # [images, tokens, features]: the tokens are normalized

    def norm_of_features(self, x):
        return self.line(self.linear(x.mean(3)).transpose(1, 2))

    def norm_of_layer(self, x):
        return self.dense(x) + self.layer(self.point(x))

    # Sums and means over axes that were joined or stacked.

    def stacked_over_channels(self, x):
        return torch.stack([self.dense(x), self.point(x), x, self.norm(x)], 1).sum(2)

    def stacked_over_rows(self, x):
        return torch.stack([self.dense(x), self.point(x), x, self.norm(x)], 2).mean(3)

    def stacked_weighted(self, x):
        return (torch.stack([self.dense(x), self.point(x), x, self.norm(x)]) * self.vector).sum(0)

    def stacked_largest(self, x):
        return torch.stack([self.dense(x), self.point(x)]).amax(0)

    def joined_images(self, x):
        y = torch.cat([self.dense(x), self.point(x)], 0)
        return self.norm(y).view(2, size, size, size, size).sum(0)

    def joined_rows(self, x):
        return self.norm(torch.cat([self.dense(x), self.point(x)], 2))

    def joined_and_read(self, x):
        y = self.point(x)
        return F.relu(self.wide(torch.cat([self.dense(x), y], 1))), y

    def joined_twice(self, x):
        y = self.point(x)
        return self.wide(torch.cat([y, y], 1))

    def joined_with_input(self, x):
        return self.wide(torch.cat([x, self.point(x)], 1))

    def joined_with_constant(self, x):
        return self.wide(torch.cat([self.field.expand(x.size(0), -1, -1, -1), self.point(x)], 1))

    # Transposed convolutions.

    def grown_and_normed(self, x):
        y = self.grow(x)
        return self.norm(y) + y

    def grown_two_ways(self, x):
        return self.norm(self.grow(x) + self.other(x))

    def grown_with_gaps(self, x):
        return self.norm(self.sparse(x))  # most pixels are the bias alone

    def grown_then_dense(self, x):
        return self.dense(self.grow(x))

    def grown_images(self, x):
        return self.norm(self.grow(x).transpose(1, 0)).transpose(1, 0)

    # Types and orders.

    def through_half(self, x):
        return self.dense(x) + self.point(x).half().to(x.dtype)

    def through_integer(self, x):
        return self.dense(x) + self.point(x * 4).int().to(x.dtype)

    def through_bool(self, x):
        return self.dense(x) + self.point(x.bool().to(x.dtype))

    def reshaped(self, x):
        return self.dense(x) + self.point(x.reshape(size, size, size * size).transpose(1, 2).reshape(size, size, size, size))

    def reshaped_pairs(self, x):
        return self.point(self.dense(x).reshape(size, 2 * size, size // 2, size).reshape(size, size, size, size))

    def reshaped_images(self, x):
        y = self.dense(x).reshape(2 * size, size, size // 2, size)
        return self.point(y)

    def taken_twice(self, x):
        return self.dense(x) + self.point(x[:, :, [0, 1, 1, 2]])

    def taken_backwards(self, x):
        return self.dense(x) + self.point(x[:, [3, 2, 1, 0]][:, :, [3, 2, 1, 0]])

    def sliced_beyond(self, x):
        return self.dense(x) + self.point(x[:, :, -9:9, 0:99])

    def split_and_swapped(self, x):
        a, b = self.point(x).split([1, 3], 2)
        return self.dense(x) + torch.cat([b, a], 2)

    def halves_swapped(self, x):
        a, b = self.point(x).chunk(2, 1)
        return self.dense(x) + torch.cat([b, a], 1)

    # Borders and masks that vary from place to place.

    def framed(self, x):
        y = self.frame.expand(x.size(0), -1, -1, -1).clone()
        y[:, :, 1:-1, 1:-1] = self.point(x)
        return self.dense(y)

    def framed_apart(self, x):
        y = torch.zeros(size, size, size + 2, size + 2, dtype=x.dtype)
        y[:, :, 2:, :-2] = self.point(x)
        return self.dense(y)

    def framed_in_part(self, x):
        y = torch.zeros(size, size, size + 2, size + 2, dtype=x.dtype)
        y[:, 1:, 1:-1, 1:-1] = self.point(x)[:, 1:]
        return self.dense(y)

    def holed(self, x):
        y = self.point(x)
        return self.dense(x) + torch.where(self.hole, y, torch.zeros_like(y))

    def masked(self, x):
        return self.dense(x) + self.point(x) * self.hole.to(x.dtype)

    # One dimension.

    def line_of_columns(self, x):
        x = x.mean(2)
        return self.first(x) + self.second(x)

    def line_of_rows(self, x):
        x = x.mean(3)
        return self.first(x) + self.second(x.transpose(1, 2)).transpose(1, 2)

    def line_in_plane(self, x):
        x = x.mean(2)
        return self.first(x) + self.dense(x.unsqueeze(2)).squeeze(2)


def write(fixtures):
    source = "plain layers: at most as many convolutions as written"
    hows = [name for name, value in vars(AxisTrap).items() if callable(value) and name not in ("__init__", "forward")]
    for number, how in enumerate(hows):
        opset = (11, 13, 12, 14, 16, 17, 15)[number % 7]
        opsets = (opset, None) if number % 2 else (None, opset)
        fixtures.torch(f"trap-{how.replace('_', '-')}", lambda: AxisTrap(how), (size,) * 4, opsets=opsets, convolutions=3, norms=1,
                       source=source)
