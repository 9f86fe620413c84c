"""The house as it was drawn: who may import whom, how long things may be, what is said once."""

import ast
import graphlib
import re
import subprocess
import sys
import tokenize

import pytest
from conftest import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

PACKAGE = ROOT / "python" / "waddington"

# A room imports from those before it, never from one after it.
ROOMS = (
    "errors genes communities parts contracts trace schedules optim stream files cells "
    "minibatches conditions kernels layers scales latents libraries likelihoods coders effects "
    "fusions terms cluster_terms opponents recipe network players whole_step devices regression "
    "annotation scores confounding checks model distributed trainer checkpoint readers recipes fit "
    "metrics integration verbs keras simulate datasets bridge keras_bridge words __main__"
).split()
FILE_LINES, CODE_LINES, FUNCTION_LINES = 500, 300, 40
IMPORT_SECONDS = 0.3
SPEAKING = ("fit", "__main__")


def modules():
    """Every module of the package by its dotted name; the package itself is waddington."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in MODULES.items()}


def for_types_only(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def nodes_at_run_time(tree):
    """All nodes but those below `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if not for_types_only(node):
            yield node
            yield from nodes_at_run_time(node)


def absolute(node, name):
    """The dotted name that a `from ... import` in module `name` reads from."""
    if not node.level:
        return node.module
    inside = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
    for _ in range(node.level - 1):
        inside = inside.rpartition(".")[0]
    return f"{inside}.{node.module}" if node.module else inside


def imports_of(name):
    """The dotted names that a module imports, the longest that are modules of ours."""
    for node in nodes_at_run_time(TREES[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = absolute(node, name)
            for alias in node.names:
                full = f"{source}.{alias.name}"
                yield full if full in MODULES else source


def imported_at_start(name):
    """The modules of ours that importing a module runs; imports in functions run later."""
    top = ast.Module(
        [node for node in TREES[name].body if isinstance(node, ast.Import | ast.ImportFrom)], []
    )
    full = {alias.name for node in top.body if isinstance(node, ast.Import) for alias in node.names}
    for node in top.body:
        if isinstance(node, ast.ImportFrom):
            source = absolute(node, name)
            names = (f"{source}.{alias.name}" for alias in node.names)
            full |= {found if found in MODULES else source for found in names}
    return {found for found in full if found in MODULES and found != name}


def room(name):
    """The room a module is in: its name, or that of its folder, below waddington."""
    return name.split(".")[1] if "." in name else None


def code_lines(path, lines=None):
    """How many lines of a file, or of `lines` of it, hold code: no blank, comment or docstring."""
    skipped = {
        tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
        tokenize.ENCODING, tokenize.ENDMARKER,
    }  # fmt: skip
    held = set()
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type not in skipped:
                held.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            held.difference_update(range(node.lineno, node.end_lineno + 1))
    return len(held if lines is None else held & set(lines))


def functions(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def python_files():
    scripts = (ROOT / "inst" / "scripts").glob("*.py")
    return [*MODULES.values(), *scripts, *(ROOT / "tests").rglob("*.py")]


def label(path):
    return str(path.relative_to(ROOT))


# Imports ---------------------------------------------------------------------------------------


def test_no_function_of_r_is_defined_twice():
    # R has one namespace for all files: the later file would take the name from the earlier one
    define = re.compile(r"^([\w.]+) <- function", re.M)
    names = [n for f in (ROOT / "R").glob("*.R") for n in define.findall(f.read_text("utf-8"))]
    assert len(names) > 300 and sorted(names) == sorted(set(names))


@pytest.mark.parametrize("name", [name for name in MODULES if room(name)])
def test_imports_go_one_way(name):
    assert room(name) in ROOMS, f"{name} has no place in the order of rooms; give it one in ROOMS"
    here = ROOMS.index(room(name))
    for source in imports_of(name):
        if source.startswith("waddington.") and source in MODULES:
            there = ROOMS.index(room(source))
            assert there <= here, f"{name} imports {source}, which comes after it"


def test_no_module_waits_for_itself():
    graph = {name: imported_at_start(name) for name in MODULES}
    order = list(graphlib.TopologicalSorter(graph).static_order())
    assert set(order) == set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_only_declared_packages_are_imported(name):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {
        re.match(r"[\w-]+", entry)[0].replace("-", "_") for entry in project["dependencies"]
    }
    known = sys.stdlib_module_names | declared | {"sklearn", "waddington"}
    used = {source.split(".")[0] for source in imports_of(name)}
    assert used <= known, f"{name} imports {sorted(used - known)}, not in pyproject.toml"


def test_import_is_quick_and_loads_nothing_heavy():
    code = (
        "import sys, time; start = time.perf_counter(); import waddington; "
        "took = time.perf_counter() - start; "
        "heavy = {'torch', 'anndata', 'pandas', 'scipy', 'sklearn', 'h5py'} & set(sys.modules); "
        "print(took, *sorted(heavy))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=PACKAGE.parent, check=True, capture_output=True, text=True,
        ).stdout.split()
        for _ in range(3)
    ]  # fmt: skip
    assert [run[1:] for run in runs] == [[], [], []]
    assert min(float(run[0]) for run in runs) < IMPORT_SECONDS


# Lengths and habits ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", python_files(), ids=label)
def test_files_and_functions_are_short(path):
    assert len(path.read_text("utf-8").splitlines()) <= FILE_LINES
    assert "tests" in path.parts or code_lines(path) <= CODE_LINES
    long = {
        f"{node.name}: {length}"
        for node in functions(path)
        if (length := code_lines(path, range(node.lineno, node.end_lineno + 1))) > FUNCTION_LINES
    }
    assert not long, f"functions of more than {FUNCTION_LINES} lines of code"


@pytest.mark.parametrize("path", sorted((ROOT / "R").glob("*.R")), ids=label)
def test_r_files_are_short(path):
    lines = path.read_text("utf-8").splitlines()
    code = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    generated = any("generated" in line.lower() for line in lines[:3])
    assert generated or (len(lines) <= FILE_LINES and len(code) <= CODE_LINES)


# R shows progress by itself, so only what a Python user starts may speak.
@pytest.mark.parametrize("name", [name for name in MODULES if room(name) not in SPEAKING])
def test_the_core_never_prints(name):
    calls = (node for node in ast.walk(TREES[name]) if isinstance(node, ast.Call))
    assert not [node.lineno for node in calls if ast.unparse(node.func) == "print"]


@pytest.mark.parametrize("name", MODULES)
def test_nothing_global_is_seeded(name):
    calls = (node for node in ast.walk(TREES[name]) if isinstance(node, ast.Call))
    seeding = {"torch.manual_seed", "np.random.seed", "random.seed"}
    assert not [node.lineno for node in calls if ast.unparse(node.func) in seeding]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is(name):
    assert ast.get_docstring(TREES[name])


# Said once -------------------------------------------------------------------------------------


def description():
    """The fields of DESCRIPTION, continued lines joined."""
    text = (ROOT / "DESCRIPTION").read_text("utf-8")
    fields = re.findall(r"^([\w/@]+):[ \n]((?:.*\n)(?:[ \t]+.*\n)*)", text, re.MULTILINE)
    return {name: " ".join(value.split()) for name, value in fields}


def test_r_and_python_have_one_version():
    stated = re.search(r'^__version__ = "(.+)"$', MODULES["waddington"].read_text(), re.MULTILINE)
    assert stated[1] == description()["Version"]


def test_news_starts_with_this_version():
    first = (ROOT / "NEWS.md").read_text("utf-8").splitlines()[0]
    assert first == f"# waddington {description()['Version']}"


def test_r_ships_the_one_copy_of_the_core():
    link = ROOT / "inst" / "python"
    assert link.is_symlink() and link.resolve() == PACKAGE.parent


def test_the_constructors_in_r_are_not_stale():
    script = ROOT / "inst" / "scripts" / "make-recipes.py"
    run = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("name", ["setup.sh", "demo.sh", "test.sh", "common.sh"])
def test_scripts_are_sound_shell(name):
    script = ROOT / "inst" / "scripts" / name
    assert subprocess.run(["bash", "-n", script], capture_output=True).returncode == 0


def test_ci_runs_what_a_person_runs():
    lines = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    commands = [line for line in lines if line and not line.startswith("#")]
    assert len(commands) == 1 and commands[0].endswith('/inst/scripts/test.sh"')


def test_every_evaluation_is_listed():
    folder = ROOT / "tests" / "benchmarks"
    listed = (folder / "README.md").read_text("utf-8")
    absent = [path.name for path in folder.glob("*.[pR]*") if f"`{path.name}" not in listed]
    assert not absent, "these evaluations are missing from tests/benchmarks/README.md"
