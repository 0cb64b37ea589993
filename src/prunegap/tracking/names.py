"""Names MLflow accepts, for groups, layers and parameters that are called anything."""

import json
import re
from collections.abc import Mapping

MAX_KEY = 250
_REFUSED = re.compile(r"[^/\w.\- ]")
_REFUSED_IN_MODELS = str.maketrans(dict.fromkeys("/:.%\"'", "_"))


def slug(name: str) -> str:
    """Return ``name`` with every character MLflow refuses replaced by ``_``; accepted names are unchanged."""
    parts = [part if part.strip(".") else "_" for part in _REFUSED.sub("_", name).split("/")]
    text = "/".join(parts)
    # MLflow takes a name for a path: it may not point upwards, and cutting may not leave half a step.
    text = f"_{text[1:]}" if text.startswith("..") else text
    if len(text) > MAX_KEY:
        text = f"{text[: MAX_KEY - 1]}_"
    return text


def step_tags(stage: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a step's run: its stage, and what sets the step apart (seed, sparsity, method)."""
    return {"prunegap.stage": stage} | {f"prunegap.{key}": value for key, value in tags.items()}


OF_STAGE = {
    "prepare_data": "data",
    "acquire_dense": "dense",
    "measure_baseline": "baseline",
    "prune": "pruned",
    "finetune": "",
    "evaluate": "evaluate",
    "compare": "comparison",
}
"""First word of a run's name by stage; fine-tuning is called by its method alone, as in tables and plots."""
SETTINGS = ("seed", "sparsity", "method", "label")
SHOWN = "method_or_label"


def run_name(step: str, tags: Mapping[str, str]) -> str:
    """Return what a person calls a step's run, ``ceag 99.5 % seed 0``: other settings, another name.

    Args:
        step: name of the step, which is taken where it has no settings.
        tags: of the step, see :func:`step_tags`.
    """
    stage, settings = tags.get("prunegap.stage", ""), settings_of(tags)
    if stage not in OF_STAGE or not (settings or step == stage):
        return step
    words = [OF_STAGE[stage], settings.get("label") or settings.get("method", "")]
    words += [f"{float(settings['sparsity']) * 100:.6g} %"] if "sparsity" in settings else []
    words += [f"seed {settings['seed']}"] if "seed" in settings else []
    return " ".join(filter(None, words)) or step


def model_name(run: str) -> str:
    """Return what a logged model of a run is called: MLflow refuses ``%`` and the decimal point there."""
    return run.replace(" %", " percent").replace(".", ",").translate(_REFUSED_IN_MODELS)


def settings_of(tags: Mapping[str, str]) -> dict[str, str]:
    """Return a step's seed, sparsity, method and label as far as it has them."""
    return {key: value for key in SETTINGS if (value := tags.get(f"prunegap.{key}"))}


def grouping_of(tags: Mapping[str, str]) -> dict[str, str]:
    """Return what MLflow's pages can group a step's run by: its settings, and the method's name in tables and plots."""
    settings = settings_of(tags)
    name = settings.get("label") or settings.get("method")
    return settings | ({SHOWN: name} if name else {})


class MetricNames:
    """Slugs of metric names in order of first appearance; two names never share one, whatever their case.

    A server's database may compare keys without regard to case, as MySQL does.

    Args:
        known: real name by slug, of a run that is taken up again: its names keep their slugs.

    Attributes:
        renamed: real name by slug, for every name whose slug differs.
    """

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        self._slugs = {name: key for key, name in (known or {}).items()}
        self._taken = {key.lower() for key in known or {}}
        self.renamed = {key: name for key, name in (known or {}).items() if key != name}

    def slug(self, name: str) -> str:
        """Return the slug of ``name``: the same one every time."""
        if name not in self._slugs:
            self._slugs[name] = self._new(name)
        return self._slugs[name]

    def _new(self, name: str) -> str:
        first = candidate = slug(name)
        count = 1
        while candidate.lower() in self._taken:
            count += 1
            suffix = f"_{count}"
            candidate = first[: MAX_KEY - len(suffix)] + suffix
        self._taken.add(candidate.lower())
        if candidate != name:
            self.renamed[candidate] = name
        return candidate


def flatten(parameters: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Print nested parameters as one flat mapping, ``{"a": {"b": 1}}`` as ``{"a.b": "1"}``."""
    flat: dict[str, str] = {}
    for key, value in parameters.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))  # pyright: ignore[reportUnknownArgumentType]
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, str) else _plain(value)
    return flat


def _plain(value: object) -> str:
    return json.dumps(value, default=str) if isinstance(value, list | tuple | set) else str(value)
