"""The parser that SPICE runs."""

from recap.core.remote_file import RemoteFile

# Stanford CoreNLP 3.6.0, 384 MB.
CORENLP = RemoteFile(
    "https://nlp.stanford.edu/software/stanford-corenlp-full-2015-12-09.zip", run_by="SPICE"
)

SPICE_FILES = {f"spice/{CORENLP.name}": CORENLP}
"""What is downloaded for SPICE, by path below `resources`."""
