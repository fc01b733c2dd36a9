"""The programs of models/crn end in a sentence where a file, folder or recipe is wrong."""

from __future__ import annotations

import importlib
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

Run = Callable[..., str]
HEAD = "file,group,split,face_height\n"


@pytest.fixture
def run(torch: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a program of models.crn: what it says when it fails, "" if it does not."""

    def started(name: str, *arguments: object) -> str:
        monkeypatch.setattr("sys.argv", [name, *map(str, arguments)])
        try:
            importlib.import_module(f"models.crn.{name}").main()
        except SystemExit as ended:
            return str(ended.code)
        return ""

    return started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of portraits: a damaged one, one that is missing and two of one name without a face."""
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8 no picture")
    for name in ("b.png", "b.jpg"):
        Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / name)
    rows = "".join(
        f"{name},g,{split},300\n"
        for split in ("train", "test")
        for name in ("a.jpg", "none.jpg", "b.png", "b.jpg")
    )
    (tmp_path / "manifest.csv").write_text(HEAD + rows, encoding="utf-8")
    return tmp_path


def face(path: Path, versions: int = 5, apps: int = 2, light: int = 120) -> None:
    """A face of a cache, as models.crn.data keeps it."""
    from models.crn.canvas import CANVAS

    pictures = np.full((1 + versions + apps, *CANVAS, 3), light, np.uint8)
    np.savez(path, pictures=pictures, skin=np.full(CANVAS, 255, np.uint8), sharp=True, apps=apps)


def test_a_portrait_of_sixteen_bits_is_not_white(torch: Any, tmp_path: Path) -> None:
    from models.crn.canvas import read

    picture = np.random.default_rng(0).integers(0, 256, (40, 48), np.uint8)
    Image.fromarray(picture.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    assert np.array_equal(read(tmp_path / "deep.png"), np.dstack([picture] * 3))


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (None, "manifest.csv is missing"),
        ("file,split,face_height\n", "has no column called group"),
        (HEAD + "a.jpg,g,train,tall\n", "manifest.csv, line 2: could not convert"),
        (HEAD + "a.jpg,g,train\n", "manifest.csv, line 2: "),
        (HEAD + "a.jpg,g,train,40\n", "face_height of 250 or more"),
        (HEAD + "a.jpg,g,Train,300\n", "manifest.csv, line 2: split 'Train' is none of"),
    ],
)
def test_a_manifest_that_is_none_is_told(
    run: Run, tmp_path: Path, manifest: str | None, said: str
) -> None:
    if manifest is not None:
        (tmp_path / "manifest.csv").write_text(manifest, encoding="utf-8")
    assert said in run("data", "--portraits", tmp_path, "--cache", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_pictures_that_cannot_be_read_are_left_out_and_named(
    torch: Any, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from models.crn.canvas import portraits
    from models.crn.data import keep, named_apart

    rows = list(named_apart(portraits(folder, "train")))
    assert [row["file"] for row in rows] == ["a.jpg", "none.jpg", "b.png"]
    assert not any(keep(folder, folder, 1, 1, row) for row in rows)
    told = capsys.readouterr().err
    for said in ("a.jpg is no picture", "none.jpg is missing", "b.jpg: b.png goes by the same"):
        assert said in told


def test_a_cache_that_is_none_is_told(run: Run, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    assert "no faces; run python -m models.crn.data" in run("components", "--cache", cache)
    (cache / "a.npz").write_bytes(b"PK\x03\x04 half of it")
    assert "a.npz is damaged" in run("components", "--cache", cache)
    np.savez(cache / "a.npz", hr=np.zeros(3))
    assert "a.npz is no face" in run("components", "--cache", cache)
    face(cache / "a.npz")
    face(cache / "b.npz", apps=3)
    assert "different --versions or --apps" in run("components", "--cache", cache)
    assert run("components", "--cache", cache, "--pairs", 0) == "2"
    (tmp_path / "manifest.csv").write_text(f"{HEAD}a.jpg,g,train,300\n", encoding="utf-8")
    told = run("data", "--portraits", tmp_path, "--cache", cache, "--versions", 4)
    assert "holds faces made with --versions 5 --apps 2: give these or another --cache" in told


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('loss = "beauty"', "loss 'beauty' is none of"),
        ("crop = 100", "crop must be a multiple of 16"),
        ("crop = 2000", "crop must be a multiple of 16"),
        ("steps = 0", "steps must be above 0"),
        ("beauty = 1", "beauty"),
        ("seed = 'x'", "seed must be a whole number, not 'x'"),
        ("steps = 2.5", "steps must be a whole number, not 2.5"),
        ("final_rate = inf", "final_rate must be a number, not inf"),
        ("head = 3", "head must be text, not 3"),
        ('head = "none.pt"', "none.pt is missing; python -m models.crn.train_tone"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_told(
    run: Run, tmp_path: Path, change: str, said: str
) -> None:
    facts = {"loss": '"plain"', "steps": 2, "batch": 1, "crop": 64, "rate": 1e-3, "final_rate": 0.1}
    name, value = change.split(" = ")
    recipe = tmp_path / "own.toml"
    lines = (facts | {name: value}).items()
    recipe.write_text("".join(f"{key} = {text}\n" for key, text in lines), encoding="utf-8")
    assert said in run("train", recipe, "--cache", tmp_path)


def test_weights_of_another_network_are_told(run: Run, torch: Any, tmp_path: Path) -> None:
    from models.crn.tone import Tone

    head, recipe = tmp_path / "tone.pt", tmp_path / "own.toml"
    torch.save(Tone().state_dict(), head)
    spmc = Path(__file__).parents[2] / "models" / "spmc" / "weights.pt"
    facts = 'loss = "plain"\nsteps = 2\nbatch = 1\ncrop = 64\nrate = 1e-3\nfinal_rate = 0.1\n'
    for name in ("head", "start"):
        own = {"head": head, "start": ""} | {name: spmc}
        text = facts + "".join(f'{key} = "{path}"\n' for key, path in own.items())
        recipe.write_text(text, encoding="utf-8")
        told = run("train", recipe, "--cache", tmp_path)
        assert "weights.pt holds the weights of another network" in told
    recipe.write_text(facts + f'head = "{head}"\n', encoding="utf-8")
    told = run("train", recipe, "--cache", tmp_path, "--checkpoint", head)
    assert "no checkpoint of a training" in told


def test_weights_of_other_components_are_told(run: Run, torch: Any, tmp_path: Path) -> None:
    """Their losses and what an exported file says of itself would be of the wrong ones."""
    from models.common.weights import save, stored
    from models.crn.export import HERE

    shipped = stored(HERE / "weights.pt")
    other, recipe, head = (tmp_path / name for name in ("other.pt", "own.toml", "head.pt"))
    save(shipped | {"scales": shipped["scales"] * 2}, other)
    refused = "other.pt was trained on other components than components.npz"
    assert refused in run("export", "--weights", other, "--out", tmp_path / "own.onnx")
    assert not (tmp_path / "own.onnx").exists()
    save({k[5:]: v for k, v in shipped.items() if k.startswith("tone.")}, head)
    facts = 'loss = "plain"\nsteps = 2\nbatch = 1\ncrop = 64\nrate = 1e-3\nfinal_rate = 0.1\n'
    recipe.write_text(f'{facts}head = "{head}"\n', encoding="utf-8")
    begun = {"step": 1, "weights": stored(other), "average": {}, "optimiser": {}}
    save(begun, other)
    assert refused in run("train", recipe, "--cache", tmp_path, "--checkpoint", other)
    recipe.write_text(f'{facts}head = "{head}"\nstart = "{other}"\n', encoding="utf-8")
    save(begun["weights"], other)
    given = ("--cache", tmp_path, "--checkpoint", tmp_path / "new.pt")
    assert refused in run("train", recipe, *given)


def test_an_interrupted_training_keeps_every_step(torch: Any) -> None:
    from models.crn.train import train

    class Run:
        """Of a training whose second step Ctrl-C is pressed in."""

        recipe, step, saved = SimpleNamespace(steps=9), 0, 0

        def advance(self, faces: object) -> Any:
            self.step += 1
            if self.step == 2:
                signal.raise_signal(signal.SIGINT)
            return torch.zeros(2)

        def save(self) -> None:
            self.saved = self.step

    run: Any = Run()
    with pytest.raises(KeyboardInterrupt):
        train(run, None, 1.0)  # type: ignore[arg-type]
    assert run.saved == run.step == 2


def test_views_are_whole_or_told(run: Run, tmp_path: Path) -> None:
    views, out = tmp_path / "views.npz", ("--out", tmp_path / "out.pt", "--steps", 1)
    views.write_bytes(b"PK\x03\x04 half of it")
    given = ("--cache", tmp_path, "--views", views)
    assert "views.npz is damaged" in run("train_tone", *given, *out)
    np.savez(views, small=np.zeros(3))
    assert "has no truth" in run("train_tone", *given, *out)
    assert not (tmp_path / "out.pt").exists()


def test_views_of_other_faces_are_not_taken(
    run: Run, torch: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from models.crn import train_tone
    from models.crn.tone import Tone

    ours, others, views = tmp_path / "ours", tmp_path / "others", tmp_path / "views.npz"
    for cache, light in ((ours, 120), (others, 121)):
        cache.mkdir()
        face(cache / "a.npz", 1, 1, light)
    torch.save(Tone().state_dict(), tmp_path / "head.pt")
    monkeypatch.setattr(train_tone, "report", lambda _, views: len(views.small))
    given = ("--views", views, "--processes", 1, "--steps", 0, "--start", tmp_path / "head.pt")
    assert run("train_tone", "--cache", ours, *given, "--count", 2) == ""
    assert "2 views, but --count is 3" in run("train_tone", "--cache", ours, *given, "--count", 3)
    told = run("train_tone", "--cache", others, *given, "--count", 2)
    assert "views.npz holds views of other faces than" in told


def test_a_regression_needs_pairs_of_every_kind(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from models.crn import detector

    one = detector.Samples(np.zeros((2, 10)), np.ones(2, bool), np.ones(2, bool), np.ones((2, 3)))
    monkeypatch.setattr(detector, "samples", lambda *_: one)
    monkeypatch.setattr(detector, "DETECTOR", tmp_path / "detector.json")
    assert "give more --pairs" in run("detector", "--cache", tmp_path)
    assert not any(tmp_path.iterdir())


def test_curves_are_fitted_on_others(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from models.crn import evaluate

    monkeypatch.setattr(evaluate, "tested", lambda *_: [None])
    given = ("--portraits", tmp_path, "--cache", tmp_path, "--sets", "people,phone")
    assert "need two people" in run("evaluate", *given)


def test_an_evaluation_of_nobody_is_told(run: Run, folder: Path) -> None:
    given = ("--portraits", folder, "--cache", folder)
    assert run("evaluate", *given, "--sets", "people,beauty") == "2"
    assert "a.jpg is no picture" in run("evaluate", *given)
    rows = HEAD + "b.png,g,test,300\n"
    (folder / "manifest.csv").write_text(rows, encoding="utf-8")
    assert 'in none of 1 portraits of split "test" is a face' in run("evaluate", *given)
    assert "none.pt is missing" in run("evaluate", *given, "--weights", folder / "none.pt")


def test_crops_of_too_few_people_are_told(run: Run, folder: Path, tmp_path: Path) -> None:
    assert "manifest.csv is missing" in run("crops", "--portraits", tmp_path / "none")
    assert "a.jpg is no picture" in run("crops", "--portraits", folder)
    rows = HEAD + "b.png,g,test,300\n"
    (folder / "manifest.csv").write_text(rows, encoding="utf-8")
    assert "two people are needed" in run("crops", "--portraits", folder)
    assert run("crops", "--portraits", folder, "--people", 0) == "2"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("detector", ("--processes", 0)),
        ("detector", ("--pairs", 0)),
        ("train_tone", ("--count", 0)),
        ("train_tone", ("--processes", 0)),
        ("train_tone", ("--steps", -1)),
    ],
)
def test_counts_that_are_none_are_refused(
    run: Run, tmp_path: Path, name: str, wrong: tuple[str, int]
) -> None:
    views = ("--views", tmp_path / "views.npz") if name == "train_tone" else ()
    assert run(name, "--cache", tmp_path, *views, *wrong) == "2"
    assert not any(tmp_path.iterdir())


def test_the_curve_to_beat_is_the_best_on_what_is_measured(
    torch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole canvases: fitted on crops of skin it was worse there, and so easier to beat."""
    from models.crn.canvas import CANVAS
    from models.crn.data import Draw, Faces
    from models.crn.evaluate import fitted

    face(tmp_path / "a.npz")
    faces = Faces(tmp_path, 128, kinds={"both": 1.0})
    grey = np.full((*CANVAS, 3), 120 / 255, np.float32)
    around = grey.copy()
    around[200:700, 200:600] += 0.2  # the skin alone was darkened

    def cut(drawn: Draw, rows: slice, columns: slice) -> Any:
        return around[rows, columns], grey[rows, columns]

    monkeypatch.setattr(faces, "cut", cut)
    found = fitted(faces, 12)(grey)
    assert found.mean() == pytest.approx(around.mean(), abs=1e-4)
