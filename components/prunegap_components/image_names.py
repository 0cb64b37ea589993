"""What images are called on the machine that built them.

``localhost`` is no registry: a name without a host would be looked for at Docker Hub, under an account of somebody
else's. An engine or a node that was not given the image refuses it.
"""

LOCAL = "localhost/prunegap"
LATEST_BUILD = "dev"  # moves with every build, never pushed: what docker/.env.example and the components name
STAGE_IMAGE = f"{LOCAL}/stage:{LATEST_BUILD}"
