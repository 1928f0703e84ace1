"""Count the structure of src/contractive from its syntax trees, and fail where a rule is broken.

    python scripts/structure.py [-v]

Fails on an import of another package's private module, on an import cycle (imports inside functions included) and on a
command-line option in a string outside `cli` (docstrings apart). Prints sizes and shares beside the aims that the
project has set itself.
"""

import ast
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = "contractive"
AIMS = {
    "lines": 24_000,
    "mappings without a type": 40,
    "private functions used once, per cent": 55,
}
LIMITS = {
    "functions with more than 12 parameters": 0,
    "imports of another package's private module": 0,
    "import cycles": 0,
    "command-line options outside cli": 0,
}
MOST_PARAMETERS = 12
UNTYPED = re.compile(r"(?:dict|Mapping)\[str, (?:Any|object)\]")
OPTION = re.compile(r"(^|[\s`'(])--[a-z]")


class Module:
    """One file: its dotted name, its text and its syntax tree."""

    def __init__(self, path: Path, root: Path) -> None:
        self.path = path.relative_to(root)
        self.text = path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text)
        self.name = ".".join((PACKAGE, *self.path.with_suffix("").parts)).removesuffix(".__init__")
        self.package = self.name if path.name == "__init__.py" else self.name.rpartition(".")[0]

    def imports(self, names: set[str]) -> Iterator[str]:
        """Modules of the package that this one imports, wherever the import stands."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if alias.name in names)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    parts = self.package.split(".")
                    base = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [base])])
                for alias in node.names:
                    inner = f"{base}.{alias.name}"
                    if inner in names or base in names:
                        yield inner if inner in names else base

    def docstrings(self) -> set[int]:
        """Identities of the nodes that are docstrings."""
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
        bodies = (node.body for node in ast.walk(self.tree) if isinstance(node, kinds))
        return {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}

    def private_functions(self) -> tuple[int, int]:
        """Private functions at module level, and those of them that their own module names only once."""
        uses = Counter(node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name))
        names = [node.name for node in self.tree.body if isinstance(node, ast.FunctionDef)]
        private = [name for name in names if name.startswith("_") and not name.startswith("__")]
        return len(private), sum(uses[name] <= 1 for name in private)

    def wide_functions(self) -> Iterator[str]:
        """Functions with too many parameters; constructors of classes and commands are exempt."""
        if self.path.parts[0] == "cli":
            return
        for parent in ast.walk(self.tree):
            body = getattr(parent, "body", None)
            for node in body if isinstance(body, list) else []:
                if not isinstance(node, ast.FunctionDef) or (
                    node.name == "__init__" and isinstance(parent, ast.ClassDef)
                ):
                    continue
                named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                own = bool(named) and named[0].arg in ("self", "cls")
                count = len(named) - own + bool(node.args.vararg) + bool(node.args.kwarg)
                if count > MOST_PARAMETERS:
                    yield f"{self.path}:{node.lineno} {node.name} has {count}"

    def options(self) -> Iterator[str]:
        """Strings that name an option of the command line."""
        if self.path.parts[0] == "cli":
            return
        docstrings = self.docstrings()
        for node in ast.walk(self.tree):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and id(node) not in docstrings and OPTION.search(text):
                yield f"{self.path}:{node.lineno}"


def is_private_elsewhere(module: Module, target: str) -> bool:
    """Return True if a part of the target's name is private to a package that the module is not in."""
    parts = target.split(".")
    private = [at for at, part in enumerate(parts) if part.startswith("_") and not part.startswith("__")]
    return any(not f"{module.name}.".startswith(f"{'.'.join(parts[:at])}.") for at in private)


def cycles(edges: dict[str, set[str]]) -> list[str]:
    """Return import cycles; breaks each one found, so that further ones are seen."""
    edges, found = {name: set(targets) for name, targets in edges.items()}, []
    while True:
        try:
            TopologicalSorter(edges).prepare()
        except CycleError as error:
            cycle = error.args[1]
            found.append(" <- ".join(cycle))
            edges[cycle[1]].discard(cycle[0])
        else:
            return found


def main() -> int:
    """Print the counts; return 1 if a limit (not an aim) is exceeded."""
    root = Path(__file__).parents[1] / "src" / PACKAGE
    modules = [Module(path, root) for path in sorted(root.rglob("*.py"))]
    names = {module.name for module in modules}
    edges: dict[str, set[str]] = defaultdict(set)
    private_imports, wide, options = set(), [], []
    functions = once = 0
    for module in modules:
        targets = {target for target in module.imports(names) if target != module.name}
        # a package's __init__ and its own modules import each other by design: only the modules count
        edges[module.name] = targets
        private_imports |= {f"{module.name} -> {t}" for t in targets if is_private_elsewhere(module, t)}
        wide += module.wide_functions()
        options += module.options()
        number, single = module.private_functions()
        functions, once = functions + number, once + single
    loops = cycles(edges)
    counts = {
        "lines": sum(module.text.count("\n") for module in modules),
        "mappings without a type": sum(len(UNTYPED.findall(module.text)) for module in modules),
        "private functions used once, per cent": round(100 * once / max(1, functions)),
        "functions with more than 12 parameters": len(wide),
        "imports of another package's private module": len(private_imports),
        "import cycles": len(loops),
        "command-line options outside cli": len(options),
    }
    for what, aim in AIMS.items():
        print(f"{what}: {counts[what]} (aim: at most {aim})")
    for what, limit in LIMITS.items():
        print(f"{what}: {counts[what]} (at most {limit}){'' if counts[what] <= limit else '  <-- too many'}")
    print(f"files: {len(modules)}, packages: {len({module.package for module in modules})}")
    if "-v" in sys.argv:
        print(*wide, *sorted(private_imports), *loops, *options, sep="\n")
    return int(any(counts[what] > limit for what, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main())
