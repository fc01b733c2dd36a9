"""Real files from the wild, where there are any: upscaled, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.fuzz.seeds import AWKWARD
from tests.networks.tiny import TINY
from vsrcli.cli import app
from vsrcli.errors import ExitStatus
from vsrcli.media.probe import probe
from vsrcli.media.reader import Reader

FILES = sorted(p for p in AWKWARD.glob("*") if p.suffix != ".csv") if AWKWARD.is_dir() else []
REFUSED = {
    "invalid-bitstream.webm",
    "sample_mpegh_bl_configchange_cont.ts",
    "sample_with_sdt.ts",
    "subsample_encrypted_noaltref.webm",
}
"""Files without a single picture that can be decoded."""

pytestmark = pytest.mark.skipif(not FILES, reason="there are no such files here")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_upscaled_or_refused_in_one_sentence(path: Path, tmp_path: Path) -> None:
    output = tmp_path / f"out{'.mkv' if path.suffix in ('.avi', '.flv') else path.suffix.lower()}"
    common = ["--model", str(TINY), "--device", "cpu", "--scale", "1.5", "--frames", "1"]
    common += ["--max-frames", "2"] + (["--preset", "ultrafast"] if path.suffix != ".webm" else [])
    result = CliRunner().invoke(app, ["upscale", *common, str(path), str(output)])
    errors = [line for line in result.stderr.splitlines() if "error" in line]
    assert "Traceback" not in result.stderr and "unexpected" not in result.stderr
    if path.name in REFUSED:
        assert result.exit_code == ExitStatus.INPUT
        assert len(errors) == 1 and path.name in errors[0]
        assert list(tmp_path.iterdir()) == []
        return
    assert (result.exit_code, errors) == (ExitStatus.SUCCESS, [])
    before, after = probe(path), probe(output)
    assert after.width >= before.width * 1.49 and after.rotation == before.rotation
    with Reader(output) as frames:
        assert len(list(frames)) == 2
    assert [p.name for p in tmp_path.iterdir()] == [output.name]


def test_the_set_is_whole() -> None:
    names = {path.name for path in FILES}
    assert names >= REFUSED and len(FILES) > len(REFUSED)
