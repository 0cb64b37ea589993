"""Ports that nobody else takes between their being chosen and their being listened on."""

import fcntl
import itertools
import os
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

# Below what Linux gives to outgoing connections (32768 and above): one of those cannot come in between.
FIRST, LAST = 20_000, 30_000
_CANDIDATES = itertools.count(os.getpid())
_held: list[IO[str]] = []


def free_port() -> int:
    """Return a port of this machine that nobody listens on, and that no other test is given while this process lives.

    It is held by a locked file, so that workers and whole sessions beside each other never get the same one.
    """
    folder = Path(tempfile.gettempdir()) / f"prunegap-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for _ in range(FIRST, LAST):
        port = FIRST + next(_CANDIDATES) % (LAST - FIRST)
        lock = (folder / str(port)).open("w")
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
            _held.append(lock)
            return port
        lock.close()
    raise AssertionError(f"no port of {FIRST} to {LAST} is free")
