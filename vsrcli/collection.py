"""The clips that a folder or a tar archive holds, and what each is called."""

from __future__ import annotations

import lzma
import os
import posixpath
import re
import tarfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import filterfalse, takewhile
from operator import attrgetter
from pathlib import Path, PurePosixPath

from vsrcli.errors import InputError
from vsrcli.media.containers import unwritable
from vsrcli.media.scratch import temporary_folder
from vsrcli.media.sources import PICTURE_SUFFIXES, VIDEO_SUFFIXES, find_source

_ARCHIVE = re.compile(r"\.(tar|tgz|tar\.(gz|bz2|xz))$", re.IGNORECASE)
_HERE = PurePosixPath()
_NO_NAME_ON_WINDOWS = re.compile(r'[<>:"/\\|?*\x00-\x1f]')


@dataclass(frozen=True)
class Clip:
    """A video or a sequence of pictures, perhaps inside an archive."""

    place: tuple[str, ...]
    """The folders of the collection it lies in, and its file name without extension or, of
    pictures, that of their folder."""
    path: Path
    """The video, the folder of pictures, or the archive that holds `members`."""
    members: tuple[tarfile.TarInfo, ...] = ()
    part: tuple[str, ...] = ()
    """The part of `place` that is not the same for all clips, where their own names are."""

    @property
    def key(self) -> tuple[str, ...]:
        """The name, folder by folder."""
        return self.part or self.place[-1:]

    @property
    def name(self) -> str:
        """What it is paired by: its own name, or what tells its path from those of the others."""
        return "/".join(self.key)

    @property
    def label(self) -> str:
        """Where it comes from, for people."""
        if not self.members:
            return str(self.path)
        inside = PurePosixPath(self.members[0].name)
        return f"{self.path}:{inside if len(self.members) == 1 else inside.parent}"

    @contextmanager
    def opened(self) -> Iterator[Path]:
        """Yield a path to read the clip from; what an archive holds is unpacked meanwhile.

        Raises InputError if it cannot be read, OutputError if there is no room to unpack it.
        """
        if not self.members:
            yield self.path
            return
        with temporary_folder() as folder:
            yield _unpack(self.path, self.members, folder)


@dataclass(frozen=True)
class Collection:
    """What a folder or an archive holds."""

    clips: tuple[Clip, ...]
    beside: tuple[str, ...] = ()
    """Files that belong to none of the clips though they could be one, by their paths in it."""

    def is_only(self, path: Path) -> bool:
        """Whether it is but the clip `path` itself."""
        return all(clip.path == path and not clip.members for clip in self.clips)


def find_collection(path: Path) -> Collection:
    """The clips of a folder or tar archive in natural order, or `path` itself as the only one.

    Every video is a clip, and so is every folder with pictures and no video in it, at whatever
    depth. A folder of nothing but pictures is one clip, and so is one with others deep below.
    Raises InputError if an archive holds none, or a folder cannot be looked into.
    """
    if path.is_dir():
        found = _in_folder(path)
    elif path.is_file() and _ARCHIVE.search(path.name):
        found = _in_archive(path)
        if not found.clips:
            raise InputError(f"{path} holds no videos and no folders of pictures")
    else:
        found = Collection(())
    if not found.clips:
        return Collection((Clip((path.stem,), path),))
    clips = sorted(_told_apart(found.clips), key=lambda clip: (natural_key(clip.name), clip.label))
    return replace(found, clips=tuple(clips))


def find_clips(path: Path) -> list[Clip]:
    """The clips of `find_collection`, which see."""
    return list(find_collection(path).clips)


def files_of(path: Path) -> Iterator[Path]:
    """The files that are read of the clips in `path`. Raises InputError if there are none."""
    for clip in find_clips(path):
        yield clip.path
        if not clip.members:
            yield from find_source(clip.path).pictures


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key that puts "2" before "10"."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)
    ]


def _is_picture(name: str) -> bool:
    return name.lower().endswith(PICTURE_SUFFIXES)


def _is_video(name: str) -> bool:
    return name.lower().endswith(VIDEO_SUFFIXES)


def _is_media(name: str) -> bool:
    return name.lower().endswith((*PICTURE_SUFFIXES, *VIDEO_SUFFIXES))


def _told_apart(clips: Sequence[Clip]) -> list[Clip]:
    """The clips, called by the part of their paths that differs if their own names do not."""
    if len({clip.place[-1] for clip in clips}) == len(clips):
        return list(clips)
    places = [clip.place for clip in clips]
    room = min(map(len, places)) - 1
    ahead = min(room, _alike(places))
    behind = min(room - ahead, _alike([place[::-1] for place in places]))
    return [replace(clip, part=clip.place[ahead : len(clip.place) - behind]) for clip in clips]


def _alike(places: Sequence[tuple[str, ...]]) -> int:
    """With how many parts alike all `places` begin."""
    same = (len(set(parts)) == 1 for parts in zip(*places, strict=False))
    return sum(takewhile(bool, same))


def _in_folder(folder: Path) -> Collection:
    groups, beside = _grouped(dict(_walk(folder)))
    groups.pop(_HERE, None)  # pictures alone are no collection
    # Nor are those of the folder itself, whatever lies further below.
    if all(len(path.parts) > 1 for path in groups) and any("/" not in name for name in beside):
        return Collection(())
    clips = [Clip(_place(path), folder / path) for path in groups]
    return Collection(tuple(clips), beside)


def _in_archive(archive: Path) -> Collection:
    with _opened(archive) as tar:
        members = {
            PurePosixPath(each.name): each
            for each in tar.getmembers()
            if each.isfile() or _leads_to_file(archive, tar, each)
        }
        for link in filter(tarfile.TarInfo.issym, tar.getmembers()):
            members |= _below(link, members)
    folders = defaultdict(list)
    for path in filterfalse(_is_hidden, members):
        folders[path.parent].append(path.name)
    groups, beside = _grouped(folders)
    own = (archive.name.split(".")[0],)
    clips = []
    for path, files in groups.items():
        inside = tuple(members[file] for file in files)
        clips.append(Clip(_place(path) or own, archive, inside))
    return Collection(tuple(clips), beside)


def _leads_to_file(archive: Path, tar: tarfile.TarFile, member: tarfile.TarInfo) -> bool:
    """Whether MEMBER is a link to a file of the archive, as tar keeps the second name of a file.

    Raises InputError if it is called as a picture or video is and leads nowhere.
    """
    if not (member.islnk() or member.issym()):
        return False
    try:
        return tar.extractfile(member) is not None
    except (KeyError, RecursionError):  # none of that name, or links in a ring
        if _is_media(member.name) and not _is_hidden(PurePosixPath(member.name)):
            raise InputError(
                f"{archive}: {member.name} is a link to {member.linkname}, "
                "which is no file of the archive"
            ) from None
        return False


def _below(
    link: tarfile.TarInfo, members: Mapping[PurePosixPath, tarfile.TarInfo]
) -> dict[PurePosixPath, tarfile.TarInfo]:
    """Those of MEMBERS that LINK, if it leads to a folder and not back, shows a second time."""
    path = PurePosixPath(link.name)
    target = PurePosixPath(posixpath.normpath(path.parent / link.linkname))
    if target in path.parents:
        return {}
    return {
        path / each.relative_to(target): member
        for each, member in members.items()
        if target in each.parents
    }


def _grouped(
    folders: Mapping[PurePosixPath, Iterable[str]],
) -> tuple[dict[PurePosixPath, list[PurePosixPath]], tuple[str, ...]]:
    """The videos and folders of pictures, with the files of each, and the files beside them.

    `folders` are the names of the files in each. A folder with pictures is a clip, and what else
    lies in it or below lies beside. Only where it holds all there is, and more than pictures, is it
    the collection, and they lie beside.
    """
    found = {
        folder: [name for name in names if _is_media(name)] for folder, names in folders.items()
    }
    media = {folder: names for folder, names in found.items() if names}
    pictures = {folder for folder, names in media.items() if any(map(_is_picture, names))}
    if len(media) > 1 or any(_is_video(name) for names in media.values() for name in names):
        pictures.discard(_common(media))
    groups: dict[PurePosixPath, list[PurePosixPath]] = defaultdict(list)
    beside = []
    for folder, names in media.items():
        above = (*reversed(folder.parents), folder)
        outermost = next((each for each in above if each in pictures), None)
        for name in names:
            path = folder / name
            if outermost is None and _is_video(name):
                groups[path].append(path)
            elif outermost == folder and _is_picture(name):
                groups[folder].append(path)
            else:
                beside.append(str(path))
    return groups, tuple(sorted(beside, key=natural_key))


def _place(path: PurePosixPath) -> tuple[str, ...]:
    return (path.with_suffix("") if _is_video(path.name) else path).parts


def _is_hidden(path: PurePosixPath) -> bool:
    return any(part.startswith(".") and part != ".." for part in path.parts)


def _common(folders: Iterable[PurePosixPath]) -> PurePosixPath:
    """The innermost folder that all of `folders` lie in, or are."""
    parts = [folder.parts for folder in folders]
    return PurePosixPath(*parts[0][: _alike(parts)]) if parts else _HERE


def _walk(folder: Path) -> Iterator[tuple[PurePosixPath, list[str]]]:
    """The folders below one, by their paths in it, and their files. Links are followed.

    Raises InputError if one cannot be looked into.
    """
    places: dict[Path, str] = {}
    for root, folders, files in os.walk(folder, followlinks=True, onerror=_unreadable):
        inside = Path(root).relative_to(folder)
        places[inside] = place = os.path.realpath(root)
        if place in (places[each] for each in inside.parents):  # a link led back
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield PurePosixPath(inside), [name for name in files if not name.startswith(".")]


def _unreadable(failure: OSError) -> None:
    raise InputError(f"{failure.filename} cannot be read: {failure.strerror}") from failure


def _unpack(archive: Path, members: Sequence[tarfile.TarInfo], folder: Path) -> Path:
    """Write the members under their plain names: nothing in an archive may choose where.

    In the order they lie in: to go back in a compressed one is to read it from its beginning.
    """
    with _opened(archive) as tar:
        for member in sorted(members, key=attrgetter("offset")):
            # By its name, every header of the archive would be read for each clip.
            source = tar.extractfile(member if member.isfile() else member.name)
            if source is None:
                raise InputError(f"{archive} has no file {member.name}")
            target = folder / _plain_name(member.name)
            _append(target, b"")
            with source:
                while block := source.read(1 << 20):
                    _append(target, block)
    return target if len(members) == 1 and _is_video(member.name) else folder


def _append(target: Path, block: bytes) -> None:
    """Write on; raises OutputError if there is no room, and not what reading an archive raises."""
    try:
        with target.open("ab") as file:
            file.write(block)
    except OSError as failure:
        raise unwritable(target, failure) from None


def _plain_name(member: str, *, windows: bool = os.name == "nt") -> str:
    """What a member of an archive is called here: Windows would take more than "/" for a path."""
    name = PurePosixPath(member).name
    return _NO_NAME_ON_WINDOWS.sub("_", name) if windows else name


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(archive) as tar:
            yield tar
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as failure:
        reason = getattr(failure, "strerror", None) or str(failure).splitlines()[0].rstrip(":")
        raise InputError(f"{archive} is not a tar archive that can be read: {reason}") from failure
