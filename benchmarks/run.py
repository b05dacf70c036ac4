"""Measure chat servers side by side: CPU per delivery, throughput, latency, memory.

    python benchmarks/run.py [SCENARIO ...] [--rounds 3] [--server tcpchat] [--json FILE] [--plot FILE]
    python benchmarks/run.py --from FILE [--plot FILE]

Exit codes: 0 all cells have figures, 1 a cell failed, 2 wrong arguments, or something is missing
that is needed: a C compiler, zlib, matplotlib.
"""

import argparse
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import machine
import report
from measurement import Bench, NoToolsError, compile_tools, measure
from processes import NotMeasuredError, exit_on_signals
from report import Report
from results import Cell
from scenarios import DEFAULT_SCENARIOS, SCENARIOS, Scenario
from servers import BASELINE, DEFAULT_SERVERS, SERVERS, Server

REPOSITORY = Path(__file__).resolve().parent.parent
DEFAULT_ROUNDS = 3
PICTURES = (".svg", ".png")
FILE_LIMIT = 65_536  # descriptors; the largest scenario needs some thousands


def compare(bench: Bench, scenario: Scenario, servers: list[Server], rounds: int) -> list[Cell]:
    """Run one scenario on every server; the servers take turns in each round."""
    cells = [Cell(scenario, server.name) for server in servers]
    for number in range(1, rounds + 1):
        for server, cell in zip(servers, cells, strict=True):
            if cell.failure:
                continue
            add_round(bench, server, cell)
            outcome = "FAILED" if cell.failure else "done"
            step = f"{scenario.name} {server.name} round {number}/{rounds}"
            print(f"{step}: {outcome}", file=sys.stderr)
    return cells


def add_round(bench: Bench, server: Server, cell: Cell) -> None:
    """Measure once; a failure makes the whole cell fail."""
    try:
        cell.rounds.append(measure(bench, cell.scenario, server))
    except NotMeasuredError as error:
        cell.failure = str(error)


def raise_file_limit() -> None:
    """Let the servers hold thousands of connections: they inherit the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = FILE_LIMIT if hard == resource.RLIM_INFINITY else min(hard, FILE_LIMIT)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def default_cores() -> tuple[int, int]:
    """The first and the last usable core: neighbours are often two threads of one core."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def core_pair(text: str) -> tuple[int, int]:
    """Read an argument like 0,1; raise ArgumentTypeError if these cores cannot be used."""
    usable = os.sched_getaffinity(0)
    server, comma, generator = text.partition(",")
    if not (comma and server.isdecimal() and generator.isdecimal()):
        raise argparse.ArgumentTypeError("two numbers are needed, as in 0,1")
    cores = int(server), int(generator)
    if not usable.issuperset(cores):
        names = " ".join(map(str, sorted(usable)))
        raise argparse.ArgumentTypeError(f"the usable cores are {names}")
    return cores


def directory(text: str) -> Path:
    """Read an argument that names an existing directory."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"not a directory: {text}")
    return Path(text)


def new_file(text: str) -> Path:
    """Read an argument that names a file in an existing directory."""
    directory(str(Path(text).parent))
    return Path(text)


def picture(text: str) -> Path:
    """Read an argument that names a picture to be written."""
    if Path(text).suffix not in PICTURES:
        raise argparse.ArgumentTypeError(f"the name must end in {' or '.join(PICTURES)}")
    return new_file(text)


def report_file(text: str) -> Report:
    """Read an argument that names a file of --json."""
    try:
        return report.read(Path(text))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def parse_arguments() -> argparse.Namespace:
    """Read the command line; exit with 2 if it is wrong."""
    parser = argparse.ArgumentParser(
        description="Measure chat servers beside a bare C loop, on this machine.",
        epilog="Scenarios: " + "; ".join(f"{s.name}, {s.title}" for s in SCENARIOS.values()) + ".",
    )
    add = parser.add_argument
    names = " ".join(DEFAULT_SCENARIOS)
    add("scenarios", nargs="*", metavar="SCENARIO", help=f"default: {names}")
    add("--rounds", type=int, help=f"medians are taken of them; default: {DEFAULT_ROUNDS}")
    names = " ".join(DEFAULT_SERVERS)
    add("--server", action="append", choices=SERVERS, help=f"may be repeated; default: {names}")
    add("--cores", type=core_pair, metavar="S,G", help="cores of server and generator")
    add("--scratch", type=directory, metavar="DIR", help="where the servers keep their data")
    add("--json", type=new_file, metavar="FILE", help="write the figures of all rounds")
    add("--plot", type=picture, metavar="FILE", help="draw the figures: .svg or .png")
    add(
        "--from",
        dest="old",
        type=report_file,
        metavar="FILE",
        help="show the figures of this file of --json, measure nothing",
    )
    add("--markdown", action="store_true", help="print a Markdown table")
    arguments = parser.parse_args()
    for name in arguments.scenarios:
        if name not in SCENARIOS:
            parser.error(f"no such scenario: {name} (there are {' '.join(SCENARIOS)})")
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error("at least one round is needed")
    if arguments.old:
        for name in ("scenarios", "rounds", "server", "cores", "scratch", "json"):
            if getattr(arguments, name):
                parser.error(f"--from measures nothing, so {name} cannot be chosen")
    scenarios = shown_scenarios(arguments)
    if arguments.plot and not any(scenario.speaks for scenario in scenarios):
        parser.error("--plot: nobody speaks in these scenarios, there is nothing to draw")
    return arguments


def shown_scenarios(arguments: argparse.Namespace) -> list[Scenario]:
    """The scenarios that are to be measured, or that have been."""
    if arguments.old:
        return [cell.scenario for cell in arguments.old.cells]
    return [SCENARIOS[name] for name in arguments.scenarios or DEFAULT_SCENARIOS]


def painter() -> Callable[[Report, Path], None]:
    """What draws the picture; raises ImportError if matplotlib is not there."""
    from plot import draw  # nothing else needs matplotlib

    return draw


def measure_all(arguments: argparse.Namespace) -> Report:
    """Run everything; raises NoToolsError if the C programs do not compile."""
    names = dict.fromkeys((BASELINE, *(arguments.server or DEFAULT_SERVERS)))
    servers = [SERVERS[name] for name in names]
    rounds = arguments.rounds or DEFAULT_ROUNDS
    server_core, generator_core = arguments.cores or default_cores()
    if server_core == generator_core:
        print("warning: server and generator share a core", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="chat-bench-", dir=arguments.scratch) as name:
        scratch = Path(name)
        compile_tools(scratch, any(server.deflates for server in servers))
        this = machine.describe(REPOSITORY, scratch)
        bench = Bench(scratch, scratch, server_core, generator_core)
        cells: list[Cell] = []
        for scenario in shown_scenarios(arguments):
            cells += compare(bench, scenario, servers, rounds)
    return Report(this, rounds, cells)


def main() -> int:
    """Measure, or read what was measured, and show it; return the exit code."""
    arguments = parse_arguments()
    exit_on_signals()
    raise_file_limit()
    try:
        draw = painter() if arguments.plot else None
    except ImportError as error:
        print(f"--plot needs matplotlib, which the extra `bench` installs: {error}", file=sys.stderr)
        return 2
    try:
        found = arguments.old or measure_all(arguments)
    except NoToolsError as error:
        print(error, file=sys.stderr)
        return 2
    print(found.show(arguments.markdown))
    if arguments.json:
        report.write(found, arguments.json)
    if draw:
        draw(found, arguments.plot)
    return 1 if found.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
