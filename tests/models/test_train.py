"""Training: data for x2, going on from a checkpoint, and several processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vsrcli.errors import InputError, UsageError

TINY = {"channels": 16, "inner": (16,), "state": 4, "score": 16, "motion": (8, 8)}
STAGE = {"steps": 4, "rate": 1e-3, "batch": 1, "length": 4, "patch": 16}
PEERS = """
import torch
from models.spmc.train import Peers

peers = Peers()
values = [torch.full((2, 3), float(peers.rank)), torch.full((4,), 10.0 * peers.rank)]
peers.average(values)
assert [set(each.flatten().tolist()) for each in values] == [{0.5}, {5.0}]
assert peers.agree(peers.rank == 0) and not peers.agree(peers.rank == 1)
print("agreed")
"""


@pytest.fixture(scope="module")
def clips(torch: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    from models.spmc.data import load, store

    cache = tmp_path_factory.mktemp("cache")
    picture = np.random.default_rng(0).integers(0, 255, (160, 160), np.uint8)
    for number in range(2):
        moved = [np.roll(picture, (t, number - t), (0, 1))[:128, :128] for t in range(6)]
        store(np.stack(moved), cache / f"{number}.npz")
    return load(cache)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_pairs_lie_on_each_other(clips: Any, factor: int) -> None:
    from models.spmc.data import Clips
    from models.spmc.train import reduced

    high, low = Clips(clips, 4, 16, {"bi": 1.0}).sample(2, factor)
    assert (high.shape, low.shape) == ((2, 4, 16 * factor, 16 * factor), (2, 4, 16, 16))
    inner = (..., slice(3, -3), slice(3, -3))  # beyond the edge LOW knows more
    assert float((reduced(high, low).clamp(0, 1) - low)[inner].abs().max()) <= 0.51 / 255


def test_the_root_lets_small_errors_count(torch: Any) -> None:
    """Of two sequences, one with a tenth of the error: a tenth, not a hundredth, of the loss."""
    from models.spmc.train import root

    error = torch.ones(2, 3, 4, 5) * torch.tensor([0.2, 0.02]).reshape(2, 1, 1, 1)
    assert float(root(error)) == pytest.approx(0.11, rel=1e-3)
    error.requires_grad_()
    root(error).backward()
    first, second = error.grad.abs().flatten(1).sum(1).tolist()
    assert first == pytest.approx(second, rel=0.01)


def test_in_decibels_a_tenth_less_counts_alike(torch: Any) -> None:
    """Of two sequences, one with a tenth of the error: as much is gained by as large a share."""
    from models.spmc.train import decibels

    error = torch.ones(2, 3, 4, 5) * torch.tensor([0.2, 0.02]).reshape(2, 1, 1, 1)
    smaller = [error * torch.tensor(share).reshape(2, 1, 1, 1) for share in ([0.9, 1], [1, 0.9])]
    gained = [float(decibels(error) - decibels(each)) for each in smaller]
    assert gained == pytest.approx([-np.log(0.9)] * 2, rel=0.05)


@pytest.mark.parametrize("factor", ["2", "3", "4"])
def test_learns_at_every_factor(clips: Any, tmp_path: Path, factor: str) -> None:
    from models.spmc.data import Clips
    from models.spmc.train import Recipe, Run

    recipe = Recipe(TINY, [STAGE], {"bi": 1.0}, factors={factor: 1.0})
    run = Run(recipe, tmp_path / "checkpoint.pt")
    before = run.network.fusion.head.weight.detach().clone()
    psnr, gain = run.advance(Clips(clips, 4, 16, recipe.mixture))
    assert 0 < psnr < 60 and abs(gain) < 1  # a network that begins near bicubic
    after = run.network.fusion.head.weight.detach()
    assert not before.equal(after)
    averaged = run.average["fusion.head.weight"]
    assert (averaged - before.lerp(after, 1 - 2 / 51)).abs().max() < 1e-6  # soon after the start


def test_still_shots_stand_before_they_are_learnt_from(clips: Any, tmp_path: Path) -> None:
    from models.spmc.data import Clips
    from models.spmc.train import LEAST_REST, STILL_FRAMES, Recipe, Run

    recipe = Recipe(TINY, [STAGE], {"bi": 1.0}, stills=1.0)
    run, seen = Run(recipe, tmp_path / "still.pt"), []
    run.network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    run.network.register_forward_hook(lambda *parts: seen.append(parts[-1]))
    run.advance(Clips(clips, 4, 16, recipe.mixture))
    frames, outputs = seen
    assert frames.shape[1] >= LEAST_REST + STILL_FRAMES
    assert float((frames - frames[:, :1]).abs().max()) == 0
    assert outputs.shape[1:] == (STILL_FRAMES, 64, 64)


def trained(clips: Any, checkpoint: Path, *, stops: tuple[float, ...]) -> dict[str, Any]:
    """Weights after training that is begun anew from its checkpoint after each of STOPS, hours."""
    import torch

    from models.spmc.data import Clips
    from models.spmc.train import Recipe, Run, train

    mixture, factors = {"bi": 0.5, "contest": 0.5}, {"4": 0.5, "2": 0.5}
    recipe = Recipe(TINY, [STAGE], mixture, factors=factors, stills=0.5, seed=3)
    data = {(4, 16): Clips(clips, 4, 16, recipe.mixture)}
    for hours in stops:
        torch.manual_seed(0)
        run = Run(recipe, checkpoint)
        train(run, data, hours)
    assert run.step == STAGE["steps"]
    return run.network.state_dict()


def test_a_resumed_training_ends_as_an_uninterrupted_one(
    clips: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.common import sitting

    whole = trained(clips, tmp_path / "whole.pt", stops=(1.0,))
    ticks = iter(range(1000))  # seconds: every look at the clock takes one
    monkeypatch.setattr(sitting.time, "monotonic", lambda: float(next(ticks)))
    parts = trained(clips, tmp_path / "parts.pt", stops=(5 / 3600, 1.0))
    for name, value in whole.items():
        assert parts[name].equal(value), name


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_what_is_interrupted_keeps_every_step(
    clips: Any, torch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The signal comes in the middle of the second step, minutes before the next checkpoint."""
    from models.spmc.data import Clips
    from models.spmc.train import Recipe, Run, train

    recipe, checkpoint = Recipe(TINY, [STAGE], {"bi": 1.0}), tmp_path / "run.pt"
    run, data = Run(recipe, checkpoint), Clips(clips, 4, 16, recipe.mixture)
    sample, before = data.sample, signal.getsignal(getattr(signal, name))

    def interrupted(*given: Any) -> Any:
        if run.step == 1:
            signal.raise_signal(getattr(signal, name))
        return sample(*given)

    monkeypatch.setattr(data, "sample", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(run, {(4, 16): data}, 1.0)
    assert signal.getsignal(getattr(signal, name)) == before
    assert Run(recipe, checkpoint).step == 2


def test_an_ablation_goes_on_from_no_training_on_other_clips(
    torch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.spmc import ablation
    from models.spmc.data import store

    stage = {"rate": 1e-3, "batch": 1, "length": 2, "patch": 16}
    monkeypatch.setattr(ablation, "STAGE", stage)
    small = {name: TINY[name] for name in ("channels", "inner", "state", "score")}
    work = tmp_path / "work"
    for number, trained in enumerate((1, 2)):
        cache = tmp_path / str(number)
        cache.mkdir()
        noise = np.random.default_rng(number).integers(0, 255, (2, 64, 64), np.uint8)
        store(noise, cache / "a.npz")
        for _ in range(2):  # the same again goes on from what there is
            variants = ablation.VARIANTS[:1]
            ablation.ablation([], cache, work, 1, 1, variants, small)
            assert len(list(work.glob("SPMC_layer_1_*.pt"))) == trained


def test_a_checkpoint_of_another_network_stays(clips: Any, torch: Any, tmp_path: Path) -> None:
    from models.spmc.train import Recipe, Run

    checkpoint = tmp_path / "run.pt"
    Run(Recipe(TINY, [STAGE], {"bi": 1.0}), checkpoint).save()
    kept = checkpoint.read_bytes()
    with pytest.raises(InputError, match="another network: motion.levels.0.0.weight is"):
        Run(Recipe({}, [STAGE], {"bi": 1.0}), checkpoint)
    weights = tmp_path / "weights.pt"
    run = Run(Recipe(TINY, [STAGE], {"bi": 1.0}), tmp_path / "new.pt", start=checkpoint)
    torch.save(run.network.state_dict(), weights)
    with pytest.raises(InputError, match="weights.pt is no checkpoint"):
        Run(Recipe(TINY, [STAGE], {"bi": 1.0}), weights)
    with pytest.raises(InputError, match="run.pt holds weights of another network"):
        Run(Recipe({}, [STAGE], {"bi": 1.0}), tmp_path / "new.pt", start=checkpoint)
    with pytest.raises(InputError, match="holds the weights of another network"):
        Run(Recipe(TINY, [STAGE], {"bi": 1.0}), tmp_path / "new.pt", motion=weights)
    checkpoint.write_bytes(kept[:2000])
    with pytest.raises(InputError, match="or is damaged"):
        Run(Recipe(TINY, [STAGE], {"bi": 1.0}), checkpoint)


def test_what_a_checkpoint_is_gone_on_from_otherwise_is_told(torch: Any, tmp_path: Path) -> None:
    from models.spmc.train import Recipe, Run

    checkpoint, mixture = tmp_path / "run.pt", {"bi": 1.0}
    Run(Recipe(TINY, [STAGE], mixture), checkpoint).save()
    assert not Run(Recipe(TINY, [STAGE], mixture), checkpoint).changed
    changed = Run(Recipe(TINY, [STAGE], mixture, seed=3), checkpoint).changed
    assert changed == "; its recipe has changed since: seed is 3 now, was 0"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('loss = "root"', 'loss = "rooot"', "'rooot' is none of charbonnier, root, decibels"),
        ('loss = "root"', 'los = "root"', "'los' is nothing that a stage has"),
        ("rate = 2e-3, ", "", "a stage needs rate"),
        ("bd = 0.08", "bb = 0.08", "mixture are shares of"),
        ("2 = 0.2", "5 = 0.2", "factors are shares of 4, 3, 2"),
        ("patch = 32", "patch = 36", "patch 36 is no multiple of 8"),
        ("[network]", "[network]\nchannel = 16", "channel"),
        ("seed = 1", "sede = 1", "sede"),
        ("stages = [", "stages = [5,", "is no recipe"),
        ("[network]", "[network]\ninner = 16", "is no recipe"),
        ("seed = 1", "seed = ", "is no recipe"),
        ("seed = 1", 'seed = "x"', "seed must be a whole number, not 'x'"),
        ("stills = 0.06", "stills = nan", "stills must be a number, not nan"),
        ("steps = 2000", "steps = 0.5", "steps must be a whole number, not 0.5"),
        ('loss = "root"', 'motion = "x"', "motion must be a number, not 'x'"),
        ("bd = 0.08", 'bd = "x"', "mixture.bd must be a number, not 'x'"),
        ("bd = 0.08", "bd = -0.08", "mixture are shares of"),
        ("[network]", "[network]\nchannels = 16.5", "channels must be a whole number, not 16.5"),
        ("[network]", "[network]\nstate = 0", "channels above 0 everywhere"),
        ("[network]", "[network]\nmotion = []", "a network needs levels of motion"),
    ],
)
def test_a_recipe_that_would_fail_later_is_refused(
    torch: Any, tmp_path: Path, old: str, new: str, said: str
) -> None:
    """Also in its last stage, which comes after hours."""
    from models.spmc.train import read_recipe

    shipped = Path(__file__).parents[2] / "models" / "spmc" / "config" / "from_nothing.toml"
    assert read_recipe(shipped).stages
    text = shipped.read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "other.toml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(UsageError, match="other.toml") as refused:
        read_recipe(tmp_path / "other.toml")
    assert said in str(refused.value)


def test_added_blocks_begin_as_the_identity(torch: Any) -> None:
    from models.spmc.network import Spmc, SpmcConfig
    from models.spmc.train import begin_from

    few, more = Spmc(SpmcConfig(**TINY)), Spmc(SpmcConfig(**{**TINY, "inner": (16, 16, 16)}))
    begin_from(more, few.state_dict())
    frames = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(few(frames), more(frames))
    more(frames).sum().backward()
    assert float(more.fusion.body[2].second.weight.grad.abs().max()) > 0
    with pytest.raises(ValueError, match="another network: fusion.body.1"):
        begin_from(few, more.state_dict())
    wider = Spmc(SpmcConfig(**{**TINY, "state": 8}))
    with pytest.raises(ValueError, match="another network: fusion.merge.weight is"):
        begin_from(wider, few.state_dict())
    with pytest.raises(ValueError, match="another network: motion"):
        begin_from(more, {n: v for n, v in few.state_dict().items() if "motion" not in n})


def test_a_batch_without_any_error_has_a_psnr(torch: Any) -> None:
    from models.spmc.train import gain

    flat = torch.full((1, 2, 16, 16), 0.5)
    assert gain(flat, flat, flat[..., ::4, ::4]) == pytest.approx((100.0, 0.0))


def test_processes_share_their_gradients(torch: Any, tmp_path: Path) -> None:
    script = tmp_path / "peers.py"
    script.write_text(PEERS)
    run = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", str(script)]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        run,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | {"PYTHONPATH": root},
    )
    assert done.stdout.count("agreed") == 2, done.stderr


@pytest.mark.parametrize("device", ["fast", "cuda:99"])
def test_a_device_that_torch_cannot_use_is_told(torch: Any, device: str) -> None:
    from models.spmc.train import Peers

    with pytest.raises(UsageError, match=f"cannot use the device '{device}'"):
        Peers().own(device)


def test_a_target_that_cannot_be_written_is_found_before_the_work(tmp_path: Path) -> None:
    from models.common.command import check_target

    check_target(tmp_path / "run.pt")
    with pytest.raises(UsageError, match="is no folder"):
        check_target(tmp_path / "none" / "run.pt")
    with pytest.raises(UsageError, match="is a folder"):
        check_target(tmp_path)


def test_a_checkpoint_that_finds_no_room_is_told(torch: Any, tmp_path: Path) -> None:
    """What was there stays, and nothing else lies about."""
    resource = pytest.importorskip("resource", reason="the limit is one of Unix")
    from models.common.weights import save, stored

    path, before = tmp_path / "run.pt", resource.getrlimit(resource.RLIMIT_FSIZE)
    save({"step": torch.tensor(1)}, path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OSError) as failed:
            save({"step": torch.zeros(10_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert failed.value.filename == str(path)
    assert int(stored(path)["step"]) == 1
    assert [*tmp_path.iterdir()] == [path]
