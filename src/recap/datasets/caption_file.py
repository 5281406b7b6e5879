"""Write COCO's caption format."""

import json
from collections.abc import Iterable, Iterator


def caption_file(
    info: dict, images: Iterable[dict], annotations: Iterable[dict]
) -> Iterator[bytes]:
    """Yield a COCO caption file in pieces: what `json.dumps` gives, without its ever being whole.

    Parameters
    ----------
    info : dict
        What the data set is.
    images, annotations : iterable of dict
        COCO's records.

    Yields
    ------
    bytes
        The whole is one JSON object.
    """
    encode = json.JSONEncoder().encode
    yield f'{{"info": {encode(info)}, "licenses": []'.encode()
    for name, records in (("images", images), ("annotations", annotations)):
        yield f', "{name}": ['.encode()
        separator = ""
        for record in records:
            yield f"{separator}{encode(record)}".encode()
            separator = ", "
        yield b"]"
    yield b"}"
