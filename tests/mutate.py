"""Change the package a little, many times, and tell which changes no test notices.

Each mutant is one module with one change: a comparison flipped, a number off by one, operators
swapped, a statement dropped, and the like. It is laid into a copy of the repository, where the
module's tests run until the first fails. What survives is either a test that is missing, or a
change that changes no result. The mutants are drawn by a seed: the same ones each time.

Usage: python tests/mutate.py [--count 15] [--seed 0] [MODULE ...]
"""

import argparse
import ast
import contextlib
import copy
import importlib
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = Path("src/recap")
TESTS = {
    "evaluation/search": ["evaluation/test_search.py", "evaluation/test_generate.py"],
    "captioners/decoding": ["captioners/test_decoding.py", "evaluation/test_search.py"],
    "features/pca": ["features/test_pca.py"],
    "features/covariance": ["features/test_pca.py"],
    "features/gpu_covariance": ["features/test_pca.py"],
    "features/pooling": ["features/test_layers.py"],
    "features/rows_in_file": ["features/test_rows_in_file.py"],
    "core/sole_owner": ["core/test_sole_owner.py"],
    "backbones/int8": ["backbones/test_int8.py", "features/test_calibrate.py"],
    "datasets/list_shards": ["datasets/test_list_shards.py"],
    "datasets/shards": ["datasets/test_list_shards.py", "features/test_extract.py"],
    "datasets/choose_captions": ["datasets/test_choose_captions.py"],
    "vision/inversion": ["vision/test_inversion.py"],
    "vision/dreams": ["vision/test_dreams.py"],
    "vision/style_objective": ["vision/test_style.py"],
    "backbones/preprocessing": ["backbones/test_preprocessing.py"],
    "vision/saliency_maps": ["vision/test_saliency.py"],
    "vision/pointing": ["vision/test_saliency.py", "evaluation/test_explain.py"],
    "evaluation/word_maps": ["evaluation/test_explain.py"],
    "vision/saliency_checks": ["vision/test_saliency.py"],
    "vision/class_steps": ["vision/test_classes.py"],
    "vision/fooling_steps": ["vision/test_fooling.py"],
    "generative/losses": ["generative/test_losses.py"],
    "generative/metrics": ["generative/test_metrics.py"],
    "generative/networks": ["generative/test_gan_networks.py"],
    "generative/trainer": ["generative/test_train_gan.py"],
    "generative/train": ["generative/test_train_gan.py"],
    "generative/score": ["generative/test_score_gan.py"],
    "datasets/digits/idx": ["datasets/digits"],
    "datasets/digits/draw": ["datasets/digits"],
    "captions/vocabulary": ["captions/test_vocabulary.py"],
    "captions/words": ["captions/test_vocabulary.py"],
    "captions/encode": ["captions/test_vocabulary.py"],
    "captions/metrics/ngrams": ["captions/metrics", "evaluation/scoring/test_score.py"],
    "captions/metrics/bleu": ["captions/metrics", "evaluation/scoring/test_score.py"],
    "captions/metrics/rouge": ["captions/metrics", "evaluation/scoring/test_score.py"],
    "captions/metrics/cider": ["captions/metrics", "evaluation/scoring/test_score.py"],
    "report/statistics": ["report/test_statistics.py"],
    "captioners/optim": ["captioners/test_optim.py"],
    "captioners/layers/gru": ["captioners/layers/test_gru.py"],
    "captioners/recurrences": ["captioners/test_recurrences.py"],
    "captioners/transformer": ["captioners/test_transformer_captioner.py"],
    "captioners/transformer_layers": [
        "captioners/test_transformer_captioner.py",
        "cs231n/test_transformer.py",
    ],
    "captioners/trainable": [
        "captioners/test_transformer_captioner.py",
        "captioners/test_attention.py",
    ],
    "cs231n/classifiers/transformer": ["cs231n/test_transformer.py"],
    "captions/course": ["captions/test_course.py"],
    "cs231n/check_parts": ["cs231n/test_check.py"],
    "cs231n/check_student": ["cs231n/test_check.py"],
    "cs231n/captioning_solver": ["captioners/test_numpy.py"],
    "cs231n/coco_utils": ["cs231n/test_coco_utils.py"],
    "cs231n/gradient_check": ["cs231n/test_gradient_check.py"],
    "cs231n/places": ["cs231n/test_coco_utils.py", "cs231n/test_image_utils.py"],
    "cs231n/python2": ["cs231n/test_python2.py"],
    "cs231n/rnn_layers_pytorch": ["cs231n/test_pytorch.py"],
    "training/train": [
        "training/test_train.py",
        "test_config.py",
        "captioners/test_attention.py",
        "test_cli.py",
    ],
    "training/epochs": [
        "training/test_epochs.py",
        "training/test_train.py",
        "training/test_self_critical.py",
    ],
    "training/state": ["training/test_train.py"],
    "core/checkpoint": ["core/test_checkpoint.py", "training/test_train.py"],
    "training/batches": ["training/test_train.py"],
    "training/self_critical": ["training/test_self_critical.py"],
    "core/text": ["core/test_text.py", "captions/test_vocabulary.py"],
    "core/json_files": ["core/test_json_files.py", "datasets/test_annotations.py"],
    "evaluation/decoders": [
        "evaluation/test_decoders.py",
        "test_config.py",
        "evaluation/test_generate.py",
    ],
    "evaluation/perplexity": ["evaluation/test_perplexity.py", "report/test_verify_study.py"],
    "datasets/shared_photos": ["datasets/test_shared_photos.py"],
    "core/photo_store": ["core/test_photo_store.py", "core/test_images.py"],
    "features/gather": ["features/test_extract.py"],
    "evaluation/scoring/java": [
        "evaluation/scoring/test_java.py",
        "evaluation/scoring/test_spice.py",
    ],
    "evaluation/scoring/meteor": [
        "evaluation/scoring/test_score.py",
        "evaluation/scoring/test_java.py",
    ],
    "evaluation/scoring/references": ["evaluation/scoring/test_score.py"],
    "evaluation/scoring/results": [
        "evaluation/scoring/test_submission.py",
        "evaluation/scoring/test_score.py",
    ],
    "evaluation/scoring/score": ["evaluation/scoring/test_score.py"],
    "evaluation/scoring/spice": [
        "evaluation/scoring/test_spice.py",
        "evaluation/scoring/test_java.py",
    ],
    "evaluation/scoring/submission": ["evaluation/scoring/test_submission.py"],
    "evaluation/scoring/treebank": ["evaluation/scoring/test_treebank.py"],
    "evaluation/scoring/treebank_tokens": ["evaluation/scoring/test_treebank.py"],
    "report/captioning/judge": [
        "report/captioning/test_verdict.py",
        "report/captioning/test_comparison.py",
        "report/captioning/test_tables.py",
    ],
    "report/captioning/failures": ["report/captioning/test_failures.py"],
}
# Imported before the mutants are, which then start in a moment.
HEAVY = ["pytest", "torch", "h5py", "scipy.stats", "sklearn.decomposition", "pandas", "PIL.Image"]
# The same file with another change may have the same size and time, by which bytecode is known.
ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1"}
SHORTEST_LIMIT, LONGER = 60, 5  # seconds, and times what the tests take of the package as it is

OPERATORS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
NAMES = {
    "min": "max", "max": "min", "argmin": "argmax", "argmax": "argmin", "any": "all", "all": "any",
    "sum": "max", "mean": "sum", "minimum": "maximum", "maximum": "minimum", "zeros": "ones",
    "ones": "zeros", "floor": "ceil", "ceil": "floor",
}  # fmt: skip


def variants(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what may stand in a node's place."""
    changed = copy.deepcopy(node)
    if isinstance(node, ast.Compare) and type(node.ops[0]) in OPERATORS:
        changed.ops[0] = OPERATORS[type(node.ops[0])]()
        yield changed
    elif isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in OPERATORS:
        changed.op = OPERATORS[type(node.op)]()
        yield changed
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert):
        yield node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        steps = (1, -1) if isinstance(node.value, int) else (node.value or 1.0,)
        yield from (ast.Constant(node.value + step) for step in steps)
    elif isinstance(node, ast.Name) and node.id in NAMES:
        changed.id = NAMES[node.id]
        yield changed
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        changed.attr = NAMES[node.attr]
        yield changed
    elif isinstance(node, ast.Slice):
        for bound in ("lower", "upper"):
            if (end := getattr(node, bound)) and not isinstance(end, ast.Constant):
                changed = copy.deepcopy(node)
                setattr(changed, bound, ast.BinOp(end, ast.Add(), ast.Constant(1)))
                yield changed
    elif isinstance(node, ast.Break | ast.Continue):
        yield ast.Continue() if isinstance(node, ast.Break) else ast.Break()
    elif isinstance(node, ast.If | ast.IfExp | ast.While) and not isinstance(
        node.test, ast.Compare
    ):
        changed.test = ast.UnaryOp(ast.Not(), node.test)
        yield changed
    if isinstance(node, ast.AugAssign) or is_call(node) or is_stored(node):
        yield ast.Pass()


def is_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def is_stored(node: ast.AST) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(isinstance(target, ast.Attribute | ast.Subscript) for target in targets)


def places(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Yield each node below one, with its parent, the parent's field and the place in a list.

    Annotations and the words of errors have no part in results.
    """
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list"):
            continue
        children = enumerate(value) if isinstance(value, list) else [(None, value)]
        for index, child in children:
            if isinstance(child, ast.AST) and not isinstance(child, ast.Raise | ast.JoinedStr):
                yield node, field, index, child
                yield from places(child)


def put(parent: ast.AST, field: str, index: int | None, child: ast.AST) -> None:
    if index is None:
        setattr(parent, field, child)
    else:
        getattr(parent, field)[index] = child


def mutants(source: str) -> Iterator[tuple[int, str, str]]:
    """Yield each mutant's line, what is changed there, and its whole source."""
    tree = ast.parse(source)
    for parent, field, index, node in list(places(tree)):
        for changed in variants(node):
            put(parent, field, index, changed)
            lines = (
                ast.unparse(ast.fix_missing_locations(n)).splitlines() for n in (node, changed)
            )
            before, after = (line[0] if line else "" for line in lines)
            yield node.lineno, f"{before}  ->  {after}", ast.unparse(tree)
            put(parent, field, index, node)


def run_tests(folder: Path, tests: list[str], limit: float) -> bool:
    """Return whether the tests pass in a copy of the repository, within a time."""
    process = multiprocessing.get_context("fork").Process(target=_run, args=(folder, tests))
    process.start()
    process.join(limit)
    passed = process.exitcode == 0
    # Whatever a test left running ends too.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.join()
    return passed


def _run(folder: Path, tests: list[str]) -> None:
    import pytest

    os.setsid()
    os.chdir(folder)
    output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.path.insert(0, str(folder / "src"))
    os.environ.update(ENVIRONMENT, PYTHONPATH=str(folder / "src"))
    options = ["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "--tb", "short"]
    code = pytest.main([*options, *(str(folder / "tests" / test) for test in tests)])
    sys.stdout.flush()
    os._exit(code)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", default=list(TESTS), help=f"of {', '.join(TESTS)}")
    parser.add_argument("--count", type=int, default=15, help="mutants of each module")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sys.dont_write_bytecode = True
    for name in HEAVY:
        importlib.import_module(name)
    survivors = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "recap"
        hidden = shutil.ignore_patterns(".*", "results", "resources", "__pycache__")
        shutil.copytree(ROOT, place, ignore=hidden)
        for module in options.modules:
            path = place / PACKAGE / f"{module}.py"
            source = path.read_text(encoding="utf-8")
            start = time.monotonic()
            if not run_tests(place, TESTS[module], 3600):
                sys.exit(
                    f"{module}: its tests fail as it is:\n{(place / 'output.txt').read_text()}"
                )
            limit = max(SHORTEST_LIMIT, LONGER * (time.monotonic() - start))
            everyone = list(mutants(source))
            drawn = random.Random(f"{options.seed} {module}").sample(
                everyone, min(options.count, len(everyone))
            )
            print(f"{module}: {len(drawn)} of {len(everyone)} mutants", flush=True)
            for line, change, text in drawn:
                path.write_text(text, encoding="utf-8")
                if run_tests(place, TESTS[module], limit):
                    survivors.append(f"{module}.py:{line}: {change}")
                    print(f"  survives: {survivors[-1]}", flush=True)
            path.write_text(source, encoding="utf-8")
    print(f"{len(survivors)} survivors")


if __name__ == "__main__":
    main()
