"""One run for one thing, however many processes start it at the same moment.

Processes that begin together may each find no run and each create one. Which one stays is settled by a parameter
of the run, because MLflow keeps the first value of a parameter and refuses another: a run is used only once its
claim holds what it is for, and whoever sees several withdraws the younger ones before claiming the oldest. Of two
runs, the one stored second is seen together with the first by everybody who sees it at all, so that whatever order
requests arrive in, two are never both claimed; and nobody waits for a process that may be dead.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

WITHDRAWN = "withdrawn, another run was first"
ROUNDS = 50


def sole_run(
    client: "MlflowClient", experiment_id: str, identity: Mapping[str, str], claim: str, create: Callable[[], object]
) -> "Run":
    """Return the one run with these tags; it is found, or created by one of the processes that ask for it.

    Args:
        client: client of the tracking address.
        experiment_id: where the run is or will be.
        identity: the tags that tell the run from all others.
        claim: the tag of ``identity`` that is also set as a parameter, the run's claim.
        create: creates a run with these tags.

    Raises:
        TimeoutError: other processes went on creating and withdrawing.
        Exception: whatever MLflow raises when it is down.
    """
    for _ in range(ROUNDS):
        runs = find_runs(client, experiment_id, identity)
        if not runs:
            create()
            runs = find_runs(client, experiment_id, identity)
        chosen = _settle(client, runs, claim, identity[claim])
        if chosen is not None:
            return chosen
    raise TimeoutError(f"no run of '{identity[claim]}' could be settled on: other processes went on creating them")


def find_runs(client: "MlflowClient", experiment_id: str, tags: Mapping[str, str]) -> list["Run"]:
    """Return at most 100 runs that have all these tags and were not deleted, the oldest first."""
    conditions = " and ".join(f"tags.`{key}` = {_quoted(value)}" for key, value in tags.items())
    runs = client.search_runs([experiment_id], conditions, max_results=100)
    return sorted(runs, key=lambda run: (run.info.start_time, run.info.run_id))


def find_run(client: "MlflowClient", experiment_id: str, tags: Mapping[str, str]) -> "Run | None":
    """Return the oldest run that has all these tags and was not deleted, or None."""
    return next(iter(find_runs(client, experiment_id, tags)), None)


def _settle(client: "MlflowClient", runs: Sequence["Run"], claim: str, value: str) -> "Run | None":
    """Return the run all agree on; None if another process decided otherwise, or nothing is left."""
    live = [run for run in runs if run.data.params.get(claim) != WITHDRAWN]
    claimed = [run for run in live if run.data.params.get(claim) == value]
    chosen = next(iter(claimed or live), None)
    for rival in runs:
        if rival is chosen:
            continue
        if _set(client, rival, claim, WITHDRAWN):
            client.delete_run(rival.info.run_id)
        elif not claimed:
            return None
    return chosen if chosen and (claimed or _set(client, chosen, claim, value)) else None


def _set(client: "MlflowClient", run: "Run", claim: str, value: str) -> bool:
    """Set the claim; False if it already has another value, or the run was deleted."""
    from mlflow.exceptions import MlflowException

    try:
        client.log_param(run.info.run_id, claim, value)
    except MlflowException as error:
        if error.error_code != "INVALID_PARAMETER_VALUE":
            raise
        return False
    return True


def _quoted(value: str) -> str:
    return f'"{value}"' if "'" in value else f"'{value}'"
