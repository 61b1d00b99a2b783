"""What the package costs whoever imports it, what it brings, and that it runs elsewhere."""

import ast
import email
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from camloss.errors import EXTRAS

ROOT = Path(__file__).resolve().parent.parent
BUILT_FROM = ("pyproject.toml", "setup.py", "README.md", "LICENSE")


def loaded_by(code: str) -> set[str]:
    """What code imports beside torch and Python's own library: other packages, and camloss's modules."""
    code = f"import json, sys, torch; known = set(sys.modules); {code}; print(json.dumps([*set(sys.modules) - known]))"
    names = json.loads(subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True).stdout)
    packages = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"camloss"}
    return packages | {name for name in names if name.startswith("camloss.")}


def test_importing_camloss_loads_torch_alone() -> None:
    loaded = loaded_by("from camloss import *; build_model('sketch_cnn')")
    assert {name.partition(".")[0] for name in loaded} == {"camloss"}


def test_the_method_knows_nothing_of_the_digits() -> None:
    """The modules beside `__init__.py` are loaded without it, which offers the digits too."""
    bare = "package = type(sys)('camloss'); package.__path__ = ['camloss']; sys.modules['camloss'] = package"
    assert loaded_by(f"{bare}; import camloss.explain") == {
        f"camloss.{name}" for name in ("errors", "maps", "wrap", "explain")
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(ROOT / "camloss", source / "camloss", ignore=shutil.ignore_patterns("__pycache__"))
    for name in BUILT_FROM:
        shutil.copy(ROOT / name, source)
    build = "from setuptools import build_meta; build_meta.build_wheel('..')"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    files = (path for path in (ROOT / "camloss").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert {path.relative_to(ROOT).as_posix() for path in files} <= set(wheel.namelist())


def test_a_bare_install_brings_four_packages_and_all_extras_what_the_page_needs(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    declared = [Requirement(line) for line in email.message_from_bytes(wheel.read(name)).get_all("Requires-Dist", [])]
    assert {package.name for package in declared if package.marker is None} == {
        "numpy",
        "pillow",
        "safetensors",
        "torch",
    }
    listed = [Requirement(line) for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()]
    of_the_study = {
        "camloss",
        "datasets",
        "jinja2",
        "optuna",
        "psycopg",
        "scipy",
        "timm",
    }  # that page and pair do without
    assert {(package.name, package.specifier) for package in declared if package.name not in of_the_study} == {
        (package.name, package.specifier) for package in listed
    }


def test_links_on_pypi_lead_to_the_repository(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "camloss").mkdir(parents=True)
    for name in BUILT_FROM:
        shutil.copy(ROOT / name, source)
    settings = source / "pyproject.toml"
    named = settings.read_text(encoding="utf-8").replace("Paper = ", 'Repository = "https://example.org/u/r"\nPaper = ')
    settings.write_text(named, encoding="utf-8")
    build = "from setuptools import build_meta; build_meta.prepare_metadata_for_build_wheel('..')"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (metadata,) = tmp_path.glob("*.dist-info/METADATA")
    links = re.findall(r"(!?)\[[^\]]*\]\(([^)]+)\)", metadata.read_text(encoding="utf-8"))
    assert len(links) == len(re.findall(r"\]\(", (ROOT / "README.md").read_text(encoding="utf-8")))
    kinds = {"!": "https://example.org/u/r/raw/main/docs/", "": "https://"}
    assert all(link.startswith(kinds[picture]) for picture, link in links)


def test_the_sdist_holds_no_tests(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "camloss").mkdir(parents=True)
    (source / "tests").mkdir()
    for name in (*BUILT_FROM, "MANIFEST.in", "camloss/__init__.py", "tests/test_cli.py"):
        shutil.copy(ROOT / name, source / name)
    build = "from setuptools import build_meta; build_meta.build_sdist('..')"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (path,) = tmp_path.glob("*.tar.gz")
    shutil.unpack_archive(path, tmp_path / "sdist")
    names = [name.as_posix() for name in (tmp_path / "sdist").rglob("*")]
    assert any(name.endswith("/camloss/__init__.py") for name in names)
    assert not [name for name in names if "/tests" in name.removeprefix(tmp_path.as_posix())]


def test_an_error_about_a_missing_package_names_the_extra_that_brings_it(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    message = email.message_from_bytes(wheel.read(name))
    declared = [Requirement(line) for line in message.get_all("Requires-Dist", [])]
    for package, extra in EXTRAS.items():
        brought = {one.name for one in declared if one.marker and one.marker.evaluate({"extra": extra})}
        assert package in brought | {"starlette", "sqlalchemy"}, package  # which come with gradio and with optuna
    extras = {"demo", "hub", "train", "study", "data", "postgresql", "timm", "all"}
    assert set(EXTRAS.values()) <= extras <= set(message.get_all("Provides-Extra", []))


def test_text_is_read_and_written_in_a_named_encoding() -> None:
    folders = (ROOT / name for name in ("camloss", "scripts", "tests"))
    for path in (ROOT / "app.py", *(path for folder in folders for path in folder.rglob("*.py"))):
        for call in calls_on_text(path):
            assert "encoding" in {keyword.arg for keyword in call.keywords}, f"{path}:{call.lineno}"


def calls_on_text(path: Path) -> Iterator[ast.Call]:
    """Where a module reads or writes text: `read_text`, `write_text`, and `open` in a mode without b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Attribute(attr="read_text" | "write_text")):
                yield node
            case ast.Call(func=ast.Attribute(value=ast.Name(id="Image" | "os" | "tarfile"), attr="open")):
                pass
            case (
                ast.Call(func=ast.Attribute(attr="open"), args=[*mode])
                | ast.Call(func=ast.Name(id="open"), args=[_, *mode])
            ):
                if not any(isinstance(word, ast.Constant) and "b" in str(word.value) for word in mode):
                    yield node
