"""One run: a fresh server, one load, checked figures."""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from processes import (
    LOOPBACK,
    NotMeasuredError,
    describe_end,
    free_port,
    running,
    wait_until_listening,
)
from results import Figures
from scenarios import Scenario
from servers import Server

_HERE = Path(__file__).resolve().parent
_PROGRAMS = {"chatload": ("chatload.c", "websocket.c"), "barelimit": ("barelimit.c",)}
_WITH_ZLIB = ("-DDEFLATE", "-lz")
_STALL_LIMIT_S = 20  # without one more finished handshake
_RUN_LIMIT_S = 120  # settling and draining together, besides connecting and sending
_CONNECT_LIMIT_S = 0.1  # per connection
_LOG = "log"
_LOG_TAIL_LINES = 10
_EXIT_BAD_DELIVERY = 3  # of chatload


class NoToolsError(Exception):
    """The C programs do not compile; the text says why."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What all runs share: directories, and the cores of server and generator."""

    tools: Path
    scratch: Path
    server_core: int
    generator_core: int


def compile_tools(directory: Path, deflate: bool) -> None:
    """Compile the C programs, with zlib if chatload is to `deflate`; raise NoToolsError if that fails."""
    compiler = os.environ.get("CC", "cc")
    environment = {**os.environ, "TMPDIR": str(directory)}  # nothing is left of a broken run
    for name, sources in _PROGRAMS.items():
        command = [compiler, "-O2", "-o", str(directory / name)]
        command += [str(_HERE / source) for source in sources]
        command += _WITH_ZLIB if deflate and name == "chatload" else ()
        try:
            subprocess.run(command, check=True, env=environment)
        except (OSError, subprocess.CalledProcessError) as error:
            raise NoToolsError(f"cannot compile {name}: {error}") from error


def measure(bench: Bench, scenario: Scenario, server: Server) -> Figures:
    """Start the server on an empty directory, load it once, end it.

    Raises NotMeasuredError if that gives no figures, and shows the server's last words on
    standard error.
    """
    with tempfile.TemporaryDirectory(dir=bench.scratch) as name:
        home = Path(name)
        try:
            return _load_fresh_server(bench, scenario, server, home)
        except (NotMeasuredError, OSError) as error:
            lines = (home / _LOG).read_text(errors="replace").splitlines()
            tail = "\n".join(lines[-_LOG_TAIL_LINES:])
            print(f"{error}\n--- last lines of the server:\n{tail}\n---", file=sys.stderr)
            raise NotMeasuredError(str(error)) from error


def _load_fresh_server(bench: Bench, scenario: Scenario, server: Server, home: Path) -> Figures:
    port = free_port()
    data = home / "data"
    data.mkdir(mode=0o700)
    command = server.command_line(port, data, bench.tools)
    # The working directory is the repository: twistd finds plugins of a checkout there.
    begin = time.monotonic()
    with (
        (home / _LOG).open("wb") as output,
        running(command, bench.server_core, output, output, _HERE.parent) as process,
    ):
        wait_until_listening(process, port)
        start_s = time.monotonic() - begin
        try:
            figures = _load(bench, scenario, server, port, process.pid)
        except NotMeasuredError as error:
            if process.poll() is None:
                raise
            reason = f"the server ended ({describe_end(process)}); {error}"
            raise NotMeasuredError(reason) from error
        if process.poll() is not None:
            raise NotMeasuredError(f"the server ended ({describe_end(process)})")
        return {**figures, "start_s": round(start_s, 3)}


def _load(bench: Bench, scenario: Scenario, server: Server, port: int, pid: int) -> Figures:
    """Run chatload against a listening server, whose process id is `pid`."""
    command = [
        str(bench.tools / "chatload"),
        *("--host", LOOPBACK, "--port", str(port), "--pid", str(pid)),
        *("--maxwait", str(_STALL_LIMIT_S)),
        *server.dialogue,
        *scenario.arguments(),
    ]
    limit = _RUN_LIMIT_S + _CONNECT_LIMIT_S * scenario.connections + scenario.seconds
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
        running(command, bench.generator_core, output, errors, bench.scratch) as process,
    ):
        try:
            status = process.wait(timeout=limit)
        except subprocess.TimeoutExpired as error:
            raise NotMeasuredError(f"the generator had no result after {limit:.0f} s") from error
        output.seek(0)
        errors.seek(0)
        return _judge(status, output.read().decode(), errors.read().decode(errors="replace"))


def _judge(status: int, output: str, errors: str) -> Figures:
    """The figures that chatload printed, if every delivery was right."""
    if status not in (0, _EXIT_BAD_DELIVERY):
        reason = " ".join(errors.split()) or f"status {status}"
        raise NotMeasuredError(f"the generator gave up: {reason}")
    content = json.loads(output)
    figures: Figures = {name: value for name, value in content.items() if name != "label"}
    if status == _EXIT_BAD_DELIVERY:
        print(errors, end="", file=sys.stderr)
        counts = ("missing", "gaps", "dupes", "misrouted", "dead", "timeout")
        wrong = ", ".join(f"{name} {figures[name]}" for name in counts if figures[name])
        raise NotMeasuredError(f"wrong deliveries or lost connections: {wrong}")
    return figures
