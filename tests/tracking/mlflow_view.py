"""What MLflow's own API says about one experiment."""

import tempfile
from pathlib import Path

from prunegap.tracking.mlflow_client import connect


class View:
    """The runs, models and files of an experiment."""

    def __init__(self, uri: str, experiment: str) -> None:
        self.client = connect(uri)
        found = self.client.get_experiment_by_name(experiment)
        assert found is not None
        self.experiment_id = found.experiment_id

    def runs(self):
        return self.client.search_runs([self.experiment_id])

    def parent(self):
        (run,) = [run for run in self.runs() if run.data.tags.get("prunegap.stage") == "pipeline"]
        return run

    def step(self, name: str):
        (run,) = [run for run in self.runs() if run.data.tags.get("prunegap.step") == name]
        return run

    def models(self):
        return self.client.search_logged_models([self.experiment_id])

    def text(self, run, name: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            return Path(self.client.download_artifacts(run.info.run_id, name, folder)).read_text()
