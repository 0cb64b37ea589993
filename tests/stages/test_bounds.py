"""Truth: what each bounded parameter takes at its very bounds, and what it refuses beside them."""

import pytest
from pydantic import ValidationError
from stages.results import STAGES

TYPES = {stage.name: stage.params_type for stage in STAGES}
TRAINS = ("acquire_dense", "prune")
JUDGES = ("acquire_dense", "measure_baseline", "prune", "finetune", "evaluate")
CONSTRAINS = ("acquire_dense", "finetune")
SMALLEST = 5e-324
BELOW_ONE = 1 - 2**-53
# parameter, stages, values taken, values refused
BOUNDS: list[tuple[str, tuple[str, ...], list[object], list[object]]] = [
    ("evaluation_batch_size", JUDGES, [1], [0]),
    ("threads", JUDGES, [0], [-1]),
    ("device", JUDGES, ["cpu", "cuda", "auto"], ["tpu"]),
    ("precision", JUDGES, ["float32", "bfloat16"], ["float16"]),
    ("batch_size", TRAINS, [1], [0]),
    ("learning_rate", TRAINS, [SMALLEST], [0.0]),
    ("momentum", TRAINS, [0.0, BELOW_ONE], [-SMALLEST, 1.0]),
    ("weight_decay", TRAINS, [0.0], [-SMALLEST]),
    ("gamma", TRAINS, [SMALLEST, 1.0], [0.0, 1 + 2**-52]),
    ("shift", TRAINS, [0], [-1]),
    ("seed", TRAINS, [0], [-1]),
    ("checkpoint_every", (*TRAINS, "finetune"), [1], [0]),
    ("dual_step_size", CONSTRAINS, [SMALLEST], [0.0]),
    ("buffer_size", CONSTRAINS, [1], [0]),
    ("overall_estimate", CONSTRAINS, ["share", "balanced"], ["mean"]),
    ("equality", CONSTRAINS, ["signed", "absolute"], ["both"]),
    ("epochs", ("acquire_dense",), [0], [-1]),
    ("sparsity", ("prune",), [0.0, BELOW_ONE], [-SMALLEST, 1.0]),
    ("gmp_epochs", ("prune",), [0], [-1]),
    ("finetune_epochs", ("prune",), [1], [0]),
    ("start_epoch", ("prune",), [0, 15], [-1, 16]),
    ("prune_every", ("prune",), [1], [0]),
    ("initial_sparsity", ("prune",), [0.0, 0.9], [-SMALLEST, 0.91]),
    ("tolerance", ("finetune", "evaluate"), [0.0], [-SMALLEST]),
    ("label", ("finetune",), ["", "a", "9.b_c-D", "x" * 40], ["x" * 41, ".a", "a b", "a/b", "ä"]),
    ("image_size", ("prepare_data",), [0], [-1]),
    ("channels", ("prepare_data",), [0, 1, 3], [2]),
    ("test_share", ("prepare_data",), [SMALLEST, BELOW_ONE], [0.0, 1.0]),
    ("validation_share", ("prepare_data",), [0.0, BELOW_ONE], [-SMALLEST, 1.0]),
    ("split_seed", ("prepare_data",), [0], [-1]),
]
CASES = [
    (stage, name, value, is_taken)
    for name, stages, taken, refused in BOUNDS
    for stage in stages
    for values, is_taken in ((taken, True), (refused, False))
    for value in values
]


@pytest.mark.parametrize(("stage", "name", "value", "is_taken"), CASES)
def test_a_bound_is_where_it_is_said_to_be(stage: str, name: str, value: object, is_taken: bool):
    if is_taken:
        assert getattr(TYPES[stage].model_validate({name: value}), name) == value
    else:
        with pytest.raises(ValidationError, match=name):
            TYPES[stage].model_validate({name: value})


@pytest.mark.parametrize("stage", TYPES)
def test_an_unknown_parameter_an_infinite_number_and_a_later_change_are_refused(stage: str):
    with pytest.raises(ValidationError, match="extra"):
        TYPES[stage].model_validate({"sparsty": 0.5})
    params = TYPES[stage]()
    with pytest.raises(ValidationError, match="frozen"):
        setattr(params, next(iter(TYPES[stage].model_fields)), None)


MEANING = {"weights": "w.pt", "weights_mean": (0.5,), "weights_std": (0.2,)}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"weights_classes": ("a",)}, "weights_classes says what weights mean, and weights names none"),
        ({**MEANING, "weights": ""}, "weights_mean says what weights mean, and weights names none"),
        ({**MEANING, "weights_std": ()}, "weights_mean and weights_std must be given together"),
        ({**MEANING, "weights_std": (0.0,)}, r"std > 0; got \[0.5\] and \[0.0\]"),
        ({**MEANING, "weights_classes": ("a", "a")}, "weights_classes must be distinct, got .*'a', 'a'"),
        ({**MEANING, "weights_classes": ("a",), "head_rows": (1,)}, "head_rows chooses by number; give one of the two"),
    ],
)
def test_what_acquire_dense_is_told_of_weights_must_fit_together(values: dict[str, object], told: str):
    with pytest.raises(ValidationError, match=told):
        TYPES["acquire_dense"].model_validate(values)


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_numbers_that_are_none_are_refused(value: float):
    with pytest.raises(ValidationError, match="finite"):
        TYPES["prune"].model_validate({"learning_rate": value})


@pytest.mark.parametrize(
    ("stage", "name", "value", "told"),
    [
        ("prune", "start_epoch", 16, r"start_epoch must be <= gmp_epochs \(15\), got 16"),
        ("prune", "initial_sparsity", 0.95, r"initial_sparsity must be <= sparsity \(0.9\), got 0.95"),
        ("finetune", "method", "ceagg", "method 'ceagg' is not known; did you mean 'ceag'"),
        ("prune", "momentum", True, "momentum\n.*must be a number, got true"),
        ("prune", "milestones", (0.5, True), "milestones\n.*must be a number, got true"),
        ("acquire_dense", "head_rows", [0, False], "head_rows\n.*must be a number, got false"),
        ("prepare_data", "channels", True, "channels\n.*must be a number, got true"),
        ("prune", "rule", "globl", "'globl'.*did you mean 'global'"),
        ("acquire_dense", "model", "small_cn", "model 'small_cn' is not known.*did you mean 'small_cnn'"),
        ("finetune", "controller", "gradient", "controller 'gradient' is not known.*gradient_ascent"),
        ("prepare_data", "source_options", ("a=1", "b"), "must be name=value, got 'b'"),
        ("prepare_data", "source_options", ("=1",), "must be name=value, got '=1'"),
        ("prepare_data", "source_options", ("a=1", "a=2"), "give each option once, got 'a' twice"),
        ("prepare_data", "source", "digit", "source 'digit' is not known.*did you mean 'digits'"),
    ],
)
def test_what_is_refused_says_what_and_why(stage: str, name: str, value: object, told: str):
    with pytest.raises(ValidationError, match=told):
        TYPES[stage].model_validate({name: value})
