"""A node that is lost, which Slurm sees after a while: part of `make test-long`."""

from slurm import SCENES


def test_an_extraction_goes_on_on_another_node(extraction, cluster):
    extraction.start()
    lost = extraction.owner()
    cluster.lose(lost["job"])
    assert extraction.owner(after=lost)["job"] == lost["job"]
    (computed,) = extraction.end()
    assert computed <= SCENES - 16
