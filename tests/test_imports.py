"""Imports run down the layers of the package, in no circle, and large packages are imported in their places only."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAYERS = (  # nothing imports from a layer above its own, nor from another place in its layer
    ("errors", "maps", "ood", "split", "palette"),
    ("terms",),
    ("cli", "losses", "wrap", "digits"),
    ("models", "metrics", "objective", "localisation", "overlay"),
    ("checkpoint", "explain", "diagnose"),
    ("hub/pull", "hub/client", "hub/timeouts", "hub/messages"),
    ("pair", "epoch_snapshots"),
    ("data",),
    ("training", "hub"),
    ("study", "demo"),
    ("commands",),
    ("app", "scripts", "__main__"),
)
ALLOWED = {  # who may know the packages that are large, or that not everybody has
    "gradio": ("demo",),
    "spaces": ("demo/page",),
    "starlette": ("demo",),
    "huggingface_hub": ("hub", "commands/deploy_space"),
    "httpx2": ("hub",),
    "matplotlib": ("hub/card_figures", "scripts/dev", "digits/ood_drawings"),
    "torchvision": ("scripts/dev", "data/mnist", "data/hub", "models", "study/photo_recipes", "wrap"),
    "datasets": ("data/hub",),
    "timm": ("scripts/dev", "models", "wrap"),
    "playwright": ("scripts/dev",),
    "jinja2": ("study/report", "demo/html_metadata"),
    "scipy": ("study/statistics",),
    "optuna": ("study/queue",),
    "sqlalchemy": ("study/queue",),
    "tqdm": ("training", "study", "scripts"),
}


def modules() -> list[Path]:
    """Every module of the project but the tests, relative to the root."""
    found = [ROOT / "app.py", *(ROOT / "camloss").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]
    return sorted(path.relative_to(ROOT) for path in found)


def place(module: Path) -> str:
    """ "camloss/demo/inference.py" -> "demo/inference"; "app.py" -> "app"."""
    return module.with_suffix("").as_posix().removeprefix("camloss/")


def imported(module: Path) -> Iterator[str]:
    """The full names that a module imports, those inside functions too: "camloss.demo.inference", "gradio.events"."""
    for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def top(name: str) -> str:
    return name.split("/", maxsplit=1)[0]


def layer(name: str) -> int:
    wanted = name if any(name in places for places in LAYERS) else top(name)
    return next(number for number, places in enumerate(LAYERS) if wanted in places)


def our_modules(name: str) -> str | None:
    """ "camloss.demo.inference.answer" -> "demo/inference"; None for what is not ours."""
    parts = name.split(".")
    if parts[0] != "camloss" or parts == ["camloss"]:
        return None
    for length in range(len(parts), 1, -1):
        candidate = ROOT.joinpath(*parts[:length])
        if candidate.with_suffix(".py").is_file() or (candidate / "__init__.py").is_file():
            return "/".join(parts[1:length])
    return "__init__"  # a name that is put together at the package's top


def test_every_module_lives_on_a_layer() -> None:
    for module in modules():
        if place(module) != "__init__":
            layer(place(module))


def test_imports_run_down_the_layers() -> None:
    for module in modules():
        here = place(module)
        if here == "__init__":
            continue  # puts the package's names together for users
        for name in imported(module):
            target = our_modules(name)
            if target is None:
                continue
            if target == "__init__":
                assert top(here) in ("commands", "app", "scripts"), f"{module} imports {name} from the package's top"
                continue
            down = layer(target) < layer(here)
            assert down or top(target) == top(here) or (layer(target) == layer(here) == 0), f"{module} imports {name}"


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


def test_large_packages_are_imported_where_allowed() -> None:
    for module in modules():
        here = place(module)
        for name in imported(module):
            package = name.partition(".")[0]
            if package in sys.stdlib_module_names or package not in ALLOWED:
                continue
            allowed = ALLOWED[package]
            assert any(here == one or here.startswith(f"{one}/") for one in allowed), f"{module} imports {name}"


def test_training_imports_the_hub_only_where_it_is_asked_for() -> None:
    for module in (Path("camloss/commands/train.py"), *(ROOT / "camloss" / "training").glob("*.py")):
        tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
        at_once = [node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)]
        assert not [name for name in at_once if name.startswith("camloss.hub")], module


def test_training_knows_neither_digits_nor_cards_nor_the_demo() -> None:
    """What one data set alone needs is a hook of `camloss.data.dataset.Dataset`."""
    for module in sorted((ROOT / "camloss" / "training").glob("*.py")):
        for name in imported(module.relative_to(ROOT)):
            target = our_modules(name) or ""
            assert top(target) not in ("digits", "hub", "demo", "study"), f"{module.name} imports {name}"
            assert target not in ("data/ood_fitting", "data/peaks", "data/synthetic_digits"), f"{module.name}: {name}"
