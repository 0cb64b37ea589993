"""How a pipeline run ended, by what its exit handler is told: a word, or the JSON of ``PipelineTaskFinalStatus``.

Kubeflow's backend passes MLMD's state of the group of tasks (``producer.GetExecution().GetLastKnownState()`` in
``backend/src/v2/driver/resolve.go`` of kubeflow/pipelines 2.17.0, with an empty error); the message's own definition
and kfp.local have other words, the API and MLflow others again. All are taken, for a handler that fails fails the run.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prunegap.tracking.mlflow_runs import STAGE_TAG
from prunegap.tracking.tracked_step import FAILED, FINISHED, KILLED

if TYPE_CHECKING:
    from mlflow.entities import Run

UNDECIDED = ""
LAST_STAGE = "compare"
STATUSES = {
    FINISHED: "FINISHED COMPLETE COMPLETED CACHED SUCCEEDED SUCCESS SKIPPED",
    FAILED: "FAILED FAILURE ERROR",
    KILLED: "KILLED CANCELED CANCELLED CANCELING CANCELLING CANCEL_PENDING",
    # A task whose node was lost is left in the state it had: these do not tell how it ended.
    UNDECIDED: "UNKNOWN NEW RUNNING PENDING RUNNING_DRIVER DRIVER_SUCCEEDED RUNNING_EXECUTOR QUEUED SCHEDULED PAUSED "
    "NOT_TRIGGERED UNSCHEDULABLE TASK_STATE_UNSPECIFIED RUNTIME_STATE_UNSPECIFIED",
}
"""Words by MLflow's status."""


@dataclass(frozen=True)
class FinalStatus:
    """How a pipeline run ended.

    Attributes:
        status: MLflow's; ``UNDECIDED`` where what was told does not say it: :func:`by_last_stage` decides.
        error: the error's message, if there is one.
        remark: what a person should know about what was told; empty where it was plain.
    """

    status: str
    error: str = ""
    remark: str = ""

    @classmethod
    def parse(cls, text: str) -> "FinalStatus":
        """Read a word, or the JSON of Kubeflow's ``PipelineTaskFinalStatus``; what is neither decides nothing."""
        told: Any = text
        if text.lstrip().startswith(("{", "[")):
            try:
                told = json.loads(text)
            except ValueError as error:
                return cls(UNDECIDED, remark=f"what was told is no JSON ({error})")
        if not isinstance(told, dict):
            status, remark = _status(told)
            return cls(status, remark=remark)
        status, remark = _status(told.get("state"))  # pyright: ignore[reportUnknownMemberType,reportUnknownArgumentType]
        return cls(status, _message(told), remark)  # pyright: ignore[reportUnknownArgumentType]


def by_last_stage(steps: "Sequence[Run]") -> tuple[str, str]:
    """Return MLflow's status of a run whose end nobody told, and why: the last stage is done, or it is not."""
    done = any(run.data.tags.get(STAGE_TAG) == LAST_STAGE and run.info.status == FINISHED for run in steps)
    return (FINISHED, f"{LAST_STAGE} is done") if done else (FAILED, f"{LAST_STAGE} is not done")


def _status(state: object) -> tuple[str, str]:
    word = " ".join(str(state or "").split())[:100]
    for status, words in STATUSES.items():
        if word.upper() in words.split():
            return status, "" if status else f"the state told, {word.upper()}, does not say how it ended"
    return UNDECIDED, f"the state told, '{word}', is not known here" if word else "no state was told"


def _message(told: dict[str, Any]) -> str:
    """Return the message of the error, a ``google.rpc.Status``; older versions had a field of its own."""
    error: Any = told.get("error") or {}
    nested = error.get("message") if isinstance(error, dict) else error  # pyright: ignore[reportUnknownMemberType]
    return str(nested or told.get("errorMessage") or told.get("error_message") or "")
