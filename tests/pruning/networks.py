"""Networks whose input layer and classifier are not the first and last registered, and one is not always alone."""

import torch
from torch import Tensor, nn
from torch.nn import functional

IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@torch.library.custom_op("prunegap_tests::fill", mutates_args={"target"})
def fill(target: Tensor, value: Tensor) -> None:
    """Write and return nothing, as kernels of one's own often do."""
    target.copy_(value)


@fill.register_fake
def _(target: Tensor, value: Tensor) -> None:
    pass


def conv(inputs: int, outputs: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, groups=groups)


class HeadFirst(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 4)
        self.middle, self.stem = conv(5, 6), conv(3, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.middle(torch.relu(self.stem(x)))).mean((2, 3)))


class TwoEyes(nn.Module):
    """Two branches read the image, two heads make the scores, one layer is never run, two run for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.unused, self.helper, self.glance = nn.Linear(6, 4), nn.Linear(6, 4), nn.Linear(8, 8)
        self.heads = nn.ModuleList([nn.Linear(6, 2), nn.Linear(6, 2)])
        self.near, self.far, self.joint = conv(3, 4), conv(3, 4, stride=2), conv(8, 6)

    def forward(self, x: Tensor) -> Tensor:
        self.glanced = self.glance(x)
        far = functional.interpolate(self.far(x), scale_factor=2)
        x = torch.tanh(self.joint(torch.cat([self.near(x), far], 1))).mean((2, 3))
        self.helped = self.helper(x)
        return torch.cat([head(x) for head in self.heads], 1)


class Twice(nn.Module):
    """The same module under two names, run three times: on the image's features, on itself, before the head."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.again = nn.Linear(6, 4), nn.Linear(6, 6)
        self.first = self.again
        self.stem = nn.Linear(192, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.stem(x.flatten(1)))
        return self.head(torch.tanh(self.first(torch.tanh(self.again(self.again(x))))))


class Residuals(nn.Module):
    """Every block adds to the image itself, and the last block's sum makes the scores with what came before."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.second, self.first = (nn.Linear(192, 192) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        x = x + torch.tanh(self.first(x))
        x = x + torch.tanh(self.second(x))
        x = x + torch.tanh(self.last(x))
        return x[:, :4]


class InPlace(nn.Module):
    """Features are written into slices of a buffer, changed in place, and the linear layers called as functions."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.hidden = nn.Linear(5, 4), nn.Linear(10, 5)
        self.left, self.right = nn.Linear(96, 5), nn.Linear(96, 5)

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.flatten(1).chunk(2, 1)
        features = x.new_zeros(len(x), 10)
        fill(features[:, :5], functional.linear(left, self.left.weight, self.left.bias))
        features[:, 5:].add_(functional.linear(right, self.right.weight, self.right.bias))
        features.sub_(0.1).tanh_()
        return torch.addmm(self.head.bias, torch.addmm(self.hidden.bias, features, self.hidden.weight.T).relu_(),
                           self.head.weight.t())  # fmt: skip


class Gated(nn.Module):
    """Squeeze and excitation inside, and a dense connection from the image to a deep layer."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Conv2d(6, 4, 1)
        self.excite, self.squeeze = nn.Conv2d(2, 5, 1), nn.Conv2d(5, 2, 1)
        self.deep, self.depthwise, self.stem = conv(8, 6), conv(5, 5, groups=5), conv(3, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.depthwise(torch.tanh(self.stem(x)))
        y = y * torch.sigmoid(self.excite(torch.tanh(self.squeeze(y.mean((2, 3), keepdim=True)))))
        return self.fc(torch.tanh(self.deep(torch.cat([y, x], 1)))).mean((2, 3))


class Attending(nn.Module):
    """A small vision transformer: a class token, attention, a position for each patch."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.patches = nn.Linear(8, 4), nn.Conv2d(3, 8, 4, 4)
        self.token, self.position = nn.Parameter(torch.randn(1, 1, 8)), nn.Parameter(torch.randn(1, 5, 8))
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.cross = nn.MultiheadAttention(8, 2, kdim=6, vdim=7, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).mT
        x = self.layer(torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.position)
        x = self.cross(x, x[..., :6], x[..., 1:])[0]
        return self.head(x[:, 0])


class Headless(nn.Module):
    """Attention whose outputs are the scores: fused, its weights could not be told from each other."""

    def __init__(self) -> None:
        super().__init__()
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)
        self.patches = nn.Conv2d(3, 8, 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).mT
        return self.attend(x, x, x, need_weights=False)[0][:, 0]
