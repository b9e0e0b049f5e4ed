"""The package as a stranger gets it: built from a copy of the clone, installed where nothing else of the clone is."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = (
    "pyproject.toml",
    "LICENSE",
    "*.md",
    "requirements*.txt",
    "harvest_pipeline.py",
    ".dlt/config.toml",
    ".dlt/secrets.toml.example",
)
FOLDERS = ("harvest_source", "harvest_sandbox", "docs")
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


def build_wheel(folder: Path) -> Path:
    """Returns a wheel of this clone, made in a folder: a build leaves its files where it builds, and asks nobody here."""
    clone = folder / "clone"
    for pattern in FILES:
        for file in ROOT.glob(pattern):
            copy = clone / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    asks_nobody = ["--no-index", "--no-deps", "--no-build-isolation", "--check-build-dependencies"]
    subprocess.run(
        [*PIP, "wheel", *asks_nobody, "--wheel-dir", folder, clone], check=True, timeout=120
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


def install_into(folder: Path, wheel: Path) -> None:
    """Installs a wheel into a folder that stands in `PYTHONPATH`, and nothing with it."""
    subprocess.run(
        [*PIP, "install", "--no-index", "--no-deps", "--target", folder, wheel],
        check=True,
        timeout=120,
    )


def make_environment(folder: Path, wheel: Path) -> Path:
    """Returns the folder of programs of an environment that has a wheel, and sees the packages that the tests see."""
    venv.create(folder, with_pip=False)
    programs = folder / "bin"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    (packages / "of_the_tests.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    install = ["install", "--no-index", "--no-deps", str(wheel)]
    subprocess.run([*PIP, "--python", str(programs / "python"), *install], check=True, timeout=120)
    return programs
