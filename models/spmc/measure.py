"""Peak memory of an exported graph on the CPU, per low-resolution pixel.

    python -m models.spmc.measure models/spmc_x4.fusion.onnx

Each run happens in a fresh process, whose peak tells the truth whatever the allocators keep.
Linux only: the peak is the kernel's (VmHWM), set back before the run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort

from models.common.command import told
from vsrcli.errors import InputError
from vsrcli.machine import peak_memory
from vsrcli.networks.session import LOAD_ERRORS

HEIGHT, WIDTH = 272, 480
ROLES = ("motion", "compose", "fusion")


def bytes_per_pixel(path: Path) -> dict[str, int]:
    """{"first": B, "further": B}: for one frame (or pair), and for each more in the same run."""

    def measure(count: int) -> int:
        command = [sys.executable, "-m", "models.spmc.measure", str(path), str(count)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    one, five = measure(1), measure(5)
    # What frames of a long window take may not show in five, where the peak is elsewhere.
    further = max(4, five - one) // 4
    # Rounded up, so that the per cent they move by from run to run does not change the files.
    return {"first": -(-one // 250) * 250, "further": -(-further // 100) * 100}


def peak(path: Path, count: int) -> int:
    """Bytes per LR pixel that this process grew by at the peak of one run with COUNT frames.

    Raises InputError if PATH is missing, damaged or of another kind.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing")
    options = ort.SessionOptions()
    options.enable_mem_pattern = False
    options.enable_cpu_mem_arena = False
    try:
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except LOAD_ERRORS as error:
        raise InputError(f"{path} is damaged or no ONNX file") from error
    # Not read by a session of its own: what that leaves to the allocator would not be counted.
    if session.get_modelmeta().custom_metadata_map.get("role") not in ROLES:
        raise InputError(f"{path} is none of the graphs that models.spmc.export makes")
    # A tiny first run pays for threads and packed weights.
    session.run(None, inputs(session, count, 32, 32))
    feed = inputs(session, count, HEIGHT, WIDTH)
    Path("/proc/self/clear_refs").write_text("5")  # the peak becomes what is in use now
    before = peak_memory() or 0
    session.run(None, feed)
    return ((peak_memory() or 0) - before) // (HEIGHT * WIDTH)


def inputs(
    session: ort.InferenceSession, count: int, height: int, width: int
) -> dict[str, np.ndarray]:
    """Random inputs of the size asked for; a dynamic first axis gets COUNT."""
    generator = np.random.default_rng(0)
    return {
        value.name: generator.random(
            (value.shape[0] if isinstance(value.shape[0], int) else count, value.shape[1])
            + (height, width),
            np.float32,
        )
        for value in session.get_inputs()
    }


@told
def main() -> None:
    """Print the peak of one run."""
    parser = argparse.ArgumentParser(
        prog="python -m models.spmc.measure", description=__doc__.splitlines()[0]
    )
    parser.add_argument("graph", type=Path, help="an .onnx file")
    parser.add_argument(
        "count", type=int, nargs="?", default=1, help="frames (or pairs) in the run"
    )
    arguments = parser.parse_args()
    print(peak(arguments.graph, arguments.count))


if __name__ == "__main__":
    main()
