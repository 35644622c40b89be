"""A distribution's folder as an archive that `docker build` takes, to have it at home."""

import functools
import gzip
import io
import tarfile
from pathlib import Path


@functools.cache
def archive(folder: Path) -> bytes:
    """What is in it, but for hidden files and links, as a tar.gz; packed once."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as tar,
    ):
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            hidden = any(part.startswith(".") for part in name.parts)
            if hidden or path.is_symlink():
                continue
            entry = tarfile.TarInfo(str(name))
            entry.mode = path.stat().st_mode & 0o755 | 0o644
            if path.is_dir():
                entry.type = tarfile.DIRTYPE
                tar.addfile(entry)
            elif path.is_file():
                entry.size = path.stat().st_size
                with path.open("rb") as file:
                    tar.addfile(entry, file)
    return packed.getvalue()
