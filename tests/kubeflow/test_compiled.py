"""Truth: the compiled file itself, walked as the backend reads it, and kfp's own message definition."""

import json

import pytest
from google.protobuf import json_format
from messages import messages
from prunegap_pipelines.build import build_pipeline
from prunegap_pipelines.resources import PROFILES, Resources, read_resources
from walk import DIGEST, ROOT, compiled, executors, graphs, tasks

from prunegap.cli.experiment_file import read_experiment
from prunegap.errors import UserError
from prunegap.pipeline import STAGES

EXPERIMENTS = sorted(path.name for path in (ROOT / "experiments").glob("*.yaml"))


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return compiled("digits.yaml", tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def smoke_on_gpus(tmp_path_factory):
    return compiled("smoke.yaml", tmp_path_factory.mktemp("smoke"), "gpu")


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_input_that_a_task_refers_to_is_declared_by_its_graph(experiment, tmp_path):
    spec, _ = compiled(experiment, tmp_path)
    json_format.Parse(json.dumps(spec), messages.PipelineSpec())
    for graph, declared, inner in graphs(spec):
        for name, task in inner.items():
            inputs = task.get("inputs", {})
            component = spec["components"][task["componentRef"]["name"]].get("inputDefinitions", {})
            for parameter, source in inputs.get("parameters", {}).items():
                where = f"{graph}/{name}.{parameter}"
                if "componentInputParameter" in source:
                    assert source["componentInputParameter"] in declared["parameters"], where
                if "task_output" in str(source) or "taskOutputParameter" in source:
                    assert source["taskOutputParameter"]["producerTask"] in inner, where
                # What a text embeds is handed over beside it under the channel's own name.
                if not parameter.startswith("pipelinechannel--"):
                    assert parameter in component["parameters"], where
            for artifact, source in inputs.get("artifacts", {}).items():
                where = f"{graph}/{name}.{artifact}"
                assert artifact in component["artifacts"], where
                if "componentInputArtifact" in source:
                    assert source["componentInputArtifact"] in declared["artifacts"], where
                else:
                    assert source["taskOutputArtifact"]["producerTask"] in inner, where


def test_the_inputs_of_the_pipeline_are_the_parameters_of_the_experiment(digits):
    spec, _ = digits
    inputs = spec["root"]["inputDefinitions"]["parameters"]
    experiment = read_experiment(ROOT / "experiments/digits.yaml")
    varied = {"prune_sparsity", "prune_seed", "evaluate_tolerance", "finetune_method", "finetune_label"}
    everything = {f"{stage.name}_{name}" for stage in STAGES for name in stage.params_type.model_fields}
    own = {"ceag_dual_step_size", "el_rb_dual_step_size"}
    assert set(inputs) == everything - varied | own | {"seeds"}
    assert inputs["seeds"]["defaultValue"] == [0, 1, 2]
    assert inputs["ceag_dual_step_size"]["defaultValue"] == experiment.methods[3].dual_step_size
    assert inputs["finetune_tolerance"]["defaultValue"] == 0.025
    assert inputs["compare_title"]["defaultValue"] == "digits"
    assert all(one["description"] for one in inputs.values())


def test_a_parameter_of_the_pipeline_reaches_the_tasks_that_have_it(digits):
    spec, _ = digits
    sources = {name: task.get("inputs", {}).get("parameters", {}) for name, task in tasks(spec)}
    for name, given in sources.items():
        if name.startswith(("finetune", "evaluate")):
            assert given["tolerance"] == {"componentInputParameter": "pipelinechannel--finetune_tolerance"}, name
    steps = [
        given["dual_step_size"]["componentInputParameter"]
        for name, given in sources.items()
        if name.startswith("finetune")
    ]
    shared = "pipelinechannel--finetune_dual_step_size"
    own = {"pipelinechannel--el_rb_dual_step_size", "pipelinechannel--ceag_dual_step_size"}
    assert (steps.count(shared), set(steps) - {shared}) == (2, own)
    assert sources["prune"]["seed"] == {"componentInputParameter": "pipelinechannel--seeds-loop-item"}
    assert sources["prune"]["sparsity"] == {"runtimeValue": {"constant": 0.995}}


def test_what_can_be_shared_is_one_task_and_everything_is_compared_once(digits):
    spec, _ = digits
    names = [name for name, _ in tasks(spec)]
    counts = {stage.name: sum(name.startswith(stage.name.replace("_", "-")) for name in names) for stage in STAGES}
    assert counts == {
        "prepare_data": 1,
        "acquire_dense": 1,
        "measure_baseline": 1,
        "prune": 1,
        "finetune": 4,
        "evaluate": 4,
        "compare": 1,
    }
    compare = dict(tasks(spec))["compare"]["inputs"]["artifacts"]
    assert sorted(compare) == [f"{port}_{i}" for port in ("evaluations", "histories") for i in range(4)]


def test_the_run_in_mlflow_is_opened_before_the_first_stage(digits):
    spec, _ = digits
    waits = {name: task.get("dependentTasks", []) for name, task in tasks(spec)}
    assert waits["prepare-data"] == ["open-run"]
    assert waits["open-run"] == []
    assert executors(spec)["exec-open-run"]["args"] == ["open-run"]


def test_a_dense_model_a_seed_belongs_into_the_loop(tmp_path):
    spec, _ = compiled("digits.yaml", tmp_path, overrides=("dense_seeds=per_seed",))
    inside = next(inner for name, _, inner in graphs(spec) if name.startswith("comp-for-loop"))
    assert {"acquire-dense", "measure-baseline", "prune"} <= set(inside)


def test_tasks_are_cached_retried_and_stopped_in_time(digits):
    spec, platform = digits
    for name, task in tasks(spec):
        if name in {"open-run", "close-run"}:
            assert not task["cachingOptions"], "every run is opened and closed"
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
        assert claims["prunegap-data"] == "/data"
        assert ("prunegap-checkpoints" in claims) == heavy
        if heavy:
            assert (accelerator["resourceCount"], accelerator["resourceType"]) == ("1", "nvidia.com/gpu")


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


def test_the_number_of_seeds_at_a_time_can_be_limited(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("seeds_at_a_time: 2\n")
    spec, _ = compiled("digits.yaml", tmp_path, str(mine))
    policies = [
        task["iteratorPolicy"] for _, _, inner in graphs(spec) for task in inner.values() if "iteratorPolicy" in task
    ]
    assert policies == [{"parallelismLimit": 2}]


def test_a_pipeline_has_an_input_for_every_parameter_of_its_own_of_every_method(tmp_path):
    methods = "methods=[nft,{method: ceag, label: CEAG-1, buffer_size: 3},{method: ceag, label: 2nd, buffer_size: 4}]"
    experiment = read_experiment(ROOT / "experiments/smoke.yaml", [methods])
    pipeline = build_pipeline(experiment, DIGEST, PROFILES["cpu"])
    assert {"ceag_1_buffer_size", "method_2nd_buffer_size"} <= set(pipeline.component_spec.inputs or {})


def test_two_inputs_of_one_name_are_never_one():
    """Past the experiment's own check, which refuses this."""
    experiment = read_experiment(ROOT / "experiments/smoke.yaml", ["methods=[{method: ceag, buffer_size: 3}]"])
    twice = experiment.model_copy(update={"methods": experiment.methods * 2})
    with pytest.raises(ValueError, match="two inputs 'ceag_buffer_size'"):
        build_pipeline(twice, DIGEST, PROFILES["cpu"])
