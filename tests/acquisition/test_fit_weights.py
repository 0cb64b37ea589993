"""Truth: logits of the foreign network, of which ours must be the chosen columns."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm
from torchvision.models import resnet34

from prunegap.acquisition.fit import fit_weights
from prunegap.errors import UserError
from prunegap.models.build import build
from prunegap.models.small_cnn import SmallCnn
from prunegap.models.spec import ModelSpec

IMAGES = torch.randn(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))

BLANK = torch.zeros(2, 1, 16, 16)


def foreign(classes: int = 18) -> SmallCnn:
    torch.manual_seed(1)
    return SmallCnn(classes, 1)


def test_weights_of_the_same_network_load_as_they_are():
    model = SmallCnn(18, 1)
    fit_weights(model, foreign().state_dict(), None, replace_head=False, images=BLANK)
    assert torch.equal(model(IMAGES), foreign()(IMAGES))


@pytest.mark.parametrize("rows", [[3, 5, 1, 0, 6, 2, 4], [7, 8], (17,)])
def test_chosen_rows_of_the_classifier_become_our_classes_in_that_order(rows):
    model = SmallCnn(len(rows), 1)
    fit_weights(model, foreign().state_dict(), rows, replace_head=False, images=BLANK)
    torch.testing.assert_close(model(IMAGES), foreign()(IMAGES)[:, list(rows)])


def test_fairfaces_race_rows_fit_a_resnet34():
    theirs = resnet34(num_classes=18).eval()
    model = build(ModelSpec("resnet34", 7, 3, 32)).eval()
    fit_weights(model, theirs.state_dict(), [3, 5, 1, 0, 6, 2, 4], replace_head=False, images=torch.zeros(2, 3, 32, 32))
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(model(images), theirs(images)[:, [3, 5, 1, 0, 6, 2, 4]])


def test_a_replaced_head_is_the_models_own_and_the_rest_the_weights():
    model = SmallCnn(4, 1)
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    fit_weights(model, foreign().state_dict(), None, replace_head=True, images=BLANK)
    for name, value in model.state_dict().items():
        expected = fresh[name] if name.startswith("linear3") else foreign().state_dict()[name]
        assert torch.equal(value, expected)


def test_a_head_with_as_many_classes_is_not_replaced():
    model = SmallCnn(18, 1)
    fit_weights(model, foreign().state_dict(), None, replace_head=True, images=BLANK)
    assert torch.equal(model.linear3.weight, foreign().linear3.weight)


def test_weights_without_a_head_fit_when_it_is_replaced():
    state = {name: value for name, value in foreign().state_dict().items() if not name.startswith("linear3")}
    model = SmallCnn(4, 1)
    fit_weights(model, state, None, replace_head=True, images=BLANK)
    assert torch.equal(model.conv1.weight, foreign().conv1.weight)
    with pytest.raises(UserError, match=r"missing: linear3\.weight, linear3\.bias"):
        fit_weights(model, state, None, replace_head=False, images=BLANK)
    with pytest.raises(UserError, match=r"head_rows chooses rows of 'linear3\.weight', which the weights do not have"):
        fit_weights(model, state, [0], replace_head=False, images=BLANK)


@pytest.mark.parametrize(
    ("classes", "rows", "message"),
    [
        (4, None, "weights are for 18 classes, the data has 4: set head_rows to choose 4 rows of 'linear3'"),
        (4, [0, 1], "weights are for 2 classes, the data has 4"),
        (2, [0, 18], r"head_rows must be rows of 'linear3\.weight', 0 to 17, got 18"),
        (2, [-1, 3], r"head_rows must be rows of 'linear3\.weight', 0 to 17, got -1"),
    ],
)
def test_heads_that_do_not_fit_are_refused(classes, rows, message):
    with pytest.raises(UserError, match=message):
        fit_weights(SmallCnn(classes, 1), foreign().state_dict(), rows, replace_head=False, images=BLANK)


def test_layers_that_do_not_fit_are_named_with_both_shapes():
    with pytest.raises(
        UserError, match=r"of another shape: conv1\.weight \(weights \(32, 1, 3, 3\), model \(32, 3, 3, 3\)\)"
    ):
        fit_weights(SmallCnn(18, 3), foreign().state_dict(), None, replace_head=False, images=torch.zeros(2, 3, 16, 16))
    with pytest.raises(
        UserError, match=r"missing: bn1\.weight, bn1\.bias, bn1\.running_mean and \d+ more; unexpected: conv1"
    ):
        fit_weights(
            build(ModelSpec("resnet18", 18, 3, 32)),
            foreign().state_dict(),
            None,
            replace_head=True,
            images=torch.zeros(2, 3, 32, 32),
        )


class HeadFirst(nn.Module):
    """Registers its classifier first, and one layer that never runs last; or has two heads."""

    def __init__(self, classes: int, *, heads: int = 1) -> None:
        super().__init__()
        self.heads = nn.ModuleList([nn.Linear(8, classes // heads) for _ in range(heads)])
        self.body, self.unused = nn.Linear(256, 8), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.body(x.flatten(1)))
        return torch.cat([head(x) for head in self.heads], 1)


def test_the_classifier_is_the_layer_that_makes_the_scores_wherever_it_is_registered():
    theirs, model = HeadFirst(5), HeadFirst(2)
    fit_weights(model, theirs.state_dict(), [4, 1], replace_head=False, images=BLANK)
    torch.testing.assert_close(model(IMAGES), theirs(IMAGES)[:, [4, 1]])
    own = HeadFirst(2)
    fresh = own.heads[0].get_parameter("weight").clone()
    fit_weights(own, theirs.state_dict(), None, replace_head=True, images=BLANK)
    assert torch.equal(own.heads[0].get_parameter("weight"), fresh)
    assert torch.equal(own.unused.weight, theirs.unused.weight)


def test_several_heads_load_as_they_are_and_are_not_cut():
    theirs, model = HeadFirst(4, heads=2), HeadFirst(4, heads=2)
    fit_weights(model, theirs.state_dict(), None, replace_head=False, images=BLANK)
    assert torch.equal(model(IMAGES), theirs(IMAGES))
    for rows, replace in (([0, 1], False), (None, True)):
        with pytest.raises(
            UserError, match=r"one plain layer, the scores of this model are made by heads\.0, heads\.1"
        ):
            fit_weights(model, theirs.state_dict(), rows, replace_head=replace, images=BLANK)


def test_a_parametrised_head_loads_as_it_is_and_is_not_cut():
    theirs, model = HeadFirst(4), HeadFirst(4)
    for network in (theirs, model):
        weight_norm(network.heads[0])
    fit_weights(model, theirs.state_dict(), None, replace_head=False, images=BLANK)
    assert torch.equal(model(IMAGES), theirs(IMAGES))
    with pytest.raises(UserError, match="head_rows and replace_head need a classifier that is one plain layer"):
        fit_weights(model, theirs.state_dict(), [0], replace_head=False, images=BLANK)
