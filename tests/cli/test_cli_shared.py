"""What all commands have in common: empty values, names as they are, the standard streams."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from tests.conftest import MakeClip
from tests.jobs import ROOT
from tests.networks.tiny import TINY
from vsrcli.cli import app
from vsrcli.errors import ExitStatus


def vsr(*arguments: str | Path) -> Result:
    """Run the command line."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_names_are_told_as_they_are(make_clip: MakeClip, tmp_path: Path) -> None:
    source = make_clip("no:smile:[b].mp4", frames=1)
    made = vsr("upscale", source, tmp_path / "x:smile:.mp4", "--model", TINY, "--verbose")
    assert "vsr: no:smile:[b].mp4: " in made.stderr  # a note
    assert f"{tmp_path / 'x:smile:.mp4'}: 256x192" in made.stderr
    assert f"{source} -> {tmp_path / 'x:smile:.mp4'}" in made.stderr  # for the curious
    refused = vsr("upscale", tmp_path / "none:smile:.mp4", tmp_path / "o.mp4")
    assert "none:smile:.mp4 does not exist" in refused.stderr  # an error


def test_help_is_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in brackets had been taken for a style, and left out."""
    monkeypatch.setenv("COLUMNS", "200")
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        shown = vsr(name, "--help").stdout.split()
        for parameter in command.params:
            assert set((parameter.help or "").split()) <= set(shown), (name, parameter.name)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("upscale", "", "out"), "IN"),
        (("upscale", "clip.mp4", ""), "OUT"),
        (("upscale", "clip.mp4", "out.mp4", "--compare", ""), "--compare"),
        (("degrade", "", "out.mp4"), "IN"),
        (("degrade", "clip.mp4", ""), "OUT"),
        (("psnr", "", "clip.mp4"), "REF"),
        (("psnr", "clip.mp4", "clip.mp4", ""), "OUT"),
        (("psnr", "clip.mp4", "clip.mp4", "--csv="), "--csv"),
        (("unmakeup", ""), "IN"),
        (("unmakeup", "face.jpg", ""), "OUT"),
        (("unmakeup", "face.jpg", "--pair", "", "b.jpg"), "--pair"),
    ],
)
def test_an_empty_value_is_not_the_current_folder(
    make_clip: MakeClip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    name: str,
) -> None:
    make_clip(frames=1)
    monkeypatch.chdir(tmp_path)
    result = vsr(*arguments)
    assert result.exit_code == ExitStatus.USAGE
    assert result.stderr.startswith(f"vsr: error: {name} is empty")
    assert result.stderr.count("\n") == 1 and result.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


TO_JSON = ("out.mp4", "--json")
PLAN = ("out.mp4", "--dry-run")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
@pytest.mark.parametrize(
    ("streams", "arguments", "status", "words"),
    [
        ("<&-", ("-", "out.mp4"), ExitStatus.INPUT, "standard input is closed"),
        (">&-", ("clip.mp4", "-"), ExitStatus.OUTPUT, "standard output: is closed"),
        (">&-", ("clip.mp4", *TO_JSON), ExitStatus.OUTPUT, "standard output: is closed"),
        (">&-", ("clip.mp4", *PLAN), ExitStatus.OUTPUT, "standard output: is closed"),
        (">/dev/full", ("clip.mp4", "-"), ExitStatus.OUTPUT, "No space left"),
        (">/dev/full", ("clip.mp4", *TO_JSON), ExitStatus.OUTPUT, "No space left"),
        (">/dev/full", ("clip.mp4", *PLAN), ExitStatus.OUTPUT, "No space left"),
    ],
)
def test_standard_streams_that_are_none_end_in_one_sentence(
    make_clip: MakeClip,
    tmp_path: Path,
    streams: str,
    arguments: tuple[str, ...],
    status: ExitStatus,
    words: str,
) -> None:
    if "/dev/full" in streams and not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    make_clip(frames=1)
    result = typed(tmp_path, streams, "upscale", *arguments)
    *notes, last = result.stderr.splitlines()
    assert result.returncode == status
    assert last.startswith("vsr: error: ") and words in last
    assert all(line.startswith("vsr: ") and "error" not in line for line in notes)
    # What is made before stdout fails stays.
    made = ["out.mp4"] if (streams, arguments[1:]) == (">/dev/full", TO_JSON) else []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", *made]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
@pytest.mark.parametrize(
    "arguments", [("psnr", "clip.mp4", "clip.mp4"), ("degrade", "clip.mp4", "out.mp4")]
)
def test_a_closed_stdout_is_seen_before_the_work(
    make_clip: MakeClip, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    make_clip(frames=1)
    result = typed(tmp_path, ">&-", *arguments)
    assert result.returncode == ExitStatus.OUTPUT
    assert result.stderr.startswith("vsr: error: standard output: is closed")
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
@pytest.mark.parametrize("more", [TO_JSON, PLAN])
def test_nobody_reads_the_result(
    make_clip: MakeClip, tmp_path: Path, more: tuple[str, ...]
) -> None:
    make_clip(frames=1)
    result = typed(tmp_path, "| true", "upscale", "clip.mp4", *more, "--quiet")
    assert (result.stdout, result.stderr) == ("", "")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
@pytest.mark.parametrize("streams", ["2>/dev/full", "2>&-", ">&- 2>&- <&-", "2>&1 >&- | true"])
def test_a_job_goes_on_without_anybody_to_tell(
    make_clip: MakeClip, tmp_path: Path, streams: str
) -> None:
    if "/dev/full" in streams and not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    make_clip(frames=1)
    result = typed(tmp_path, streams, "upscale", "clip.mp4", "out.mp4", "--verbose")
    assert (result.returncode, result.stderr) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "out.mp4"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
def test_an_error_that_nobody_can_be_told_has_its_status(tmp_path: Path) -> None:
    for streams in ("2>/dev/full", "2>&-"):
        result = typed(tmp_path, streams, "upscale", "gone.mp4", "out.mp4")
        assert result.returncode == ExitStatus.INPUT


@pytest.mark.parametrize("columns", ["0", "1", "20", "nonsense"])
def test_whatever_the_width_all_is_printed(
    make_clip: MakeClip, tmp_path: Path, columns: str
) -> None:
    make_clip(frames=1)
    result = typed(tmp_path, "", "psnr", "clip.mp4", "clip.mp4", COLUMNS=columns)
    assert result.returncode == 0 and "inf" in result.stdout.replace("\n", "")
    result = typed(tmp_path, "", "psnr", "clip.mp4", "gone.mp4", COLUMNS=columns)
    assert "error: gone.mp4" in result.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a terminal")
@pytest.mark.parametrize("ignored", [False, True])
def test_a_terminal_that_is_closed(make_clip: MakeClip, tmp_path: Path, ignored: bool) -> None:
    """A job ends in order, or goes on after nohup."""
    import pty

    clip = make_clip("in.mkv", frames=100 if ignored else 400)
    output = tmp_path / "out.mkv"
    command = [sys.executable, "-m", "vsrcli", "upscale", str(clip), str(output)]
    master, slave = pty.openpty()

    def begin() -> None:
        os.login_tty(slave)
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)

    job = subprocess.Popen([*command, "--model", str(TINY)], preexec_fn=begin, cwd=ROOT)
    os.close(slave)
    shown = b""
    while b"fps" not in shown:
        shown += os.read(master, 1000)
    os.close(master)
    assert job.wait(60) == (0 if ignored else ExitStatus.INTERRUPTED)
    assert output.exists() == ignored
    assert not list(tmp_path.rglob(".*"))


def test_a_result_that_stdout_has_no_letters_for(make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("\u00fc.mp4", frames=1)
    result = typed(tmp_path, "", "upscale", "\u00fc.mp4", *PLAN, PYTHONIOENCODING="ascii")
    assert result.returncode == 0 and "error" not in result.stderr
    assert result.stdout.startswith("\\xfc.mp4 -> out.mp4\n")


def typed(
    folder: Path, streams: str, command: str, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """`vsr COMMAND` in FOLDER by a shell that redirects its STREAMS, which are then buffered."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    model = ["--model", str(TINY)] if command == "upscale" else []
    python = [sys.executable, "-m", "vsrcli", command, *arguments, *model]
    return subprocess.run(
        ["sh", "-c", f'"$@" {streams}', "sh", *python],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(ROOT)} | variables,
        capture_output=True,
        text=True,
    )


def test_ctrl_c_while_the_command_line_is_loaded() -> None:
    code = (
        "import sys\n"
        "from vsrcli.__main__ import main\n"
        "class Pressed:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'vsrcli.cli': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Pressed())\n"
        "main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (130, "vsr: error: interrupted\n")


@pytest.fixture
def folder(tmp_path: Path, make_clip: MakeClip) -> Path:
    """A clip, one that may not be read, and a folder that may not be looked into."""
    if sys.platform == "win32" or (os.geteuid() == 0 and shutil.which("setpriv") is None):
        pytest.skip("needs permissions")
    for place in (make_clip("a.mp4", frames=1), make_clip("secret.mp4", frames=1)):
        shutil.copy(place, tmp_path / f"{place.stem}.png")
    (tmp_path / "closed").mkdir()
    for name in ("secret.mp4", "secret.png", "closed"):
        (tmp_path / name).chmod(0)
        if os.geteuid() == 0:
            os.chown(tmp_path / name, 65534, 65534)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ("upscale secret.mp4 o.mp4", 3),
        ("upscale closed o.mp4", 3),
        ("upscale closed/a.mp4 o.mp4", 3),
        ("upscale closed/%04d.png o.mp4", 3),
        ("upscale a.mp4 closed/o.mp4", 4),
        ("upscale a.mp4 closed/o.png", 4),
        ("upscale a.mp4 o.mp4 --compare closed/o.png", 4),
        ("upscale . closed/o.tar", 4),
        ("degrade secret.mp4 o.mp4", 3),
        ("degrade a.mp4 closed/o.mp4", 4),
        ("psnr a.mp4 secret.mp4", 3),
        ("psnr closed/a.mp4 a.mp4", 3),
        ("psnr a.mp4 a.mp4 --baseline secret.mp4", 3),
        ("psnr a.mp4 a.mp4 --csv closed/o.csv", 4),
        ("unmakeup secret.png o.png", 3),
        ("unmakeup closed out", 3),
        ("unmakeup a.png closed/o.png", 4),
        ("unmakeup a.png o.png --pair closed/a.png a.png", 3),
        ("bench --compare secret.mp4", 3),
        ("doctor closed/x", 1),
    ],
)
def test_what_may_not_be_reached_is_told(folder: Path, arguments: str, status: int) -> None:
    """As by anybody but root: neither the command line is wrong, nor the program."""
    command = [sys.executable, "-m", "vsrcli", *arguments.split()]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == status and "unexpected" not in done.stderr
    assert not list(folder.glob("o.*"))


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ("upscale a.mp4 {}.mp4", ExitStatus.OUTPUT),
        ("upscale {}.mp4 o.mp4", ExitStatus.INPUT),
        ("upscale a.mp4 o.mp4 --compare {}.png", ExitStatus.OUTPUT),
        ("degrade a.mp4 {}/%04d.png --kind bi", ExitStatus.OUTPUT),
        ("psnr a.mp4 {}", ExitStatus.INPUT),
        ("psnr a.mp4 a.mp4 --csv {}", ExitStatus.OUTPUT),
        ("unmakeup a.png {}.png", ExitStatus.OUTPUT),
        ("unmakeup nearly.png", ExitStatus.OUTPUT),
        ("bench --compare {}", ExitStatus.INPUT),
    ],
)
def test_names_that_are_too_long_are_told(
    arguments: str,
    status: ExitStatus,
    tmp_path: Path,
    make_clip: MakeClip,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(make_clip("a.mp4", frames=1), "a.png")
    nearly = "n" * 250
    shutil.copy("a.png", f"{nearly}.png")
    result = vsr(*(part.format("n" * 300).replace("nearly", nearly) for part in arguments.split()))
    assert result.exit_code == status and "File name too long" in result.stderr


def test_memory_that_runs_out_is_no_fault_of_the_program(
    make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compare(*_: object) -> None:
        raise MemoryError("Unable to allocate 549. MiB")

    monkeypatch.setattr("vsrcli.metrics.FrameComparer.compare", compare)
    clip = make_clip("a.mp4", frames=1)
    result = vsr("psnr", clip, clip)
    assert result.exit_code == ExitStatus.DEVICE
    assert "too little memory (Unable to allocate 549. MiB)" in result.stderr
    assert "unexpected" not in result.stderr
