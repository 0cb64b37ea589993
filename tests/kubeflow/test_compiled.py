"""Truth: the compiled file itself, walked as the backend reads it, and kfp's own message definition."""

import json
import subprocess
import sys

import pytest
from google.protobuf import json_format
from messages import messages
from prunegap_pipelines.resources import Resources, read_resources
from walk import DIGEST, ROOT, compiled, executors, graphs, tasks

from prunegap.cli.experiment_file import read_experiment
from prunegap.errors import UserError
from prunegap.pipeline import STAGES
from prunegap.stages.finetune import finetune

EXPERIMENTS = sorted(path.name for path in (ROOT / "experiments").glob("*.yaml"))


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return compiled("digits.yaml", tmp_path_factory.mktemp("digits"), overrides=("dense_seeds=shared",))


@pytest.fixture(scope="module")
def smoke_on_gpus(tmp_path_factory):
    return compiled("smoke.yaml", tmp_path_factory.mktemp("smoke"), "gpu")


def outputs_of(spec, inner, source):
    """Return the outputs of the task that something comes from."""
    return spec["components"][inner[source["producerTask"]]["componentRef"]["name"]]["outputDefinitions"]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_input_that_a_task_refers_to_is_declared_by_its_graph(experiment, tmp_path):
    spec, _ = compiled(experiment, tmp_path)
    json_format.Parse(json.dumps(spec), messages.PipelineSpec())
    for graph, declared, inner in graphs(spec):
        for name, task in inner.items():
            inputs = task.get("inputs", {})
            component = spec["components"][task["componentRef"]["name"]].get("inputDefinitions", {})
            given = {*inputs.get("parameters", {}), task.get("parameterIterator", {}).get("itemInput")}
            asked = {key for key, one in component.get("parameters", {}).items() if not one.get("isOptional")}
            assert asked <= given, f"{graph}/{name}: {asked - given}"
            for parameter, source in inputs.get("parameters", {}).items():
                where = f"{graph}/{name}.{parameter}"
                if "componentInputParameter" in source:
                    assert source["componentInputParameter"] in declared["parameters"], where
                if "task_output" in str(source) or "taskOutputParameter" in source:
                    made = source["taskOutputParameter"]
                    assert made["outputParameterKey"] in outputs_of(spec, inner, made)["parameters"], where
                # What a text embeds is handed over beside it under the channel's own name.
                if not parameter.startswith("pipelinechannel--"):
                    assert parameter in component["parameters"], where
            for artifact, source in inputs.get("artifacts", {}).items():
                where = f"{graph}/{name}.{artifact}"
                assert artifact in component["artifacts"], where
                if "componentInputArtifact" in source:
                    assert source["componentInputArtifact"] in declared["artifacts"], where
                else:
                    made = source["taskOutputArtifact"]
                    assert made["outputArtifactKey"] in outputs_of(spec, inner, made)["artifacts"], where


def test_the_inputs_of_the_pipeline_are_the_parameters_of_the_experiment(digits):
    spec, _ = digits
    inputs = spec["root"]["inputDefinitions"]["parameters"]
    experiment = read_experiment(ROOT / "experiments/digits.yaml")
    varied = {"prune_sparsity", "prune_seed", "evaluate_tolerance"}
    varied |= {"finetune_method", "finetune_label", "finetune_tolerance"}
    everything = {f"{stage.name}_{name}" for stage in STAGES for name in stage.params_type.model_fields}
    assert set(inputs) == everything - varied | {"cells"}
    cells = inputs["cells"]["defaultValue"]
    assert len(cells) == len(experiment.seeds) * len(experiment.methods)
    assert cells[:3] == [
        {"seed": 0, "sparsity": 0.995, "tolerance": 0.01, "method": "nft"},
        {"seed": 0, "sparsity": 0.995, "tolerance": 0.01, "method": "el_rb", "dual_step_size": 0.01},
        {"seed": 0, "sparsity": 0.995, "tolerance": 0.01, "method": "ceag", "dual_step_size": 0.1},
    ]
    assert inputs["compare_title"]["defaultValue"] == "digits"
    assert all(one["description"] for one in inputs.values())


def test_a_parameter_of_the_pipeline_reaches_the_tasks_that_have_it(digits):
    spec, _ = digits
    sources = {name: task.get("inputs", {}).get("parameters", {}) for name, task in tasks(spec)}
    part, cell = "pipelinechannel--plan-cells-Output-loop-item", "pipelinechannel--each-item-Output-loop-item"

    def of(item, key):
        return {"componentInputParameter": item, "parameterExpressionSelector": f'parseJson(string_value)["{key}"]'}

    assert sources["prune"]["momentum"] == {"componentInputParameter": "pipelinechannel--prune_momentum"}
    for key, name in (("seed", "seed"), ("sparsity", "sparsity"), ("step", "prune_step"), ("tags", "tags")):
        assert sources["prune"][key] == of(part, name)
    for key in finetune.params_type.model_fields:
        assert sources["finetune"][key] == of(cell, key)
    assert sources["finetune"]["made_from"] == of(cell, "made_from")
    assert sources["evaluate"]["tolerance"] == of(cell, "tolerance")
    plan = sources["plan-cells"]
    assert plan["cells"] == {"componentInputParameter": "pipelinechannel--cells"}
    assert plan["dual_step_size"] == {"componentInputParameter": "pipelinechannel--finetune_dual_step_size"}
    assert plan["initial_sparsity"] == {"componentInputParameter": "pipelinechannel--prune_initial_sparsity"}


def test_what_can_be_shared_is_one_task_and_everything_is_compared_once(digits):
    spec, _ = digits
    names = [name for name, _ in tasks(spec)]
    counts = {stage.name: sum(name.startswith(stage.name.replace("_", "-")) for name in names) for stage in STAGES}
    assert counts == {
        "prepare_data": 1,
        "acquire_dense": 1,
        "measure_baseline": 1,
        "prune": 1,
        "finetune": 1,
        "evaluate": 1,
        "gate": 1,
        "compare": 1,
    }
    compare = dict(tasks(spec))["compare"]["inputs"]["artifacts"]
    assert sorted(compare) == ["evaluations", "histories", "verdict"]


def test_the_run_in_mlflow_is_opened_before_the_first_stage(digits):
    spec, _ = digits
    waits = {name: task.get("dependentTasks", []) for name, task in tasks(spec)}
    assert waits["prepare-data"] == ["look-at-prepare-data", "plan-cells"], (
        "a list of cells that is refused costs nothing"
    )
    assert waits["plan-cells"] == ["open-run"]
    assert waits["open-run"] == []
    assert executors(spec)["exec-open-run"]["args"] == ["open-run"]


def test_a_dense_model_a_seed_belongs_into_the_loop(tmp_path):
    spec, _ = compiled("digits.yaml", tmp_path, overrides=("dense_seeds=per_seed",))
    loops = [set(inner) for name, _, inner in graphs(spec) if name.startswith("comp-for-loop")]
    dense, pruned, tuned = {"acquire-dense", "measure-baseline"}, {"prune"}, {"finetune", "evaluate"}
    assert [[these <= loop for loop in loops] for these in (dense, pruned, tuned)] == [
        [True, False, False],
        [False, True, False],
        [False, False, True],
    ]


def test_tasks_are_cached_retried_and_stopped_in_time(digits):
    spec, platform = digits
    for name, task in tasks(spec):
        if name in {"open-run", "plan-cells", "compare", "close-run"} or name.startswith("look-at"):
            assert not task["cachingOptions"], "every run is opened, compared and closed, and its code looked at"
        else:
            assert task["cachingOptions"] == {"enableCache": True}, name
        if name == "close-run":
            assert task["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"
        assert (task["retryPolicy"]["maxRetryCount"], task["retryPolicy"]["backoffFactor"]) == (2, 2.0), name
    for label, settings in platform.items():
        assert settings["activeDeadlineSeconds"] == "43200", label


def test_every_container_has_the_pinned_image_no_literal_secret_and_limits(smoke_on_gpus):
    spec, platform = smoke_on_gpus
    for label, container in executors(spec).items():
        assert container["image"] == DIGEST, label
        env = {one["name"]: one["value"] for one in container["env"]}
        assert env.pop("MLFLOW_EXPERIMENT_NAME") == "smoke", label
        assert env in ({}, {"PRUNEGAP_CHECKPOINT_DIR": "/checkpoints"}), label
        settings = platform[label]
        keys = {pair["envVar"] for secret in settings["secretAsEnv"] for pair in secret["keyToEnv"]}
        assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= keys, label
        (run_id,) = settings["fieldPathAsEnv"]
        assert run_id == {"name": "KFP_RUN_ID", "fieldPath": "metadata.labels['pipeline/runid']"}
        assert settings["securityContext"]["runAsNonRoot"], label
        amounts = container["resources"]
        for kind in ("Cpu", "Memory"):
            assert amounts[f"resource{kind}Request"] == amounts[f"resource{kind}Limit"], label


def test_stages_that_run_a_network_get_the_gpu_the_others_do_not(smoke_on_gpus):
    spec, platform = smoke_on_gpus
    for label, container in executors(spec).items():
        heavy = label.split("-")[1] in {"acquire", "measure", "prune", "finetune", "evaluate"}
        accelerator = container.get("resources", {}).get("accelerator")
        assert (accelerator is not None) == heavy, label
        settings = platform[label]
        assert ("tolerations" in settings) == heavy, label
        memory = [mount for mount in settings.get("emptyDirMounts", []) if mount["mountPath"] == "/dev/shm"]
        assert [(one["medium"], one["sizeLimit"]) for one in memory] == ([("Memory", "8Gi")] if heavy else []), label
        claims = {one["constant"]: one["mountPath"] for one in settings.get("pvcMount", [])}
        # Mounted only where read: a claim more may keep a pod from its node.
        stage = "-".join(label.split("-")[1:])
        reads = (
            {"prunegap-data": "/data"}
            if stage.removeprefix("look-at-").startswith(("prepare-data", "acquire-dense"))
            else {}
        )
        keeps = stage.startswith(("acquire-dense", "prune", "finetune"))
        assert claims == reads | ({"prunegap-checkpoints": "/checkpoints"} if keeps else {}), label
        assert [one["secretName"] for one in settings["imagePullSecret"]] == ["prunegap-registry"], label
        if heavy:
            assert (accelerator["resourceCount"], accelerator["resourceType"]) == ("1", "nvidia.com/gpu")


def test_claims_that_one_node_can_mount_keep_their_tasks_on_it(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("claims_node: node-7\ntolerations: [{key: dedicated}]\n")
    spec, platform = compiled("smoke.yaml", tmp_path, str(mine))
    bound = {label for label, settings in platform.items() if settings.get("pvcMount")}
    assert bound
    for label in executors(spec):
        node = platform[label].get("nodeSelector", {}).get("labels")
        assert node == ({"kubernetes.io/hostname": "node-7"} if label in bound else None), label
        assert ("tolerations" in platform[label]) == (label in bound), label


def test_a_resource_file_changes_what_it_names_and_is_checked(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("memory: 32Gi\naccelerator: amd.com/gpu\ndata_claim: ''\n")
    assert read_resources(str(path)) == Resources(memory="32Gi", accelerator="amd.com/gpu", data_claim="")
    path.write_text("memmory: 32Gi\nretries: -1\n")
    with pytest.raises(UserError) as refused:
        read_resources(str(path))
    assert sorted(str(refused.value).splitlines()) == [
        f"{path}: memmory: unknown key; did you mean 'memory'?",
        f"{path}: retries: must be >= 0, got -1",
    ]
    with pytest.raises(UserError, match=r"resources gpus: neither a profile; did you mean 'gpu'\? nor a YAML file"):
        read_resources("gpus")


def test_the_number_of_pruned_models_at_a_time_can_be_limited(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("prunings_at_a_time: 2\n")
    spec, _ = compiled("digits.yaml", tmp_path, str(mine))
    policies = [
        task["iteratorPolicy"] for _, _, inner in graphs(spec) for task in inner.values() if "iteratorPolicy" in task
    ]
    assert policies == [{"parallelismLimit": 2}]


def test_one_shape_holds_any_number_of_cells(tmp_path):
    one = compiled("smoke.yaml", tmp_path, overrides=("seeds=[0]", "methods=[nft]"))
    many = compiled("smoke.yaml", tmp_path, overrides=("seeds=[0,1,2]", "sparsities=[0.5,0.9]", "methods=[nft,ceag]"))
    for spec, _ in (one, many):
        assert spec["root"]["inputDefinitions"]["parameters"].pop("cells")["defaultValue"]
    assert one == many


def test_the_largest_experiment_stays_a_workflow_that_argo_and_etcd_take():
    """Argo's limit is 1 MiB, etcd's 1.5 MiB: a submitted workflow stays under a third of the one, its end under half
    of the other."""
    script, experiment = ROOT / "benchmarks/workflow_size.py", ROOT / "experiments/paper_cifar100.yaml"
    ended = subprocess.run([sys.executable, script, experiment], capture_output=True, text=True, check=True)
    sizes = {line[:50].strip(): float(line.split()[-2]) for line in ended.stdout.splitlines()}
    assert sizes["Workflow when submitted"] < 340
    assert sizes["Workflow at the end, with the status compressed"] < 768
