"""The tar of results."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

import pytest

from vsrcli.errors import OutputError, UsageError
from vsrcli.media.tar import write_tar


def test_tar_is_plain_and_repeatable(tmp_path: Path) -> None:
    files = []
    for name in ("b.mp4", "a.mp4"):
        path = tmp_path / name
        path.write_bytes(name.encode() * 1000)
        files.append(path)
    digests = set()
    for number in (1, 2):
        files[0].touch()
        write_tar(files, tmp_path / f"{number}.tar")
        digests.add(hashlib.sha256((tmp_path / f"{number}.tar").read_bytes()).hexdigest())
    assert len(digests) == 1
    with tarfile.open(tmp_path / "1.tar") as tar:
        assert tar.getnames() == ["b.mp4", "a.mp4"]
        member = tar.extractfile("a.mp4")
        assert member is not None
        assert member.read() == b"a.mp4" * 1000


def test_tar_refuses_what_would_lose_something(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for path in (tmp_path / "a", tmp_path / "x" / "a"):
        path.write_bytes(b"1")
    with pytest.raises(UsageError, match="two files are called a"):
        write_tar([tmp_path / "a", tmp_path / "x" / "a"], tmp_path / "o.tar")
    (tmp_path / "o.tar").write_bytes(b"old")
    with pytest.raises(OutputError, match="exists already"):
        write_tar([tmp_path / "a"], tmp_path / "o.tar")
    with pytest.raises(OutputError, match="does not exist"):
        write_tar([tmp_path / "a"], tmp_path / "none" / "o.tar")
    with pytest.raises(OutputError):
        write_tar([tmp_path / "gone"], tmp_path / "o.tar", overwrite=True)
    assert (tmp_path / "o.tar").read_bytes() == b"old"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("length", [247, 251])
def test_a_tar_has_any_name(tmp_path: Path, length: int) -> None:
    (tmp_path / "a").write_bytes(b"1")
    output = tmp_path / f"{'x' * length}.tar"
    write_tar([tmp_path / "a"], output)
    with tarfile.open(output) as tar:
        assert tar.getnames() == ["a"]
    assert not list(tmp_path.glob(".*"))
