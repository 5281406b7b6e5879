"""What is known of a file that the workflow downloads."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RemoteFile:
    """A file that the workflow downloads, and what is known of it (docs/data.md says whence).

    Attributes
    ----------
    url : str
        Official address; its last part is the file's name.
    size : int, optional
        Bytes.
    md5, sha256 : str, optional
        Hexadecimal digest. A digest that ends in `…` is known only by its beginning.
    other_urls : tuple of str
        Addresses of the same bytes, for when the official one fails.
    has_variants : bool
        Whether copies with other bytes are in use (photos scaled down, say), so that a mirror's
        copy is taken even if size and digest differ.
    """

    url: str
    size: int | None = None
    md5: str | None = None
    sha256: str | None = None
    other_urls: tuple[str, ...] = ()
    has_variants: bool = False

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rsplit("/", 1)[-1]
