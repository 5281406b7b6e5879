"""What is known of a file that the workflow downloads."""

from dataclasses import dataclass, replace

from recap.core.errors import InputError

UNKNOWN = "unknown"


@dataclass(frozen=True)
class RemoteFile:
    """A file that the workflow downloads, and what is known of it (docs/datasets.md says whence).

    Attributes
    ----------
    url : str
        Official address; its last part is the file's name, unless `saved_as` is.
    size : int, optional
        Bytes.
    md5, sha256 : str, optional
        Hexadecimal digest. A digest that ends in `…` is known only by its beginning.
    other_urls : tuple of str
        Addresses of the same bytes, for when the official one fails.
    has_variants : bool
        Whether copies with other bytes are in use (photos scaled down, say), so that a mirror's
        copy is taken even if size and digest differ.
    run_by : str
        What runs programs in the file, which is then never taken without a digest to hold it
        against. Empty for data.
    saved_as : str
        Name to keep it under, and to look for on a mirror, where another file has its own.
    """

    url: str
    size: int | None = None
    md5: str | None = None
    sha256: str | None = None
    other_urls: tuple[str, ...] = ()
    has_variants: bool = False
    run_by: str = ""
    saved_as: str = ""

    @property
    def name(self) -> str:
        """The file's name."""
        return self.saved_as or self.url.rsplit("/", 1)[-1]

    def expecting(self, checksum: str | None) -> "RemoteFile":
        """Return the same file with another checksum than the published one, and no known size.

        It has no variants: this one is meant.

        Parameters
        ----------
        checksum : str or None
            `md5:` or `sha256:` and the hexadecimal digest; `unknown` for a file of which nothing
            is known; None to leave the file as it is.

        Raises
        ------
        InputError
            If the checksum is none of these, or is not known of a file that is run.
        """
        if self.run_by and not (self.md5 or self.sha256) and checksum in (None, UNKNOWN):
            raise InputError(
                f"{self.run_by} runs programs of {self.name}, of which no official checksum is"
                f' known: add `{self.name}: "sha256:…"` to `checksums`, with what `sha256sum`'
                f" prints of a copy that you trust, or leave {self.run_by} out."
            )
        if checksum is None:
            return self
        algorithm, _, digest = checksum.partition(":")
        if not (algorithm in ("md5", "sha256") and digest) and checksum != UNKNOWN:
            raise InputError(
                f"The checksum of {self.name} is {checksum!r}: give md5:… or sha256:…, or"
                f" {UNKNOWN}."
            )
        known = {algorithm: digest.lower()} if checksum != UNKNOWN else {}
        forgotten = {"size": None, "md5": None, "sha256": None, "has_variants": False}
        return replace(self, **forgotten | known)
