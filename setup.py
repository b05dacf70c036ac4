"""The package. Its version is that of ``tcpchat/__init__.py``."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "([^"]+)"', (HERE / "tcpchat" / "__init__.py").read_text("utf-8"))
assert VERSION is not None

TEST = ["pytest>=8", "pytest-twisted>=1.14", "hypothesis>=6.100", "confusable-homoglyphs>=3.3"]
POSTGRESQL = ["psycopg[binary]>=3.2"]
MARIADB = ["PyMySQL>=1.1"]
BENCH = ["matplotlib>=3.9"]

setup(
    name="tcpchat",
    version=VERSION[1],
    description="A chat daemon: one port for every client, and a durable log of every room",
    long_description=(HERE / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    # "twisted.plugins" is Twisted's own folder, to which one file is added: it has no __init__.py here.
    packages=[*find_packages(include=["tcpchat", "tcpchat.*"]), "twisted.plugins"],
    # Without this an editable install hides the plugin.
    package_dir={"": "."},
    entry_points={"console_scripts": ["tcpchat = tcpchat.client.main:main", "tcpchat-admin = tcpchat.admin.main:main"]},
    install_requires=[
        "Twisted[tls]>=26.10",
        "pyOpenSSL>=24.3",
        "cryptography>=42",
        "service-identity",
        "msgspec>=0.19",
        "SQLAlchemy>=2.1",
        "alembic>=1.14",
        "precis-i18n>=1.1",
        "argon2-cffi>=23.1",
        "websockets>=17",
    ],
    extras_require={
        "postgresql": POSTGRESQL,
        "mariadb": MARIADB,
        "bench": BENCH,
        "test": TEST,
        "dev": [*TEST, *POSTGRESQL, *MARIADB, "ruff>=0.9", "mypy>=1.14", "mypy-zope>=1.0"],
    },
    package_data={"tcpchat": ["py.typed", "web/*"]},
    zip_safe=False,
    classifiers=[
        "Framework :: Twisted",
        "Intended Audience :: End Users/Desktop",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Communications :: Chat",
        "Typing :: Typed",
    ],
)
