"""How the programs of models/ end, and what they can print."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

PROGRAM = """
import sys
import time

from models.common.command import told


@told
def main():
    try:
        print("works on", sys.argv[1], flush=True)
        time.sleep(float(sys.argv[2]))
    finally:
        print("cleared up", flush=True)


main()
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a program without asking it")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_what_stops_a_program_lets_it_clear_up(name: str) -> None:
    command = [sys.executable, "-c", PROGRAM, "this", "60"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "works on this\n"
        program.send_signal(getattr(signal, name))
        said = program.communicate(timeout=60)
    assert (program.returncode, *said) == (130, "cleared up\n", "interrupted\n")


@pytest.mark.skipif(os.name == "nt", reason="names of files are Unicode there")
def test_any_name_of_a_file_can_be_printed() -> None:
    command = [sys.executable, "-c", PROGRAM, b"caf\xe9.mkv", "0"]
    environment = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}
    found = subprocess.run(command, capture_output=True, env=environment, timeout=60)
    assert found.stdout.startswith(b"works on caf\\udce9.mkv\n"), found.stderr
    assert found.returncode == 0
