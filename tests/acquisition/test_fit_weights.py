"""Truth: logits of the foreign network, of which ours must be the chosen columns."""

import pytest
import torch
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
