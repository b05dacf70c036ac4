"""Who may import whom: read from the syntax tree, so that nothing needs to be run."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import tcpchat

HOUSE = Path(tcpchat.__file__).parent

# Each room and the rooms it may know besides itself. Nobody but the server's composition root and
# the plugin knows everything.
MAY_KNOW = {
    "errors": set[str](),
    "core": {"errors"},
    "wire": {"errors", "core"},
    "store": {"errors", "core"},
    "auth": {"errors", "core"},
    "config": {"errors", "core"},
    "server": {"errors", "core", "wire", "store", "auth", "config"},
    "admin": {"errors", "core", "wire", "config", "server"},
    "client": {"errors", "core", "wire"},
    "__main__": {"client"},
}
TWISTED_ROOMS = {"server", "client", "cluster"}
SQL_ROOMS = {"store", "server"}
# Things of the world that come in as arguments, or belong to the rooms that do the waiting.
WORLDLY = {"socket", "threading", "time", "random", "secrets", "sqlite3", "asyncio", "subprocess"}


def room_of(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Return the full names of the modules that a file imports, at whatever place."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            assert node.module is not None
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def violations(room: str, names: set[str]) -> list[str]:
    """Return what of ``names`` a file of ``room`` must not import."""
    wrong = []
    for name in names:
        parts = name.split(".")
        if parts[0] == "tcpchat" and len(parts) > 1 and parts[1] != "__version__":
            wrong += [name] if parts[1] not in MAY_KNOW[room] | {room} else []
        elif parts[0] == "twisted":
            wrong += [name] if room not in TWISTED_ROOMS else []
        elif parts[0] in ("sqlalchemy", "alembic"):
            wrong += [name] if room not in SQL_ROOMS else []
        elif parts[0] in WORLDLY:
            wrong += [name] if room in ("errors", "core", "wire") else []
    return wrong


FILES = sorted(path for path in HOUSE.rglob("*.py") if path != HOUSE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_a_file_imports_only_what_its_room_may_know(path: Path) -> None:
    assert violations(room_of(path), imports(path)) == []


def test_the_rule_sees_what_is_forbidden() -> None:
    assert violations("core", {"tcpchat.wire", "twisted.internet", "sqlalchemy", "time", "tcpchat.errors"})
    assert violations("wire", {"tcpchat.store.log"})
    assert violations("store", {"tcpchat.server"})
    assert not violations("server", {"tcpchat.wire.codec", "twisted.internet", "time"})


def test_only_the_service_puts_the_parts_together() -> None:
    composing = {"tcpchat.store.database", "tcpchat.server.datadir"}
    for path in FILES:
        if room_of(path) in ("server", "wire", "core") and path.name not in ("service.py", "settings.py"):
            assert not composing & imports(path), path


def test_the_operator_s_tool_knows_of_the_server_only_its_settings() -> None:
    for path in FILES:
        if room_of(path) == "admin":
            known = {name for name in imports(path) if name.startswith("tcpchat.server")}
            assert {".".join(name.split(".")[:3]) for name in known} <= {"tcpchat.server.settings"}, path


def test_the_reactor_comes_in_as_an_argument() -> None:
    for path in FILES:
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ImportFrom):
                assert not (node.module == "twisted.internet" and "reactor" in {n.name for n in node.names}), path
