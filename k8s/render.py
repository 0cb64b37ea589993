"""Write a kustomization with the images of a build in it: python3 k8s/render.py FOLDER | kubectl apply -f -.

    python3 k8s/render.py k8s/overlays/local                  `kubectl kustomize`, our images as in the lock
    python3 k8s/render.py --images                            the tags of a build, for `kind load docker-image`
    python3 k8s/render.py --merge SERVER.json PLUGIN.json     Kubeflow's settings with the plugin's added

The lock is docker/images.lock.json, as `prunegap-pipelines build-images` writes it.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "docker/images.lock.json"
NAMED = re.compile(r"(image: )localhost/prunegap/(\w+)(?:[:@]\S+)?$", re.MULTILINE)


def images() -> dict[str, str]:
    """How each image of the lock is named in a cluster: by digest where it was pushed, else by tag."""
    locked = json.loads(LOCK.read_text())["images"]
    return {name: one["reference"] if one["digest"] else one["tag"] for name, one in locked.items()}


def merged(given: Any, added: Any) -> Any:  # noqa: ANN401 - JSON
    """``given`` with ``added`` over it, key by key."""
    if not (isinstance(given, dict) and isinstance(added, dict)):
        return added
    return {key: merged(given.get(key), added[key]) if key in added else given[key] for key in given | added}


def main(arguments: list[str]) -> str:
    """Write to standard output what the command line asks for.

    Returns:
        Why it could not; empty when it could.
    """
    try:
        if arguments[:1] == ["--merge"] and len(arguments) == 3:
            text = json.dumps(merged(*(json.loads(Path(name).read_text()) for name in arguments[1:])), indent=2)
        elif arguments == ["--images"]:
            text = "\n".join(images().values())
        elif len(arguments) == 1:
            command = ["kubectl", "kustomize", arguments[0]]
            built = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
            if built.returncode:
                return f"{arguments[0]}: {built.stderr.strip()}"
            known = images()
            text = NAMED.sub(lambda match: match[1] + known[match[2]], built.stdout)
        else:
            return __doc__ or ""
    except FileNotFoundError as missing:
        hint = "; prunegap-pipelines build-images writes it" if missing.filename == str(LOCK) else ""
        return f"{missing.filename}: is not there{hint}"
    except (json.JSONDecodeError, KeyError, TypeError) as trouble:
        return f"not what it should be: {trouble}"
    sys.stdout.write(text + "\n")
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) or 0)
