"""How the objects under an input channel's URI become files: S3's copy rule of script jobs."""

from collections.abc import Iterable


def relative_paths(channel: str, prefix: str, keys: Iterable[str]) -> dict[str, str]:
    """Return the file name that each object gets inside its channel's directory.

    A prefix that ends with `/`, or below which all keys lie, is a directory: names are relative to
    it. Any other prefix is a file's or the start of some names: names are relative to its parent.

    Args:
        channel: The channel's name, for the message.
        prefix: The key part of the channel's URI.
        keys: Keys that begin with the prefix, as ListObjectsV2 gives them.

    Returns:
        Key to relative path with `/`; keys that end with `/` are folders and have none.

    Raises:
        ValueError: If no file is among the keys, or a name would leave the directory.
    """
    everything = list(keys)
    inside = prefix.rstrip("/") + "/"
    is_directory = prefix.endswith("/") or all(key.startswith(inside) for key in everything)
    base = inside if is_directory else prefix.rpartition("/")[0] + "/"
    base = "" if base == "/" and not prefix.startswith("/") else base
    names = {key: key[len(base) :] for key in everything if not key.endswith("/")}
    if not names:
        raise ValueError(f"No data found for channel '{channel}'")
    for key, name in names.items():
        parts = name.split("/")
        if not name or "\0" in name or any(part in {"", ".", ".."} for part in parts):
            raise ValueError(f"channel '{channel}': the key {key!r} is no file name")
    return names
