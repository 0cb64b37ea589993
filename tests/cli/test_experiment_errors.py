"""Truth: what a person who wrote that file must be told: file or flag, key, rule, value; one line, no work done."""

from pathlib import Path
from typing import Any

import pytest
from pipeline.program import Ended, Program
from pipeline.workspaces import write_experiment

CHARACTERS = "must be of letters, digits, '_', '.' and '-', the first a letter or digit, got"
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"sedes": [0]}, "sedes: unknown key; did you mean 'seeds'?"),
    ({"thread": 1}, "thread: unknown key; did you mean 'threads'?"),
    ({"prune": {"learning_rat": 1}}, "prune.learning_rat: unknown key; did you mean 'learning_rate'?"),
    ({"prepare_data": {"x": 1}}, "prepare_data.x: unknown key; valid: cache_dir, channel_mean, "),
    (
        {"methods": ["nft", {"method": "ceag", "dual_stepsize": 1}]},
        "methods.1.dual_stepsize: unknown key; did you mean 'dual_step_size'?",
    ),
    (
        {"sparsities": [{"sparsity": 0.9, "tolerence": 1}]},
        "sparsities.0.tolerence: unknown key; did you mean 'tolerance'?",
    ),
    ({"prune": {"learning_rate": -1}}, "prune.learning_rate: must be > 0, got -1"),
    ({"prune": {"finetune_epochs": 0}}, "prune.finetune_epochs: must be >= 1, got 0"),
    ({"prune": {"learning_rate": float("nan")}}, "prune.learning_rate: must be a finite number, got nan"),
    ({"sparsities": [0.5, 95]}, "sparsities.1.sparsity: must be < 1, got 95"),
    ({"finetune": {"tolerance": -0.1}}, "finetune.tolerance: must be >= 0, got -0.1"),
    ({"methods": [{"method": "ceag", "tolerance": -2}]}, "methods.0.tolerance: must be >= 0, got -2"),
    ({"prune": {"gmp_epochs": "many"}}, "prune.gmp_epochs: must be a whole number, got 'many'"),
    ({"prune": {"gmp_epochs": 1.5}}, "prune.gmp_epochs: must be a whole number, got 1.5"),
    ({"sparsities": ["most"]}, "sparsities.0.sparsity: must be a number, got 'most'"),
    ({"prepare_data": {"download": "perhaps"}}, "prepare_data.download: must be true or false, got 'perhaps'"),
    ({"acquire_dense": {"weights": 3}}, "acquire_dense.weights: must be text, got 3"),
    ({"seeds": 3}, "seeds: must be a list, as in [a, b], got 3"),
    ({"methods": "ceag"}, "methods: must be a list, as in [a, b], got 'ceag'"),
    ({"methods": ["caeg"]}, "methods.0.method: method 'caeg' is not known; did you mean 'ceag'?"),
    ({"methods": [3]}, "methods.0: must be a section of keys and values, got 3"),
    ({"prune": 3}, "prune: must be a section of keys and values, got 3"),
    ({"device": "gpu"}, "device: must be 'auto', 'cpu' or 'cuda', got 'gpu'"),
    ({"dense_seeds": "each"}, "dense_seeds: must be 'shared' or 'per_seed', got 'each'"),
    ({"methods": []}, "methods: must have at least one entry, got []"),
    ({"methods": ["ceagg"]}, "methods.0.method: method 'ceagg' is not known; did you mean 'ceag'?"),
    (
        {"acquire_dense": {"model": "resnet43"}},
        "acquire_dense.model: model 'resnet43' is not known; did you mean 'resnet34'? "
        "(your own is written package.module:function)",
    ),
    (
        {"prepare_data": {"source": "cifar11"}},
        "prepare_data.source: source 'cifar11' is not known; did you mean 'cifar10'?",
    ),
    (
        {"methods": ["nft", "nft"]},
        "methods must be distinct, got nft twice; give the same method twice only with different labels",
    ),
    (
        {"sparsities": [0.9, 0.90]},
        "sparsities: 0.9 and 0.9 are both written 0.9; name each once, or further apart",
    ),
    ({"sparsities": [0.98, 0.5, 0.9800001]}, "sparsities: 0.98 and 0.9800001 are both written 0.98; name each once"),
    (
        {"methods": [{"method": "ceag", "label": "CEAG"}, "ceag"]},
        "methods: CEAG and ceag would be the same as a folder on a disk or a host name in compose, which take no "
        "account of case (ceag); give one of them another label",
    ),
    ({"seeds": [1, 1]}, "seeds: must be distinct and >= 0, got [1, 1]"),
    ({"seeds": [-1]}, "seeds: must be distinct and >= 0, got [-1]"),
    ({"name": "a b"}, f"name: {CHARACTERS} 'a b'"),
    ({"methods": [{"method": "nft", "label": "../x"}]}, f"methods.0.label: {CHARACTERS} '../x'"),
    ({"methods": [{"method": "nft", "label": "x" * 41}]}, "methods.0.label: must have at most 40 characters, got 'x"),
    ({"prune": {"start_epoch": 5}}, "prune: start_epoch must be <= gmp_epochs (3), got 5"),
    ({"prune": {"initial_sparsity": 0.85}}, "prune: initial_sparsity must be <= sparsity (0.8), got 0.85"),
    *(
        (
            {"sparsities": [0.9, level], "prune": {"initial_sparsity": 0.2}},
            "prune: initial_sparsity must be <= sparsity (0.0), got 0.2",
        )
        for level in (0, 0.0, "0", "0e-1", {"sparsity": 0}, {"sparsity": "0", "tolerance": 1})
    ),
    ({"sparsities": [True]}, "sparsities.0.sparsity: must be a number, got true"),
    ({"sparsities": [{"sparsity": False}]}, "sparsities.0.sparsity: must be a number, got false"),
    ({"sparsities": [0.5, float("nan")]}, "sparsities.1.sparsity: must be a finite number, got nan"),
    (
        {"sparsities": [{"sparsity": 0.5, "tolerance": float("inf")}]},
        "sparsities.0.tolerance: must be a finite number, got inf",
    ),
    ({"seeds": [0, True]}, "seeds: must be a number, got true"),
    ({"seeds": [2**53]}, f"seeds: must be below {2**53}, which Kubeflow keeps exactly, got {2**53}"),
    ({"prepare_data": {"split_seed": 2**60}}, f"prepare_data.split_seed: must be below {2**53}, which Kubeflow"),
    ({"prune": {"gmp_epochs": True}}, "prune.gmp_epochs: must be a number, got true"),
    ({"prune": {"learning_rate": True}}, "prune.learning_rate: must be a number, got true"),
    ({"prune": {"milestones": [0.5, True]}}, "prune.milestones: must be a number, got true"),
    ({"prune": {"milestones": [float("inf")]}}, "prune.milestones.0: must be a finite number, got inf"),
    ({"prepare_data": {"channels": True}}, "prepare_data.channels: must be a number, got true"),
    ({"acquire_dense": {"head_rows": [True]}}, "acquire_dense.head_rows: must be a number, got true"),
    ({"threads": True}, "threads: must be a number, got true"),
    ({"acquire_dense": {"method": "ell"}}, "acquire_dense.method: method 'ell' is not known; did you mean 'el'?"),
    (
        {"acquire_dense": {"method": "ceag"}},
        "acquire_dense.method: method 'ceag' compares with a dense model, and the dense model is only being made: "
        "take nft, or a method that compares with none, such as el_rb",
    ),
    ({"acquire_dense": {"method": "nft_es"}}, "acquire_dense.method: method 'nft_es' picks an epoch of fine-tuning"),
    (
        {"acquire_dense": {"weights_mean": [0.5]}},
        "acquire_dense: weights_mean says what weights mean, and weights names none",
    ),
    (
        {"acquire_dense": {"weights": "w.pt", "weights_mean": [0.5]}},
        "acquire_dense: weights_mean and weights_std must be given together, a value a channel, std > 0; got [0.5]",
    ),
    (
        {"acquire_dense": {"weights": "w.pt", "weights_mean": [0.5], "weights_std": [0]}},
        "acquire_dense: weights_mean and weights_std must be given together, a value a channel, std > 0; got [0.5]",
    ),
    (
        {"acquire_dense": {"weights": "w.pt", "weights_classes": ["a", "a"]}},
        "acquire_dense: weights_classes must be distinct, got ['a', 'a']",
    ),
    (
        {"acquire_dense": {"weights": "w.pt", "weights_classes": ["a"], "head_rows": [0]}},
        "acquire_dense: weights_classes names the rows that head_rows chooses by number; give one of the two",
    ),
    (
        {"prune": {"sparsity": 0.9}},
        "prune.sparsity: has no effect in a run, which goes by sparsities; set that instead",
    ),
    ({"prune": {"seed": 4}}, "prune.seed: has no effect in a run, which goes by seeds; set that instead"),
    (
        {"evaluate": {"tolerance": 0.1}},
        "evaluate.tolerance: has no effect in a run, which goes by finetune.tolerance; set that instead",
    ),
    (
        {"dense_seeds": "per_seed", "acquire_dense": {"seed": 1}},
        "acquire_dense.seed: has no effect in a run, which goes by seeds; set that instead",
    ),
    (
        {"prepare_data": {"validation_share": 0}},
        "method nft_es picks its epoch on held-out examples, and there are none: set prepare_data.validation_share "
        "above 0, or use nft_es_on_test, which picks on the test split as the paper did",
    ),
]


def refused(ended: Ended, folder: Path) -> str:
    """The one line of a refusal that left nothing behind."""
    assert ended.code == 1, ended
    assert ended.out == ""
    assert ended.err == f"error: {ended.error_lines[0]}\n", ended.err
    assert not (folder / "runs").exists()
    return ended.error_lines[0]


@pytest.mark.parametrize(("changes", "message"), WRONG, ids=[message.partition(",")[0] for _, message in WRONG])
def test_a_wrong_experiment_is_refused_in_one_line(
    program: Program, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    experiment = write_experiment(tmp_path, **changes)
    line = refused(program("run", experiment.name, "--no-tracking"), tmp_path)
    assert line.startswith(f"experiment.yaml: {message}")


@pytest.mark.parametrize("key", ["name", "methods"])
def test_a_key_that_must_be_given_is_named(program: Program, tmp_path: Path, key: str) -> None:
    experiment = write_experiment(tmp_path)
    kept = [line for line in experiment.read_text().splitlines() if not line.startswith((key, "- "))]
    experiment.write_text("\n".join(kept))
    lines = program("run", experiment.name).error_lines
    assert f"experiment.yaml: {key}: required, but not given" in lines


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [a", "not valid YAML: expected ',' or ']', but got '<stream end>' (line 1, column 9)"),
        ("name: a\nname: b", "not valid YAML: key 'name' is given twice (line 1, column 1)"),
        ("prune: {momentum: 0.5, momentum: 0.9}", "not valid YAML: key 'momentum' is given twice (line 1, column 8)"),
        ("- a\n- b", "an experiment is a mapping of keys to values, found list"),
        ("", "an experiment is a mapping of keys to values, found NoneType"),
        (b"\xff\xfe\x00", "not a text file (invalid start byte at byte 0)"),
    ],
)
def test_a_file_that_holds_no_experiment_is_refused(
    program: Program, tmp_path: Path, text: str | bytes, message: str
) -> None:
    (tmp_path / "x.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert refused(program("run", "x.yaml"), tmp_path) == f"x.yaml: {message}"


def test_a_missing_file_and_a_folder_are_no_experiments(program: Program, tmp_path: Path) -> None:
    assert refused(program("run", "nowhere.yaml"), tmp_path) == "nowhere.yaml: no such experiment file"
    assert refused(program("run", "."), tmp_path) == ".: cannot be read: Is a directory"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("prune.learning_rate", "must be key=value, for example prune.learning_rate=0.05"),
        ("=3", "must be key=value, for example prune.learning_rate=0.05"),
        ("prune.momentum=2", "must be < 1, got 2"),
        ("prune.momentun=0.5", "unknown key; did you mean 'momentum'?"),
        ("prume.momentum=0.5", "prume: unknown key; did you mean 'prune'?"),
        ("name.x=1", "'name' is no section of keys; set name as a whole"),
        ("seeds=[1", "the value is not valid YAML: expected ',' or ']', but got '<stream end>' (line 1, column 3)"),
        ("prune.seed=3", "has no effect in a run, which goes by seeds; set that instead"),
    ],
)
def test_a_wrong_override_is_refused_by_its_own_text(
    program: Program, tmp_path: Path, override: str, message: str
) -> None:
    write_experiment(tmp_path)
    line = refused(program("run", "experiment.yaml", "--set", override), tmp_path)
    where = "experiment.yaml" if override.startswith("prume") else f"--set {override}"
    assert line == f"{where}: {message}"


def test_a_wrong_stage_to_begin_from_is_refused(program: Program, tmp_path: Path) -> None:
    write_experiment(tmp_path)
    line = refused(program("run", "experiment.yaml", "--from", "finetun"), tmp_path)
    assert line == "--from finetun: no such stage; did you mean 'finetune'?"


def test_several_mistakes_are_told_at_once(program: Program, tmp_path: Path) -> None:
    write_experiment(tmp_path, sedes=[1], prune={"gamma": 2})
    ended = program("run", "experiment.yaml")
    assert set(ended.error_lines) == {
        "experiment.yaml: sedes: unknown key; did you mean 'seeds'?",
        "experiment.yaml: prune.gamma: must be <= 1, got 2",
    }


def test_an_empty_section_and_numbers_as_yaml_writes_them_are_accepted(program: Program, tmp_path: Path) -> None:
    """YAML reads 1e-2 as text; a section without keys is nothing. The run then fails for its source's sake alone."""
    experiment = write_experiment(tmp_path, prepare_data={"source": "table", "location": "nowhere.csv"})
    text = experiment.read_text().replace("learning_rate: 0.05", "learning_rate: 5e-2").replace("- 0.8", "- 8e-1")
    experiment.write_text(text + "compare:\nmeasure_baseline:\n")
    ended = program("run", "experiment.yaml", "--no-tracking", "--set", "evaluate.evaluation_batch_size=64")
    assert ended.error_lines == ["prepare_data: nowhere.csv: no such file; name an existing file or an s3:// address"]
