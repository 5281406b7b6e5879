import pytest

from recap.cs231n.python2 import to_python3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("print 'loss: ', loss", "print('loss: ', loss)"),
        ("for k in d.iteritems():\n  print k  # all\n  print\n",
         "for k in d.items():\n  print(k)  # all\n  print()\n"),
        ("if x: print x; print -y", "if x: print(x); print(-y)"),
        ("print '%d' % (\n  3,\n)\nx = 1", "print('%d' % (\n  3,\n))\nx = 1"),
        ("%matplotlib inline\nprint 3", "%matplotlib inline\nprint(3)"),
        ("for i in xrange(3): pass", "for i in range(3): pass"),
        ("d.itervalues(), d.iterkeys()", "d.values(), d.keys()"),
    ],
)  # fmt: skip
def test_python_2(old, new):
    assert to_python3(old) == new
    assert to_python3(new) == new


@pytest.mark.parametrize(
    "source",
    [
        "print('a', b)",
        "print ('a')",
        "out = {1: print}\nf = lambda x: print(x)",
        "print = 3",
        "text = '''\nprint 3\n'''",
        "# print 3",
        "!bash get_datasets.sh\n%cd /content/My\\ Drive",
        "x = (",
    ],
)
def test_what_stays(source):
    assert to_python3(source) == source
