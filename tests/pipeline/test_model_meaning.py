"""A finished dense model on data that say the same in another way. Truth: its accuracy on the data it was made with."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pipeline.program import Ended, Program
from pipeline.workspaces import half_written

DIGITS = [str(digit) for digit in range(10)]
Prepare = Callable[..., Path]


@pytest.fixture
def prepare(program: Program, tmp_path: Path) -> Prepare:
    """Return a function that prepares the digits of the finished run again, otherwise."""

    def prepared(**settings: object) -> Path:
        dataset = tmp_path / f"data{len(list(tmp_path.glob('data*')))}"
        flags = _flags({"source": "digits", "validation_share": 0.1, "dataset": dataset} | settings)
        ended = program("prepare_data", *flags)
        assert ended.code == 0, ended.err
        return dataset

    return prepared


def _flags(settings: Mapping[str, object]) -> list[object]:
    words: list[object] = []
    for name, value in settings.items():
        words += ["--" + name.replace("_", "-"), ",".join(map(str, value)) if isinstance(value, list) else value]
    return words


def measured(program: Program, dense: Path, dataset: Path, tmp_path: Path) -> Ended:
    flags = _flags({"dataset": dataset, "dense_model": dense, "baseline": tmp_path / "baseline"})
    return program("measure_baseline", *flags)


def accuracy(folder: Path) -> float:
    return json.loads((folder / "baseline.json").read_text())["test"]["accuracy"]


def test_classes_in_another_order_and_another_normalisation_give_the_same_accuracy(
    program: Program, prepare: Prepare, workspace: Path, tmp_path: Path
) -> None:
    dense, expected = (
        workspace / "steps/acquire_dense/dense_model",
        accuracy(workspace / "steps/measure_baseline/baseline"),
    )
    assert expected > 0.2
    other = prepare(class_names=DIGITS[::-1], channel_mean=0.9, channel_std=0.1)
    ended = measured(program, dense, other, tmp_path)
    assert ended.code == 0, ended.err
    assert accuracy(tmp_path / "baseline") == expected
    flags = _flags(
        {"dataset": other, "weights": dense, "epochs": 0, "dense_model": tmp_path / "again", "history": tmp_path / "h0"}
    )
    taken = program("acquire_dense", *flags)
    assert taken.code == 0, taken.err
    assert "nobody says" not in taken.err
    spec = json.loads((tmp_path / "again/model.json").read_text())["spec"]
    assert spec == json.loads((dense / "model.json").read_text())["spec"]
    assert spec["class_names"] == DIGITS
    assert measured(program, tmp_path / "again", other, tmp_path).code == 0
    assert accuracy(tmp_path / "baseline") == expected


def test_training_and_pruning_on_such_data_go_on_in_the_models_terms(
    program: Program, prepare: Prepare, workspace: Path, tmp_path: Path
) -> None:
    """What is pruned in one shot and fine-tuned for an epoch at no step size to speak of is still the same model."""
    dense = workspace / "steps/acquire_dense/dense_model"
    other, baseline, sparse = (
        prepare(class_names=DIGITS[::-1], channel_mean=0.9, channel_std=0.1),
        tmp_path / "b",
        tmp_path / "s",
    )
    common = {"dataset": other, "dense_model": dense, "baseline": baseline}
    assert program("measure_baseline", *_flags(common)).code == 0
    gentle = {"sparsity": 0.01, "gmp_epochs": 0, "finetune_epochs": 1, "learning_rate": 1e-9, "sparse_model": sparse}
    pruned = program("prune", *_flags(common | {"history": tmp_path / "p"} | gentle))
    assert pruned.code == 0, pruned.err
    tuned = {"sparse_model": sparse, "method": "nft", "finetuned_model": tmp_path / "f", "history": tmp_path / "h"}
    measured_on = {name: path for name, path in common.items() if name != "dense_model"}
    ended = program("finetune", *_flags(measured_on | tuned))
    assert ended.code == 0, ended.err
    [epoch] = json.loads((tmp_path / "h/history.json").read_text())["epochs"]
    assert epoch["train_accuracy"] == pytest.approx(
        json.loads((baseline / "baseline.json").read_text())["train"]["accuracy"], abs=0.02
    )
    assert epoch["train_accuracy"] > 0.2
    specs = [json.loads((folder / "model.json").read_text())["spec"] for folder in (dense, sparse, tmp_path / "f")]
    assert specs[0] == specs[1] == specs[2]


def test_a_part_of_the_classes_is_measured_as_that_part(
    program: Program, prepare: Prepare, workspace: Path, tmp_path: Path
) -> None:
    """Groups are digits: dropping all but three leaves their accuracies what they were."""
    dense, whole = (
        workspace / "steps/acquire_dense/dense_model",
        workspace / "steps/measure_baseline/baseline/baseline.json",
    )
    kept = ["7", "3", "5"]
    ended = measured(program, dense, _part_of(kept, tmp_path, prepare), tmp_path)
    assert ended.code == 0, ended.err
    groups = json.loads((tmp_path / "baseline/baseline.json").read_text())["test"]["group_accuracy"]
    expected = json.loads(whole.read_text())["test"]["group_accuracy"]
    assert groups == {name: expected[name] for name in sorted(kept)}


def _part_of(kept: list[str], tmp_path: Path, prepare: Prepare) -> Path:
    """Prepare a table of some of the digits, which knows no others."""
    from PIL import Image
    from sklearn.datasets import load_digits

    digits: Any = load_digits()
    lines = ["image,label"]
    for row, label in enumerate(digits["target"]):
        if str(label) in kept:
            pixels = (digits["images"][row] * (255 / 16)).round().astype("uint8")
            Image.fromarray(pixels).save(tmp_path / f"{row}.png")
            lines.append(f"{row}.png,{label}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    return prepare(source="table", location=tmp_path / "table.csv", class_names=kept)


def test_data_a_model_cannot_know_are_refused_by_name(
    program: Program, prepare: Prepare, workspace: Path, tmp_path: Path
) -> None:
    dense = workspace / "steps/acquire_dense/dense_model"
    larger = measured(program, dense, prepare(image_size=16), tmp_path)
    assert larger.code == 1
    assert larger.error_lines == [
        "model small_cnn takes 1x8x8 images (channels x height x width), the data set's are 1x16x16; give the model "
        "and data set of the same run"
    ]
    named = prepare(class_names=[*DIGITS, "ten", "eleven"])
    [line] = measured(program, dense, named, tmp_path).error_lines
    assert line.startswith("the data set's classes 'ten', 'eleven' are not known to the model; it knows '0', '1', '2'")
    assert half_written(tmp_path) == []
    raw = json.loads((dense / "model.json").read_text())
    for field in ("class_names", "channel_mean", "channel_std", "image_width"):
        del raw["spec"][field]
    (dense / "model.json").write_text(json.dumps(raw))
    _reseal(dense)
    [line] = measured(program, dense, prepare(), tmp_path).error_lines
    assert line.startswith("model small_cnn was stored without the names of its classes and its normalisation")


def _reseal(artifact: Path) -> None:
    from prunegap.artifacts.manifest import sha256_of

    manifest = json.loads((artifact / "manifest.json").read_text())
    manifest["files"]["model.json"] = sha256_of(artifact / "model.json")
    (artifact / "manifest.json").write_text(json.dumps(manifest))
