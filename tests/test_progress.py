import os
import subprocess
import sys

FORKED = """
import gc, os, signal
from recap.progress import progress
gc.disable()
dropped = [progress(range(10))]
next(iter(dropped[0]))
dropped.append(dropped)
del dropped
child = os.fork()
signal.alarm(20)
gc.collect()
if child:
    assert os.waitpid(child, 0)[1] == 0
os._exit(0)
"""


def test_a_forked_process_that_drops_its_parents_bar_goes_on():
    done = subprocess.run([sys.executable, "-c", FORKED], env=os.environ, capture_output=True)
    assert done.returncode == 0
