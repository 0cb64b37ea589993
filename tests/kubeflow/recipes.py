"""The README's commands of the platform side, so that what it says is what is run."""

import re
import shlex
from pathlib import Path

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()


def recipe(beginning: str) -> list[str]:
    """Return the words of the one command of the README's ``bash`` blocks that begins so."""
    blocks = re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    found = [line for line in lines if line.startswith(beginning)]
    assert len(found) == 1, f"{beginning}: {found}"
    return shlex.split(found[0])
