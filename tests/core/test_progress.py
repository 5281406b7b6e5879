import os
import subprocess
import sys

from recap.core.progress import progress, seconds_of_work

DROPPED = """
import gc, os, signal, threading
from recap.core.progress import progress
gc.disable()
dropped = [iter(progress(range(10)))]
next(dropped[0])
assert threading.active_count() == 1
dropped.append(dropped)
del dropped
child = os.fork()
signal.alarm(20)
gc.collect()
if child:
    assert os.waitpid(child, 0)[1] == 0
os._exit(0)
"""

KILLED = """
import os, signal
from recap.core.progress import progress
bar = progress(range(10))
child = os.fork()
if not child:
    bar.get_lock().acquire()
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(child, 0)
signal.alarm(20)
bar.update()
bar.close()
"""


def run(code):
    return subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True)


def test_a_bar_that_a_forked_process_drops_is_told_once():
    done = run(DROPPED)
    assert done.returncode == 0
    assert done.stderr.count(b" its in ") == 1


def test_a_forked_process_that_is_killed_holds_nobody_up():
    assert run(KILLED).returncode == 0


def test_a_log_tells_what_was_done_and_how_long_it_took(capsys, monkeypatch):
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr("tqdm.std.time", lambda: next(clock))
    with progress(desc="captions", total=300, initial=100, unit="image") as bar:
        bar.update(200)
    assert list(progress(range(3), desc="rows", unit="chunk")) == [0, 1, 2]
    log = capsys.readouterr().err
    first, second = (line for line in log.splitlines() if " in " in line)
    assert first.startswith("captions: 200 images in ")
    assert second.startswith("rows: 3 chunks in ")
    seconds = [float(line.split()[-2]) for line in (first, second)]
    assert min(seconds) > 0
    assert seconds_of_work(f"loading\n{log}done\n") == sum(seconds)
    assert seconds_of_work("kept epoch: 3 of 5 in 2.0 s\n") is None


def test_a_terminal_and_a_download_are_told_no_more_than_the_bar(capsys, monkeypatch):
    list(progress(range(3), desc="bytes", unit="B", unit_scale=True))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    list(progress(range(3), desc="rows", unit="chunk"))
    assert seconds_of_work(capsys.readouterr().err) is None
