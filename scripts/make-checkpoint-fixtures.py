"""Checkpoints as training scripts leave them, with the outputs that PyTorch gives: python3 scripts/make-checkpoint-fixtures.py

Needs PyTorch (1.13 made those in tests/fixtures/checkpoints). Everything here is written for this purpose; the names are those of
the libraries that it stands for. Random weights, BatchNorm statistics far from their defaults.
"""

import json
import pathlib
import sys
import types

import torch
from torch import nn

folder = pathlib.Path(__file__).parent.parent / "tests" / "fixtures" / "checkpoints"
nets = sys.modules["nets"] = types.ModuleType("nets")


def known(cls):
    """Pickled as nets.NAME, as a class of somebody's package is."""
    cls.__module__ = "nets"
    setattr(nets, cls.__name__, cls)
    return cls


def conv_bn(i, o, kernel, stride, **norm):
    pair = nn.Sequential()
    pair.add_module("conv", nn.Conv2d(i, o, kernel, stride, kernel // 2, bias=False))
    pair.add_module("bn", nn.BatchNorm2d(o, **norm))
    return pair


@known
class Block(nn.Module):
    """RepVGG's block by its authors' names; `post`: QARepVGG's, "v1" or "v2"."""

    def __init__(self, i, o, stride, post=None, pointwise=True, act=nn.ReLU, **norm):
        super().__init__()
        same = i == o and stride == 1
        self.nonlinearity = act()
        self.rbr_dense = conv_bn(i, o, 3, stride, **norm)
        if post == "v2":
            self.rbr_1x1 = nn.Conv2d(i, o, 1, stride, bias=False)
            self.rbr_identity = nn.Identity() if same else None
        else:
            self.rbr_1x1 = conv_bn(i, o, 1, stride, **norm) if pointwise else None
            self.rbr_identity = nn.BatchNorm2d(o, **norm) if same else None
        self.bn = nn.BatchNorm2d(o, **norm) if post else None

    def forward(self, x):
        branches = [b(x) for b in (self.rbr_dense, self.rbr_1x1, self.rbr_identity) if b is not None]
        y = sum(branches[1:], branches[0])
        return self.nonlinearity(self.bn(y) if self.bn is not None else y)


@known
class Named(nn.Module):
    """Blocks by other names: attributes for the convolutions and norms of each branch."""

    def __init__(self, i, o, stride, branches, identity=None):
        super().__init__()
        self.branches = branches
        for conv, norm, kernel in branches:
            padding = (kernel[0] // 2, kernel[1] // 2)
            setattr(self, conv, nn.Conv2d(i, o, kernel, stride, padding, bias=False))
            setattr(self, norm, nn.BatchNorm2d(o))
        self.identity = identity if i == o and stride == 1 else None
        if self.identity:
            setattr(self, self.identity, nn.BatchNorm2d(o))

    def forward(self, x):
        y = sum(getattr(self, norm)(getattr(self, conv)(x)) for conv, norm, _ in self.branches)
        return torch.relu(y + getattr(self, self.identity)(x) if self.identity else y)


@known
class MobileOneBlock(nn.Module):
    def __init__(self, i, o, kernel, stride, groups, branches=2):
        super().__init__()
        pair = lambda k: nn.Sequential()  # noqa: E731
        self.rbr_conv = nn.ModuleList()
        for _ in range(branches):
            branch = pair(kernel)
            branch.add_module("conv", nn.Conv2d(i, o, kernel, stride, kernel // 2, groups=groups, bias=False))
            branch.add_module("bn", nn.BatchNorm2d(o, eps=1e-3))
            self.rbr_conv.append(branch)
        self.rbr_skip = nn.BatchNorm2d(o, eps=1e-3) if i == o and stride == 1 else None

    def forward(self, x):
        y = sum(branch(x) for branch in self.rbr_conv)
        return torch.relu(y + self.rbr_skip(x) if self.rbr_skip is not None else y)


@known
class Net(nn.Module):
    def __init__(self, block, classes=3):
        super().__init__()
        self.stage0 = block(3, 4, 2)
        self.stage1 = nn.Sequential(block(4, 4, 2), block(4, 4, 1))
        self.linear = nn.Linear(4, classes) if classes else None

    def forward(self, x):
        x = self.stage1(self.stage0(x))
        return self.linear(x.mean((2, 3))) if self.linear is not None else x


@known
class MobileOneNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stage0 = MobileOneBlock(3, 4, 3, 2, 1)
        self.stage1 = nn.Sequential(MobileOneBlock(4, 4, 3, 1, 4), MobileOneBlock(4, 6, 1, 1, 1))
        self.linear = nn.Linear(6, 3)

    def forward(self, x):
        return self.linear(self.stage1(self.stage0(x)).mean((2, 3)))


def randomized(net):
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.01, 2)
            if module.affine:
                module.weight.data.uniform_(-1.5, 2)
                module.bias.data.normal_()
    return net.eval()


def fold(block):
    """The authors' conversion of a RepVGG block, in float64: kernel and bias."""

    def scaled(kernel, norm):
        t = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        return kernel.double() * t.reshape(-1, 1, 1, 1), norm.bias.double() - norm.running_mean.double() * t

    pairs = [scaled(block.rbr_dense.conv.weight, block.rbr_dense.bn)]
    pairs.append(scaled(nn.functional.pad(block.rbr_1x1.conv.weight, [1] * 4), block.rbr_1x1.bn))
    if block.rbr_identity is not None:
        eye = torch.eye(len(block.rbr_identity.weight)).reshape(*[len(block.rbr_identity.weight)] * 2, 1, 1)
        pairs.append(scaled(nn.functional.pad(eye, [1] * 4), block.rbr_identity))
    return sum(k for k, _ in pairs).float(), sum(b for _, b in pairs).float()


def official(**options):
    return lambda i, o, stride: Block(i, o, stride, **options)


@torch.no_grad()
def main():
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(20)
    x = torch.randn(1, 3, 16, 16)
    index = {"input": x.flatten().tolist(), "shape": list(x.shape), "outputs": {}}

    def save(name, value, net=None, **more):
        torch.save(value, folder / name)
        outputs = {key: other(x) for key, other in {"": net, **more}.items() if other is not None}
        index["outputs"][name] = {key: {"shape": list(y.shape), "values": y.flatten().tolist()} for key, y in outputs.items()}

    # Whole modules: every BatchNorm its own epsilon, strides that nothing else shows.
    net = randomized(Net(official()))
    for i, module in enumerate(m for m in net.modules() if isinstance(m, nn.BatchNorm2d)):
        module.eps = 0.01 * (i + 1)
    net.stage0.rbr_dense.conv.stride = net.stage0.rbr_1x1.conv.stride = (1, 1)
    save("module-eps-strides.pt", net, net)
    half = randomized(Net(official(eps=1e-3))).half()
    full = Net(official(eps=1e-3)).eval()
    full.load_state_dict({k: v.float() for k, v in half.state_dict().items()})
    save("module-half-ema.pt", {"epoch": 3, "model": half, "ema": half, "args": {"lr": 0.1}}, full)
    net = randomized(Net(official(post="v2")))
    net.stage1[1].rbr_identity = None
    save("module-qarepvgg-no-identity.pt", net, net)
    save("module-silu.pt", randomized(Net(official(act=nn.SiLU))))
    net = randomized(Net(official()))
    net.stage1[1].rbr_dense.conv.dilation = net.stage1[1].rbr_dense.conv.padding = (2, 2)
    save("module-dilation.pt", net)

    net = randomized(Net(official(act=nn.Identity)))
    save("module-no-relu.pt", net)
    net = randomized(Net(official()))
    net.maxpool = nn.MaxPool2d(3, 2, 1)
    save("module-maxpool.pt", net)

    # What training frameworks add.
    net, average = randomized(Net(official())), randomized(Net(official()))
    state = {f"model.{k}": v for k, v in net.state_dict().items()}
    state |= {f"ema_model.module.{k}": v for k, v in average.state_dict().items()}
    state |= {"criterion.weight": torch.ones(3), "val_acc.correct": torch.tensor(5.0)}
    save("lightning.ckpt", {"epoch": 1, "state_dict": state, "optimizer_states": [{"state": {}}]}, net, **{"state_dict.ema_model.module": average})
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1).state_dict()
    save("odd-key.pt", {"step": 1, "classifier_v2": {"weights_best": net.state_dict()}, "optimizer": optimizer}, net)
    save("two-odd-keys.pt", {"netA": net.state_dict(), "netB": average.state_dict()}, None, netA=net, netB=average)
    mixed = {(k if k.startswith("linear") else f"module.{k}"): v for k, v in net.state_dict().items()}
    save("module-on-some-names.pt", mixed, net)

    # Parts of other nets, and nets without parts.
    body = randomized(Net(official(), classes=0))
    state = {f"backbone.{k}": v for k, v in body.state_dict().items()}
    state |= {"neck.lateral.weight": torch.randn(2, 4, 1, 1), "neck.lateral.bias": torch.randn(2)}
    save("backbone-and-neck.pt", state, body)
    save("no-affine.pt", (net := randomized(Net(official(affine=False)))).state_dict(), net)
    net = randomized(Net(official()))
    net.stage1[1].rbr_1x1 = None
    save("branch-missing.pt", net.state_dict(), net)
    net = randomized(Net(official()))
    state = dict(net.state_dict())
    for path, block in (("stage0", net.stage0), ("stage1.0", net.stage1[0]), ("stage1.1", net.stage1[1])):
        state[f"{path}.rbr_reparam.weight"], state[f"{path}.rbr_reparam.bias"] = fold(block)
    save("reparam-equal.pt", state, net)

    # Other names.
    target = lambda i, o, s: Named(i, o, s, [("conv", "bn", (3, 3))])  # noqa: E731
    save("repopt-target.pt", (net := randomized(Net(target))).state_dict(), net)
    repvgg = [("conv_3x3", "bn_3x3", (3, 3)), ("conv_1x1", "bn_1x1", (1, 1))]
    save("repopt-repvgg.pt", (net := randomized(Net(lambda i, o, s: Named(i, o, s, repvgg, "bn_identity")))).state_dict(), net)
    acb = [("square_conv", "square_bn", (3, 3)), ("ver_conv", "ver_bn", (3, 1)), ("hor_conv", "hor_bn", (1, 3))]
    save("acb.pt", (net := randomized(Net(lambda i, o, s: Named(i, o, s, acb)))).state_dict(), net)
    net = randomized(MobileOneNet())
    save("mobileone-module-eps.pt", net, net)

    (folder / "index.json").write_text(json.dumps(index) + "\n")
    print(f"{len(index['outputs'])} files, PyTorch {torch.__version__}")


main()
