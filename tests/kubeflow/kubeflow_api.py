"""An HTTP server with the four endpoints of Kubeflow's API that a submission needs, to watch and to misbehave."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class KubeflowApi:
    """Serves on a free port of the loopback.

    Attributes:
        multi_user: what healthz says.
        refuse: by (method, path beginning), the status and text to answer instead.
        answers: what `get run` answers, one a call; the last one stays.
        runs: bodies of the runs created.
        experiments: bodies of the experiments created.
        tokens: the Authorization header of every request.
    """

    def __init__(self):
        self.multi_user = False
        self.refuse = {}
        self.answers = [{"state": "SUCCEEDED"}]
        self.runs, self.experiments, self.tokens, self.requests = [], [], [], []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.host = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, method, path, body):
        for (wanted, beginning), answer in self.refuse.items():
            if method == wanted and path.startswith(beginning):
                return answer
        routes = {
            ("GET", "healthz"): lambda: {"multi_user": self.multi_user},
            ("GET", "experiments"): lambda: {"experiments": []},
            ("POST", "experiments"): lambda: self.experiments.append(body) or {"experiment_id": "e-1", **body},
            ("POST", "runs"): lambda: self.runs.append(body) or {"run_id": "r-1", "display_name": body["display_name"]},
            ("GET", "runs/r-1"): lambda: self.answers.pop(0) if len(self.answers) > 1 else self.answers[0],
        }
        route = routes.get((method, path.removeprefix("/apis/v2beta1/").partition("?")[0]))
        if route is None:
            return 404, {"message": f"no route {method} {path}"}
        answer = route()
        return answer if isinstance(answer, tuple) else (200, answer)

    def _handler(self):
        api = self

        class Handler(BaseHTTPRequestHandler):
            def respond(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                api.tokens.append(self.headers.get("Authorization"))
                api.requests.append((self.command, self.path))
                status, answer = api.answer(self.command, self.path, body)
                said = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            do_GET = do_POST = respond  # noqa: N815 - the library's names

            def log_message(self, format, *args):  # noqa: A002 - the library's name
                pass

        return Handler
