"""The house rules on imports: they run down the floors, in no circle, and each large package has its rooms."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOORS = (  # nothing imports from a floor above its own, nor from another room of its floor
    ("errors", "maps", "doubt"),
    ("cli", "losses", "wrap", "digits"),
    ("metrics", "checkpoint"),
    ("explain", "diagnose", "twins", "snapshots"),
    ("training", "hub"),
    ("page",),
    ("app", "scripts"),
)
ALLOWED = {  # who may know the packages that are large, or that not everybody has
    "gradio": ("page", "app"),
    "spaces": ("app",),
    "starlette": ("page", "app"),
    "huggingface_hub": ("hub", "scripts/deploy_space"),
    "httpx2": ("hub",),
    "matplotlib": ("page/viz", "scripts", "digits/nondigits"),
    "torchvision": ("digits/mnist", "digits/models", "wrap"),
    "timm": ("wrap",),
    "playwright": ("scripts",),
    "optuna": ("scripts/sweep",),
    "sqlalchemy": ("scripts/sweep",),
    "tqdm": ("training", "scripts"),
}


def modules() -> list[Path]:
    """Every module of the project but the tests, relative to the root."""
    found = [ROOT / "app.py", *(ROOT / "camloss").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]
    return sorted(path.relative_to(ROOT) for path in found)


def place(module: Path) -> str:
    """ "camloss/page/serve.py" -> "page/serve"; "app.py" -> "app"."""
    return module.with_suffix("").as_posix().removeprefix("camloss/")


def imported(module: Path) -> Iterator[str]:
    """The full names that a module imports, those inside functions too: "camloss.page.serve", "gradio.events"."""
    for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(name: str) -> str:
    return name.split("/", maxsplit=1)[0]


def floor(name: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room(name) in rooms)


def our_modules(name: str) -> str | None:
    """ "camloss.page.serve.answer" -> "page/serve"; None for what is not ours."""
    parts = name.split(".")
    if parts[0] != "camloss" or parts == ["camloss"]:
        return None
    for length in range(len(parts), 1, -1):
        candidate = ROOT.joinpath(*parts[:length])
        if candidate.with_suffix(".py").is_file() or (candidate / "__init__.py").is_file():
            return "/".join(parts[1:length])
    return "__init__"  # a name that is put together at the package's top


def test_every_module_lives_on_a_floor() -> None:
    for module in modules():
        if place(module) != "__init__":
            floor(place(module))


def test_imports_run_down_the_floors() -> None:
    for module in modules():
        here = place(module)
        if here == "__init__":
            continue  # puts the package's names together for users
        for name in imported(module):
            target = our_modules(name)
            if target is None:
                continue
            if target == "__init__":
                assert room(here) in ("app", "scripts"), f"{module} imports {name} from the package's top"
                continue
            down = floor(target) < floor(here)
            assert down or room(target) == room(here) or (floor(target) == floor(here) == 0), f"{module} imports {name}"


def test_imports_run_in_no_circle() -> None:
    graph = {
        place(module): {target for name in imported(module) if (target := our_modules(name)) not in (None, "__init__")}
        for module in modules()
        if place(module) != "__init__"
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path, name))
        if name not in done:
            for target in graph.get(name, ()):
                visit(target, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_large_packages_have_their_rooms() -> None:
    for module in modules():
        here = place(module)
        for name in imported(module):
            package = name.partition(".")[0]
            if package in sys.stdlib_module_names or package not in ALLOWED:
                continue
            allowed = ALLOWED[package]
            assert any(here == one or here.startswith(f"{one}/") for one in allowed), f"{module} imports {name}"
