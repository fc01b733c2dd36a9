"""Which clip belongs to which: folders and tar archives of clips, paired by file name."""

from __future__ import annotations

import re
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vsrcli.errors import InputError
from vsrcli.media.sources import PICTURE_SUFFIXES, VIDEO_SUFFIXES, find_source

_ARCHIVE = re.compile(r"\.(tar|tgz|tar\.(gz|bz2|xz))$", re.IGNORECASE)


@dataclass(frozen=True)
class Clip:
    """A video or a sequence of pictures, perhaps inside an archive."""

    name: str
    """What it is paired by: the file name without its extension, or the folder's name."""
    path: Path
    """The video, the folder of pictures, or the archive that holds `members`."""
    members: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Where it comes from, for people."""
        if not self.members:
            return str(self.path)
        inside = PurePosixPath(self.members[0])
        return f"{self.path}:{inside if len(self.members) == 1 else inside.parent}"

    @contextmanager
    def opened(self) -> Iterator[Path]:
        """Yield a path to read the clip from; what an archive holds is unpacked meanwhile."""
        if not self.members:
            yield self.path
            return
        with tempfile.TemporaryDirectory(prefix="vsr-") as folder:
            yield _unpack(self.path, self.members, Path(folder))


def is_collection(path: Path) -> bool:
    """Whether `path` holds clips: a tar archive, or a folder with videos or folders in it.

    A folder of nothing but pictures is one clip.
    """
    if not path.is_dir():
        return path.is_file() and _ARCHIVE.search(path.name) is not None
    return bool(_folder_clips(path))


def find_clips(path: Path) -> list[Clip]:
    """The clips of a folder or tar archive in natural order, or `path` itself as the only one.

    In an archive a folder of pictures is a clip, at whatever depth it lies. Raises InputError if
    there are none.
    """
    if not is_collection(path):
        return [Clip(path.stem if path.suffix else path.name, path)]
    clips = _folder_clips(path) if path.is_dir() else _archive_clips(path)
    if not clips:
        raise InputError(f"{path} holds no videos and no folders of pictures")
    return sorted(clips, key=lambda clip: natural_key(clip.name))


def files_of(path: Path) -> Iterator[Path]:
    """The files that are read of the clips in `path`. Raises InputError if there are none."""
    for clip in find_clips(path):
        yield clip.path
        if not clip.members:
            yield from find_source(clip.path).pictures


def pair_clips(
    references: Sequence[Clip], outputs: Sequence[Clip], where: Path
) -> tuple[list[tuple[Clip, Clip]], list[str]]:
    """Pair every reference with the output of its name, and say which outputs are left over.

    `where` is the folder or archive of the outputs, for messages. An output may carry a suffix:
    "08_x4" and "08.mp4_down4x" belong to "08". Raises InputError if a reference has no output, or
    several none of which has exactly its name, or if two references have one name.
    """
    if len(references) == len(outputs) == 1:
        return [(references[0], outputs[0])], []
    _check_names(references)
    found: dict[str, list[Clip]] = {clip.name: [] for clip in references}
    left = []
    for output in outputs:
        owners = [name for name in found if _belongs(output.name, name)]
        if owners:
            found[max(owners, key=len)].append(output)
        else:
            left.append(output.name)
    pairs = []
    for reference in references:
        candidates = found[reference.name]
        exact = [clip for clip in candidates if clip.name == reference.name] or candidates
        if len(exact) != 1:
            raise InputError(_unpaired(reference, where, exact))
        left += [clip.name for clip in candidates if clip is not exact[0]]
        pairs.append((reference, exact[0]))
    return pairs, left


def _check_names(references: Sequence[Clip]) -> None:
    seen: dict[str, Clip] = {}
    for clip in references:
        if (other := seen.setdefault(clip.name, clip)) is not clip:
            raise InputError(
                f"{other.label} and {clip.label} have one name, by which outputs are found: "
                "rename one of them"
            )


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key that puts "2" before "10"."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)
    ]


def _belongs(output: str, reference: str) -> bool:
    rest = output.removeprefix(reference)
    return output.startswith(reference) and not rest[:1].isalnum()


def _unpaired(reference: Clip, where: Path, candidates: Sequence[Clip]) -> str:
    if not candidates:
        return f"{where} holds no clip named {reference.name} or {reference.name}_…"
    names = ", ".join(clip.name for clip in candidates)
    return f"{where} holds several clips for {reference.name} ({names}): keep one"


def _visible(folder: Path) -> list[Path]:
    return [entry for entry in folder.iterdir() if not entry.name.startswith(".")]


def _is_picture(name: str) -> bool:
    return name.lower().endswith(PICTURE_SUFFIXES)


def _is_video(name: str) -> bool:
    return name.lower().endswith(VIDEO_SUFFIXES)


def _folder_clips(folder: Path) -> list[Clip]:
    clips = []
    for entry in _visible(folder):
        if entry.is_file() and _is_video(entry.name):
            clips.append(Clip(entry.stem, entry))
        elif entry.is_dir() and any(_is_picture(e.name) for e in _visible(entry)):
            clips.append(Clip(entry.name, entry))
    return clips


def _archive_clips(archive: Path) -> list[Clip]:
    clips: list[Clip] = []
    sequences: dict[PurePosixPath, list[str]] = {}
    with _opened(archive) as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            if not member.isfile() or path.name.startswith("."):
                continue
            if _is_video(path.name):
                clips.append(Clip(path.stem, archive, (member.name,)))
            elif _is_picture(path.name):
                sequences.setdefault(path.parent, []).append(member.name)
    for folder, names in sequences.items():
        clips.append(Clip(folder.name or archive.name.split(".")[0], archive, tuple(names)))
    return clips


def _unpack(archive: Path, members: Sequence[str], folder: Path) -> Path:
    """Write the members under their plain names: nothing in an archive may choose where."""
    with _opened(archive) as tar:
        for name in members:
            source = tar.extractfile(name)
            if source is None:
                raise InputError(f"{archive} has no file {name}")
            target = folder / PurePosixPath(name).name
            with source, target.open("wb") as file:
                while block := source.read(1 << 20):
                    file.write(block)
    return target if len(members) == 1 and _is_video(target.name) else folder


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(archive) as tar:
            yield tar
    except (tarfile.TarError, EOFError) as failure:
        raise InputError(f"{archive} is not a tar archive that can be read: {failure}") from failure
