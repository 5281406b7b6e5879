import errno
import importlib
import inspect
import itertools
import json
import math
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

import recap
from recap import cli
from recap.cli import COMMANDS, make_app
from recap.core.errors import InputError
from recap.core.outputs import OutputFile, check_of

SOURCE = Path(recap.__file__).parents[1]

# These tests hand the tokens over where the program finds them: in sys.argv.
pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens")


def environment(**variables):
    return {**os.environ, "PYTHONPATH": str(SOURCE), "COLUMNS": "200", **variables}


def run(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=None, **variables):
    """Run `python -m recap` as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "recap", *map(str, arguments)],
        env=environment(**variables),
        stdout=stdout,
        stderr=stderr,
        preexec_fn=preexec_fn,
        text=True,
    )


def no_room():
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@pytest.fixture
def call(monkeypatch, capsys):
    """Run the command line in this process; return exit status, output and errors."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["recap", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        status = 0
        try:
            cli.main()
        except SystemExit as stop:
            status = stop.code or 0
        return status, *capsys.readouterr()

    return call


def stage(path):
    module, _, name = path.rpartition(":")
    return getattr(importlib.import_module(module), name)


@pytest.fixture
def annotations(tmp_path):
    path = tmp_path / "captions.json"
    images = [{"id": 1, "file_name": "1.jpg"}]
    captions = [{"image_id": 1, "caption": "a dog"}]
    path.write_text(json.dumps({"images": images, "annotations": captions}))
    return path


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_is_a_function_of_its_own_name(path):
    function = stage(path)
    assert inspect.isfunction(function)
    assert function.__name__ == path.rpartition(":")[2]
    assert function.__module__ == path.rpartition(":")[0]
    command = make_app()[function.__name__.replace("_", "-")]
    assert command.default_command is function


def test_every_command_has_a_name_of_its_own():
    names = [path.rpartition(":")[2] for path in COMMANDS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_parameter_is_explained(path, call):
    function = stage(path)
    name = function.__name__.replace("_", "-")
    arguments = make_app()[name].assemble_argument_collection(parse_docstring=True)
    # Settings whose fields are options have no option of their own.
    arguments = [argument for argument in arguments if argument.name != "*"]
    explained = {argument.name for argument in arguments if argument.parameter.help}
    assert len(arguments) >= len(inspect.signature(function).parameters)
    assert {argument.name for argument in arguments} - explained == set()
    status, said, _ = call(name, "--help")
    assert status == 0
    assert f"Usage: recap {name}" in said
    assert COMMANDS[path] in said
    for argument in arguments:
        assert argument.name in said


@pytest.mark.parametrize("path", COMMANDS)
def test_docstrings_name_the_parameters_that_there_are(path):
    function = stage(path)
    section = function.__doc__.partition("Parameters\n    ----------\n")[2].partition("\n\n")[0]
    named = []
    for line in section.splitlines():
        if line.startswith("    ") and not line.startswith("     ") and " : " in line:
            named += line.split(" : ")[0].strip().split(", ")
    assert named == list(inspect.signature(function).parameters)


def test_help_lists_all_commands_at_once():
    done = run("--help")
    assert done.returncode == 0
    for path, summary in COMMANDS.items():
        assert path.rpartition(":")[2].replace("_", "-") in done.stdout
        assert summary in done.stdout


def test_help_does_not_wait_for_the_heavy_packages():
    code = (
        "import sys; from recap.cli import make_app; make_app();"
        "print({'torch', 'numpy', 'sklearn', 'matplotlib'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "set()"


def test_version(call):
    assert call("--version")[:2] == (0, f"{recap.__version__}\n")


def test_a_users_error_is_one_sentence(tmp_path):
    missing, output = tmp_path / "none.json", tmp_path / "vocab.json"
    done = run("build-vocabulary", missing, "--output", output)
    assert done.returncode == 1
    assert done.stderr == f"error: {missing} does not exist: check the path.\n"
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_command_does_its_work(annotations, tmp_path, call):
    output = tmp_path / "vocab.json"
    status, said, errors = call("build-vocabulary", annotations, "--output", output, "--size", 1)
    assert (status, errors) == (0, "")
    assert "1 of 2 words" in said
    assert json.loads(output.read_text())["idx_to_word"][4:] == ["a"]


def test_a_dictionary_is_given_as_json(tmp_path, call):
    # The address is not a URL, and so it is refused without a look at the network.
    status, _, errors = call(
        "download-file",
        "Flickr8k_text.zip",
        "--output",
        tmp_path / "text.zip",
        "--urls",
        '{"Flickr8k_text.zip": "nowhere"}',
    )
    assert status == 1
    assert "nowhere: not a URL" in errors


def test_an_unknown_command_suggests_one(call):
    status, said, errors = call("extract-feature")
    assert status != 0
    assert 'Did you mean "extract-features"' in said + errors


def test_an_unknown_option_suggests_one(annotations, tmp_path, call):
    status, said, errors = call("build-vocabulary", annotations, "--output", "x", "--sise", "3")
    assert status != 0
    assert "Did you mean --size" in said + errors
    assert not (tmp_path / "x").exists()


def test_a_wrong_choice_names_the_right_ones(call):
    status, said, errors = call("extract-features", "a", "b", "--output", "c", "--backbone", "vgg")
    assert status != 0
    assert all(name in said + errors for name in ("vgg16", "squeezenet1_0"))


def test_a_missing_option_is_named(annotations, call):
    status, said, errors = call("build-vocabulary", annotations)
    assert status != 0
    assert "--output" in said + errors


@pytest.mark.parametrize(
    ("error", "expected"), [(InputError("Mend it."), 1), (KeyboardInterrupt(), 130)]
)
def test_exit_status(monkeypatch, capsys, error, expected):
    def command():
        raise error

    monkeypatch.setattr(cli, "run_command", command)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == expected
    assert capsys.readouterr().err == ("error: Mend it.\n" if expected == 1 else "")


def test_a_programming_error_keeps_its_traceback(monkeypatch):
    def command():
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "run_command", command)
    with pytest.raises(ZeroDivisionError):
        cli.main()


# --- outputs and the terminal -------------------------------------------------------------------


def outputs_of(path):
    """Return the options of a command that its docstring tells to be files or folders to write."""
    name = path.rpartition(":")[2].replace("_", "-")
    arguments = make_app()[name].assemble_argument_collection(parse_docstring=True)
    told = re.compile("to write|to make|Where to put|to write into")
    return name, [
        argument
        for argument in arguments
        if Path in (argument.hint, *get_args(argument.hint))
        and told.search(argument.parameter.help)
    ]


@pytest.mark.parametrize("path", [path for path in COMMANDS if outputs_of(path)[1]])
def test_an_output_that_cannot_be_is_refused_before_the_work(path, tmp_path):
    """No input is looked at: the checks run when the command line is read."""
    _, outputs = outputs_of(path)
    (tmp_path / "file").touch()
    for argument in outputs:
        check = check_of(argument.field_info.annotation)
        with pytest.raises(InputError, match="which is a file: name a folder"):
            check(tmp_path / "file/output")
        check(tmp_path / "new/output")


def outputs_in_pairs():
    """Return every command with two of the files that it writes."""
    return [
        (path, *pair)
        for path in COMMANDS
        for pair in itertools.combinations(
            [
                name
                for name, parameter in inspect.signature(stage(path)).parameters.items()
                if OutputFile in (parameter.annotation, *get_args(parameter.annotation))
            ],
            2,
        )
    ]


@pytest.mark.parametrize(("path", "first", "second"), outputs_in_pairs())
def test_one_file_for_two_outputs_is_refused_before_any_work(path, first, second, tmp_path):
    """The inputs are not there, and the sentence is not about them."""
    function = stage(path)
    given = {
        name: tmp_path / name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is parameter.empty
    }
    with pytest.raises(InputError, match="two are one file: name a file for each"):
        function(**given | {first: tmp_path / "one", second: tmp_path / "one"})
    assert list(tmp_path.iterdir()) == []


def test_every_option_named_output_is_one_to_write():
    for path in COMMANDS:
        name, outputs = outputs_of(path)
        arguments = make_app()[name].assemble_argument_collection(parse_docstring=True)
        named = {argument.name for argument in arguments if argument.name.endswith("output")}
        assert named <= {argument.name for argument in outputs}, name


def test_an_output_is_refused_before_a_missing_input(tmp_path, call):
    status, said, errors = call("build-vocabulary", tmp_path / "none.json", "--output", tmp_path)
    assert (status, said) == (1, "")
    assert errors == f"error: The output {tmp_path} is a folder: name a file.\n"
    (tmp_path / "file").touch()
    words = ["compare-captioners", tmp_path / "none", "--output", tmp_path / "file"]
    status, said, errors = call(*words)
    assert (status, said) == (1, "")
    assert "which is a file: name a folder" in errors


@pytest.mark.parametrize("output", ["a.json", "../{}/a.json", "link.json"])
def test_an_output_that_is_an_input(tmp_path, output):
    path = tmp_path / "a.json"
    path.write_text("{}")
    (tmp_path / "link.json").symlink_to(path)
    done = run("build-vocabulary", path, "--output", tmp_path / output.format(tmp_path.name))
    assert done.returncode == 1
    assert "is an input, too: name another file." in done.stderr
    assert path.read_text() == "{}"


def test_an_output_that_is_one_of_several_inputs(tmp_path):
    paths = [tmp_path / "1.h5", tmp_path / "2.h5"]
    for path in paths:
        path.write_text("")
    done = run("gather-features", *paths, "--output", paths[1])
    assert (done.returncode, paths[1].read_text()) == (1, "")
    assert "2.h5 is an input, too" in done.stderr


@pytest.fixture
def results(tmp_path):
    """Return the arguments of a scoring that prints much."""
    names = [f"{number}.jpg" for number in range(300)]
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    captions = [{"image_id": number, "caption": "a dog"} for number in range(300)]
    for name, content in {
        "annotations": {"images": images, "annotations": captions},
        "results": captions,
    }.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    files = tmp_path / "results.json", tmp_path / "annotations.json"
    return ["score-captions", *files, "--meteor=false"]


@pytest.mark.parametrize("format", ["json", "table"])
def test_a_reader_that_has_gone_ends_it_quietly(results, format):
    """As `| head` does; what is short is written only when Python ends."""
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        done = run(*results, "--format", format, stdout=theirs)
    finally:
        os.close(theirs)
    assert done.returncode == 128 + signal.SIGPIPE
    assert done.stderr == ""


def test_a_reader_of_both_streams_that_has_gone(results):
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        done = run(*results, stdout=theirs, stderr=theirs)
    finally:
        os.close(theirs)
    assert done.returncode == 128 + signal.SIGPIPE


def test_an_error_is_told_though_the_reader_of_the_output_has_gone(tmp_path):
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        done = run("score-captions", tmp_path / "none", tmp_path / "none", stdout=theirs)
    finally:
        os.close(theirs)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")


def test_no_standard_output_at_all():
    command = [sys.executable, "-m", "recap", "--version"]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *command],
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]], ids=["much", "little"])
def test_an_output_that_is_redirected_to_a_full_disk(tmp_path, arguments):
    """A limit of a file's size stands for the full disk."""
    with open(tmp_path / "said.txt", "w") as file:
        done = run(*arguments, stdout=file, preexec_fn=no_room)
    assert done.returncode == 1
    assert done.stderr == f"error: standard output: {os.strerror(errno.EFBIG)}.\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "ascii:strict", "utf-8"])
def test_a_terminal_that_lacks_the_characters(monkeypatch, encoding):
    """A minus sign, names of photos, and a name that is no text at all."""
    said = "difference \N{MINUS SIGN}1.5 at caf\xe9/\u72ac.jpg and \udcff.jpg"
    code = f"from recap import cli; cli.run_command = lambda: print({said!a}); cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(PYTHONIOENCODING=encoding),
        capture_output=True,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    plain = encoding.partition(":")[0]
    assert done.stdout == (said + "\n").encode(plain, "backslashreplace")


def test_help_on_a_terminal_of_ascii():
    done = run("score-captions", "--help", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--output" in done.stdout


# --- Ctrl-C -------------------------------------------------------------------------------------


def test_nothing_heavy_is_imported_before_ctrl_c_is_caught():
    done = subprocess.run(
        [sys.executable, "-c", "import sys, recap.cli; print('cyclopts' in sys.modules)"],
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.stdout == "False\n"


def test_ctrl_c_while_a_command_imports_what_it_needs(tmp_path):
    """A module of the same name stands in for a heavy one, and interrupts its import."""
    (tmp_path / "numpy.py").write_text("import signal; signal.raise_signal(signal.SIGINT)")
    done = run("score-captions", "a", "b", PYTHONPATH=f"{tmp_path}{os.pathsep}{SOURCE}")
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGINT, "", "")


# Of these the study is looked for first.
LATE = {
    ("recap.report.captioning.record:record_provenance", "threads"),
    ("recap.report.verify_study:verify_study", "threads"),
}


def numbers():
    """Return every command's options that are numbers of a range."""
    kinds = (int, float, int | None)
    return [
        (path, name)
        for path in COMMANDS
        for name, parameter in inspect.signature(stage(path)).parameters.items()
        if parameter.annotation in kinds and (path, name) not in LATE
    ]


@pytest.mark.parametrize(("path", "name"), numbers())
def test_a_number_out_of_range_is_one_sentence_before_any_work(path, name, tmp_path):
    """The commands' files are not there, and no sentence is about them."""
    function = stage(path)
    signature = inspect.signature(function)
    needed = {
        other: tmp_path / other
        for other, parameter in signature.parameters.items()
        if parameter.default is parameter.empty and parameter.kind is parameter.KEYWORD_ONLY
    }
    places = [
        tmp_path / other
        for other, parameter in signature.parameters.items()
        if parameter.default is parameter.empty and parameter.kind is not parameter.KEYWORD_ONLY
    ]
    wrong = [-1, math.nan] if signature.parameters[name].annotation is float else [-1]
    wrong += [2**64] if name == "seed" else []
    for value in wrong:
        with pytest.raises(InputError, match=f"^`{name}` must be .*, not {value}\\.$"):
            function(*places, **needed | {name: value})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--seed", "-1"], "`seed` must be at least 0"),
        (["--seed", "1.5"], "`1.5` is no whole number"),
        (["--dev-share", "nan"], "`dev_share` must be more than 0 and less than 1, not nan"),
        (["--recipe.epochs", "2.5"], "`2.5` is no whole number"),
        (["--recipe", '{"hidden_dim": 2.5}'], "`2.5` is no whole number"),
        (["--recipe.learning-rate", "nan"], "`learning_rate` must be a finite number, not nan"),
        (["--recipe", '{"weight_decay": 1e999}'], "`weight_decay` must be a finite number"),
    ],
)
def test_numbers_of_the_command_line(tmp_path, call, option, said):
    files = [tmp_path / name for name in ("features.h5", "captions.h5", "vocab.json")]
    status, out, errors = call("train-captioner", *files, "--output", tmp_path / "out", *option)
    assert status != 0
    assert said in out + errors
    assert "Traceback" not in out + errors
    assert list(tmp_path.iterdir()) == []


def test_a_whole_number_with_a_point_is_one(annotations, tmp_path, call):
    output = tmp_path / "vocab.json"
    status, said, _ = call("build-vocabulary", annotations, "--output", output, "--size", "1.0")
    assert status == 0
    assert "1 of 2 words" in said
