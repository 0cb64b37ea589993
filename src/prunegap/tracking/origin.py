"""Where a run came from, in MLflow's own words: who started it, with what, from which commit."""

import contextlib
import getpass
import shutil
import subprocess
import sys
from pathlib import Path

from prunegap import __version__

SECONDS = 10


def origin() -> dict[str, str]:
    """Return MLflow's tags for user, source and commit; what cannot be known (a container's user) is left out."""
    tags = {
        "mlflow.source.name": f"{Path(sys.argv[0]).name or 'prunegap'} ({__version__})",
        "mlflow.source.type": "LOCAL",
    }
    with contextlib.suppress(KeyError, OSError):  # a user of a container has a number alone
        tags["mlflow.user"] = getpass.getuser()
    commit = _git("rev-parse", "HEAD")
    return tags | ({"mlflow.source.git.commit": commit} if commit else {})


def _git(*words: str) -> str:
    """Return what git says of the folder the program was started in; empty if that is no repository."""
    program = shutil.which("git")
    if program is None:
        return ""
    try:
        said = subprocess.run([program, *words], capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""
    return said.stdout.strip() if said.returncode == 0 else ""
