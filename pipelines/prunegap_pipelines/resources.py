"""What a task gets from the cluster: cores, memory, a GPU, volumes, keys, time and tries."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from kfp import dsl, kubernetes
from kfp.dsl import PipelineTask
from prunegap_components.component import artifact_type
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from prunegap.artifacts.elsewhere import PACKED_DIR, VERIFY_PACKED
from prunegap.cli.explain import explain, yaml_key
from prunegap.errors import UserError, did_you_mean
from prunegap.stages.checkpoint_place import CHECKPOINT_DIR
from prunegap.stages.contract import Stage
from prunegap.tracking.environment import EXPERIMENT_VARIABLE, KUBEFLOW_RUN_VARIABLE
from prunegap.training.checkpoints import Checkpoint

DATA, CHECKPOINTS, SHARED_MEMORY = "/data", "/checkpoints", "/dev/shm"  # noqa: S108 - inside the container
S3_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
HOSTNAME = "kubernetes.io/hostname"
MLFLOW_KEYS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
TRACKING_KEYS = ("MLFLOW_TRACKING_URI", "AWS_ENDPOINT_URL_S3")


class Toleration(BaseModel):
    """A taint that a task's pod puts up with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    operator: Literal["Equal", "Exists"] = "Exists"
    value: str = ""
    effect: Literal["NoExecute", "NoSchedule", "PreferNoSchedule"] = "NoSchedule"


class Resources(BaseModel):
    """What a task gets. Limits hold for stages that run a network; the others get ``light_cpu``, ``light_memory``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu: str = Field(default="2", description="Cores of a stage that runs a network.")
    memory: str = Field(default="4Gi", description="Memory of a stage that runs a network.")
    light_cpu: str = Field(default="1", description="Cores of the other stages.")
    light_memory: str = Field(default="2Gi", description="Memory of the other stages.")
    accelerator: str = Field(default="", description="Resource name of a GPU, e.g. nvidia.com/gpu; empty: none.")
    accelerators: int = Field(default=1, ge=1, description="GPUs a stage, if there is an accelerator: 1.")
    node_selector: Mapping[str, str] = Field(default={}, description="Labels a node must have.")
    tolerations: tuple[Toleration, ...] = Field(default=(), description="Taints a pod puts up with.")
    shared_memory: str = Field(default="1Gi", description="Size of /dev/shm, which PyTorch's workers need.")
    timeout_hours: float = Field(default=12.0, gt=0, description="Time after which a stage is stopped.")
    retries: int = Field(default=2, ge=0, description="Times a failed stage is tried again; it resumes.")
    backoff_seconds: int = Field(default=30, ge=0, description="Wait before the first retry; doubles each time.")
    prunings_at_a_time: int = Field(
        default=0,
        ge=0,
        description="Pruned models that are made and fine-tuned at once (with dense_seeds: per_seed, seeds); 0: as "
        "many as there is room for.",
    )
    data_claim: str = Field(default="prunegap-data", description="Claim mounted at /data; empty: none.")
    packed_folder: str = Field(
        default="",
        pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]*)?$",
        description="Folder on the data claim where packed data sets lie and every stage reads them; empty: they pass "
        "through the object store.",
    )
    verify_packed: bool = Field(
        default=False, description="Have every stage hash packed data on the claim; else only where they were touched."
    )
    checkpoint_claim: str = Field(default="prunegap-checkpoints", description="Claim for checkpoints; empty: none.")
    claims_node: str = Field(
        default="",
        description="Node (kubernetes.io/hostname) for every task that mounts a claim, where only one can; empty: any.",
    )
    tracking_config_map: str = Field(default="prunegap-tracking", description="Config map with MLFLOW_TRACKING_URI.")
    s3_secret: str = Field(default="prunegap-data-s3", description="Secret with the keys of data at s3:// addresses.")
    mlflow_secret: str = Field(default="prunegap-mlflow", description="Secret with MLflow's user and password.")
    pull_secret: str = Field(default="prunegap-registry", description="Secret for the images' registry; empty: none.")

    @field_validator("packed_folder")
    @classmethod
    def _is_on_a_claim(cls, folder: str, given: ValidationInfo) -> str:
        if folder and not given.data.get("data_claim"):
            raise ValueError("needs a data_claim, the volume on which it lies")
        return folder

    @field_validator("accelerators")
    @classmethod
    def _all_are_used(cls, count: int) -> int:
        if count > 1:
            raise ValueError(
                f"a stage uses one GPU and would leave the others idle, got {count}; ask for 1, and run stages side by "
                "side on the others"
            )
        return count


PROFILES = {
    "cpu": Resources(),
    "gpu": Resources(
        cpu="4",
        memory="16Gi",
        accelerator="nvidia.com/gpu",
        tolerations=(Toleration(key="nvidia.com/gpu"),),
        shared_memory="8Gi",
    ),
}


def read_resources(name: str) -> Resources:
    """Return a profile by name, or from a YAML file with any of its fields.

    Raises:
        UserError: neither a profile nor a file, or a field that breaks a rule.
    """
    if name in PROFILES:
        return PROFILES[name]
    path = Path(name)
    if not path.is_file():
        raise UserError(f"resources {name}: neither a profile{did_you_mean(name, PROFILES)} nor a YAML file")
    try:
        return Resources.model_validate(yaml.safe_load(path.read_text()) or {})
    except ValidationError as error:
        lines = explain(error, Resources, yaml_key)
        raise UserError("\n".join(f"{path}: {line}" for line in lines)) from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None


def runs_network(stage: Stage[..., Any]) -> bool:
    """Whether a stage trains or evaluates a model: it reads or writes one."""
    return any(artifact_type(port) is dsl.Model for port in (*stage.inputs, *stage.outputs))


def keeps_checkpoint(stage: Stage[..., Any]) -> bool:
    """Whether a stage goes on from a checkpoint."""
    return Checkpoint in stage.handed.values()


def packed_on_claim(stage: Stage[..., Any], resources: Resources) -> bool:
    """Whether a stage writes or reads a data set that lies on the data claim."""
    return bool(resources.packed_folder) and any(port.artifact.bulk for port in (*stage.inputs, *stage.outputs))


def keep_packed(task: PipelineTask, resources: Resources) -> None:
    """Tell a task where on the data claim packed data sets lie."""
    task.set_env_variable(PACKED_DIR, f"{DATA}/{resources.packed_folder}")
    if resources.verify_packed:
        task.set_env_variable(VERIFY_PACKED, "1")


def equip(
    task: PipelineTask,
    resources: Resources,
    experiment: str,
    *,
    heavy: bool,
    data: bool = False,
    checkpoint: bool = False,
) -> None:
    """Give a task what it needs on the cluster; ``heavy`` tasks run a network.

    Args:
        task: what to equip.
        resources: what there is.
        experiment: name of the MLflow experiment.
        heavy: whether it runs a network.
        data: whether it reads what lies at ``/data``.
        checkpoint: whether it keeps a checkpoint.
    """
    cpu = resources.cpu if heavy else resources.light_cpu
    memory = resources.memory if heavy else resources.light_memory
    task.set_cpu_request(cpu).set_cpu_limit(cpu).set_memory_request(memory).set_memory_limit(memory)
    if heavy and resources.accelerator:
        task.set_accelerator_type(resources.accelerator).set_accelerator_limit(resources.accelerators)
        for key, value in resources.node_selector.items():
            kubernetes.add_node_selector(task, key, value)
        _tolerate(task, resources)
    if heavy:
        kubernetes.empty_dir_mount(task, "shm", SHARED_MEMORY, "Memory", resources.shared_memory)
    if _mount(task, resources, data=data, checkpoint=checkpoint) and resources.claims_node:
        kubernetes.add_node_selector(task, HOSTNAME, resources.claims_node)
        if not (heavy and resources.accelerator):
            _tolerate(task, resources)
    connect(task, resources, experiment)
    if resources.retries:
        task.set_retry(resources.retries, f"{resources.backoff_seconds}s", 2.0, "3600s")
    kubernetes.set_timeout(task, round(resources.timeout_hours * 3600))


def connect(task: PipelineTask, resources: Resources, experiment: str) -> None:
    """Tell a task where MLflow and the object store are, and which experiment and pipeline run it belongs to."""
    task.set_env_variable(EXPERIMENT_VARIABLE, experiment)
    kubernetes.use_field_path_as_env(task, KUBEFLOW_RUN_VARIABLE, "metadata.labels['pipeline/runid']")
    if resources.tracking_config_map:
        keys = {key: key for key in TRACKING_KEYS}
        kubernetes.use_config_map_as_env(task, resources.tracking_config_map, keys, optional=True)
    for secret, names in ((resources.s3_secret, S3_KEYS), (resources.mlflow_secret, MLFLOW_KEYS)):
        if secret:
            kubernetes.use_secret_as_env(task, secret, {name: name for name in names}, optional=True)
    if resources.pull_secret:
        kubernetes.set_image_pull_secrets(task, [resources.pull_secret])
    kubernetes.set_security_context(task, run_as_user=10001, run_as_group=10001, run_as_non_root=True)


def _mount(task: PipelineTask, resources: Resources, *, data: bool, checkpoint: bool) -> bool:
    """Mount the claims that a task reads or writes, and no other: one more may keep a pod from its node."""
    reads, keeps = data and bool(resources.data_claim), checkpoint and bool(resources.checkpoint_claim)
    if reads:
        kubernetes.mount_pvc(task, resources.data_claim, DATA)
    if keeps:
        kubernetes.mount_pvc(task, resources.checkpoint_claim, CHECKPOINTS)
        task.set_env_variable(CHECKPOINT_DIR, CHECKPOINTS)
    return reads or keeps


def _tolerate(task: PipelineTask, resources: Resources) -> None:
    for one in resources.tolerations:
        kubernetes.add_toleration(task, one.key, one.operator, one.value or None, one.effect)
