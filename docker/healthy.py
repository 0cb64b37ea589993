"""Whether the MLflow server of this container can answer from its database: /health is 200 while that is away."""

import os
import sys
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

PATH = "/api/2.0/mlflow/experiments/search?max_results=1"
SECONDS = 25

port = os.environ["MLFLOW_PORT"]
# A name that the server allows: any other is answered 403 before the database is asked.
allowed = os.environ.get("MLFLOW_SERVER_ALLOWED_HOSTS", "").split(",")[0].strip().replace("*", port)
request = Request(f"http://127.0.0.1:{port}{PATH}", headers={"Host": allowed or f"127.0.0.1:{port}"})
try:
    urlopen(request, timeout=SECONDS).close()  # noqa: S310 - our own server
except HTTPError as error:
    # A server that asks for a login is up; whether its database is, it does not tell.
    if error.code not in {401, 403}:
        sys.exit(f"MLflow answers {error.code}: {error.read(300).decode(errors='replace')}")
except (URLError, OSError) as error:
    sys.exit(f"MLflow does not answer: {error}")
