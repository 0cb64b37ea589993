"""A real browser, where there is one (Debian's ``chromium``): pages are opened, measured and photographed in it."""

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
    "--remote-allow-origins=*", "about:blank",
)  # fmt: skip
PORT = "DevToolsActivePort"


class Browser:
    """One tab, over the DevTools protocol."""

    def __init__(self, folder: Path) -> None:
        port, path = (folder / PORT).read_text().splitlines()
        self._numbers = itertools.count(1)
        self._socket = websocket.create_connection(f"ws://127.0.0.1:{port}{path}", timeout=60)
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        told = {"id": number, "method": method, "params": parameters}
        self._socket.send(json.dumps(told | ({"sessionId": self._session} if self._session else {})))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, page: Path, *, width: int, dark: bool = False, media: str = "") -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self.call("Page.navigate", url=page.resolve().as_uri())
        while self.evaluate("document.readyState") != "complete" or self.evaluate("location.href") == "about:blank":
            time.sleep(0.02)

    def evaluate(self, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def photograph(self, path: Path, *, whole: bool = True) -> None:
        taken = self.call("Page.captureScreenshot", captureBeyondViewport=whole, **({} if not whole else {
            "clip": {"x": 0, "y": 0, "width": self.evaluate("innerWidth"), "scale": 1,
                     "height": min(self.evaluate("document.documentElement.scrollHeight"), 6000)}}))  # fmt: skip
        path.write_bytes(base64.b64decode(taken["data"]))

    def close(self) -> None:
        self._socket.close()


def started(folder: Path) -> tuple["subprocess.Popen[bytes]", Browser] | None:
    """Start a browser with a profile of its own; None where the machine has none."""
    program = shutil.which("chromium")
    if program is None:
        return None
    process = subprocess.Popen(
        [program, f"--user-data-dir={folder}", *FLAGS],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    for _ in range(600):
        if (folder / PORT).is_file() and (folder / PORT).read_text().count("\n"):
            return process, Browser(folder)
        time.sleep(0.1)
    process.kill()
    raise AssertionError("the browser did not start within a minute")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Yield a browser, or skip where the machine has none."""
    found = started(tmp_path_factory.mktemp("browser"))
    if found is None:
        pytest.skip("needs Debian's chromium")
    process, tab = found
    yield tab
    tab.call("Browser.close")
    tab.close()
    process.wait(30)
