"""What is downloaded for vision, apart from weights: the photos and paintings of CS231n."""

from recap.core.remote_file import RemoteFile

# The course hands its paintings out in its assignment's archive; this is a public copy of them.
_PAINTINGS = (
    "https://raw.githubusercontent.com/Ethan707/cs231n"
    "/3ba83c0f3008d5a87f0beca715b730918d2b4bab/assignment3/styles"
)

_FILES = [
    RemoteFile(
        "http://cs231n.stanford.edu/imagenet_val_25.npz",
        size=2_851_838,
        sha256="94249c3a68eda4154759dfda4f5ce166ffc9294a350018b4fde395dd1354404d",
    ),
    RemoteFile(
        f"{_PAINTINGS}/tubingen.jpg",
        size=406_531,
        sha256="e67d1869f01fd805385c681a80d9ebcf0f70ea4a5fe6127f0606bb1c7f4bf506",
    ),
    RemoteFile(
        f"{_PAINTINGS}/composition_vii.jpg",
        size=202_426,
        sha256="8f992ed4aecd6dd56972d7bc8166761de7c94e670ee6effa8fd05f3daeb33409",
    ),
    RemoteFile(
        f"{_PAINTINGS}/the_scream.jpg",
        size=216_723,
        sha256="f3075cddeb974a9ee1d6418f7f33fd05185a7ac7dcb4288bd2805d499a9dcaee",
    ),
    RemoteFile(
        f"{_PAINTINGS}/starry_night.jpg",
        size=613_337,
        sha256="c31741a09141c2e2d07fc7aa6bdf135c369b804f9433e43fa3ceac19386d1ee6",
    ),
]

VISION_FILES = {f"vision/{file.name}": file for file in _FILES}
"""What is downloaded for vision, by path below `resources`."""
