"""The component regression network: one shared trunk, one branch for every component.

After Chen, Shen, Jia: Makeup-Go: Blind Reversion of Portrait Edit, ICCV 2017. Four differences:

- A trunk that sees 19 pixels cannot tell a fair face from a whitened one. The head
  (models.crn.tone) looks at the whole picture first and undoes its tone; the components regress
  what is left, and count as much as the head takes the picture for edited.
- A second, wide view works on the picture reduced by 16, with its mean and spread over the whole,
  and is handed to the trunk.
- The trunk works on 2 x 2 blocks of pixels, at a quarter of the cost.
- The many smallest components are grouped into three branches instead of one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.crn.components import GROUPS
from models.crn.tone import MULTIPLE, REDUCE, TRACES, Tone, Verdict, change, looked_at, textures

__all__ = ["MULTIPLE", "REDUCE", "Crn", "CrnConfig"]
BLOCK = 2


@dataclass(frozen=True)
class CrnConfig:
    """Sizes of the network."""

    channels: int = 48
    dilations: tuple[int, ...] = (1, 2, 4, 8, 4, 2, 1)
    branch: int = 12
    wide: int = 32
    hint: int = 16
    """Channels the wide view hands over."""

    @property
    def halo(self) -> int:
        """Pixels around a place that its output depends on, the wide view apart."""
        return BLOCK * (1 + sum(self.dilations) + 3) + 1


class Wide(nn.Module):
    """The picture reduced by 16, what the head adds and its texture -> hints for every place.

    Also from the mean and the spread over the whole: how much a face was smoothed is seen on all of
    it, not on the few pixels the trunk sees.
    """

    def __init__(self, config: CrnConfig) -> None:
        super().__init__()
        width = config.wide
        self.enter = nn.Conv2d(6 + TRACES, width, 3, padding=1)
        self.near = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=reach, dilation=reach) for reach in (1, 2, 4)
        )
        self.far = nn.Linear(2 * width, width)
        self.last = nn.Conv2d(width, width, 3, padding=1)
        self.leave = nn.Conv2d(width, config.hint, 1)

    def forward(self, small: Tensor, added: Tensor, traces: Tensor) -> Tensor:
        """SMALL, ADDED [n, 3, h, w], TRACES of the face, 0 elsewhere -> hints [n, hint, h, w]."""
        seen = F.relu(self.enter(torch.cat([small * 4 - 2, added * 8, traces], dim=1)))
        for layer in self.near:
            seen = seen + F.relu(layer(seen))
        mean = seen.mean((2, 3))
        spread = ((seen - mean[:, :, None, None]).square().mean((2, 3)) + 1e-4).sqrt()
        everywhere = self.far(torch.cat([mean, spread], dim=1))
        seen = F.relu(seen + everywhere[:, :, None, None])
        return self.leave(seen + F.relu(self.last(seen)))


class Crn(nn.Module):
    """RGB [n, 3, H, W], 0..1 -> the predicted discrepancy [n, 1 + groups, 3, H, W], and evidence.

    First what the head adds, then the components of what is left. Evidence [n] is the log odds that
    the picture was edited at all.
    """

    scales: Tensor

    def __init__(self, scales: Tensor, config: CrnConfig = CrnConfig()) -> None:
        """SCALES [groups]: what the branches' outputs, of unit variance, are multiplied by."""
        super().__init__()
        self.config = config
        width, narrow, groups = config.channels, config.branch, len(GROUPS)
        self.register_buffer("scales", scales.clone())
        self.tone = Tone()
        self.wide = Wide(config)
        self.enter = nn.Conv2d(3 * BLOCK**2 + config.hint, width, 3, padding=1)
        self.enter_slope = nn.PReLU(width)
        self.trunk = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=reach, dilation=reach) for reach in config.dilations
        )
        self.slopes = nn.ModuleList(nn.PReLU(width) for _ in config.dilations)
        # The branches side by side: grouped convolutions keep them apart.
        both = narrow * groups
        self.shrink = nn.Conv2d(width, both, 1)
        self.shrink_slope = nn.PReLU(both)
        self.map = nn.ModuleList(nn.Conv2d(both, both, 3, padding=1, groups=groups) for _ in "ab")
        self.map_slopes = nn.ModuleList(nn.PReLU(both) for _ in "ab")
        self.leave = nn.Conv2d(both, 3 * BLOCK**2 * groups, 3, padding=1, groups=groups)
        nn.init.zeros_(self.leave.bias)
        nn.init.normal_(self.leave.weight, std=0.01)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """PICTURE [n, 3, H, W], H and W multiples of 32."""
        small = F.avg_pool2d(picture, REDUCE)
        seen_at = looked_at(small)
        traces = textures(picture) * seen_at
        verdict = self.tone(small, traces, seen_at)
        hints = enlarged(around(self.hints(small, verdict, traces)), REDUCE // BLOCK)
        maps = enlarged(around(torch.cat([verdict.where, verdict.rest], dim=1)), REDUCE)
        return self.both(picture, verdict, maps, hints), verdict.evidence

    def on_crops(
        self, crops: Tensor, small: Tensor, traces: Tensor, corners: list[tuple[int, int]]
    ) -> Tensor:
        """As `forward`, of CROPS whose whole pictures, reduced by 16, are SMALL.

        TRACES [n, c, h, w] is the texture of the faces on them (textures), 0 elsewhere. CORNERS
        are the crops' top left pixels, multiples of 16. The head is not trained by this.
        """
        with torch.no_grad():
            at = looked_at(small).expand(len(small), -1, -1, -1)
            verdict = self.tone(small, traces, at)
        hinted = self.hints(small, verdict, traces)
        whole = (hinted, torch.cat([verdict.where, verdict.rest], dim=1))
        rows, columns = (extent // REDUCE + 2 for extent in crops.shape[2:])
        hints, maps = (
            torch.stack(
                [
                    each[:, top // REDUCE :, left // REDUCE :][:, :rows, :columns]
                    for each, (top, left) in zip(around(view), corners, strict=True)
                ]
            )
            for view in whole
        )
        return self.both(crops, verdict, enlarged(maps, REDUCE), enlarged(hints, REDUCE // BLOCK))

    def hints(self, small: Tensor, verdict: Verdict, traces: Tensor) -> Tensor:
        """What the wide view hands over [n, hint, h, w]."""
        added = change(small, verdict.curves, verdict.where, verdict.rest)
        return self.wide(small, added, traces)

    def both(self, picture: Tensor, verdict: Verdict, maps: Tensor, hints: Tensor) -> Tensor:
        """[n, 1 + groups, 3, H, W]; MAPS are the head's, at PICTURE's size."""
        added = change(picture, verdict.curves.float(), maps[:, :1].float(), maps[:, 1:].float())
        share = torch.sigmoid(verdict.evidence.float())[:, None, None, None, None]
        left = self.branches(picture + added, hints) * share
        return torch.cat([added[:, None], left], dim=1)

    def branches(self, picture: Tensor, hints: Tensor) -> Tensor:
        """The trunk and its branches; HINTS [n, hint, H/2, W/2]."""
        seen = torch.cat([F.pixel_unshuffle(picture * 4 - 2, BLOCK), hints], dim=1)
        seen = self.enter_slope(self.enter(seen))
        for layer, slope in zip(self.trunk, self.slopes, strict=True):
            seen = seen + slope(layer(seen))
        seen = self.shrink_slope(self.shrink(seen))
        for layer, slope in zip(self.map, self.map_slopes, strict=True):
            seen = slope(layer(seen))
        parts = F.pixel_shuffle(self.leave(seen), BLOCK).float()
        return parts.unflatten(1, (len(GROUPS), 3)) * self.scales[:, None, None, None]


def around(view: Tensor) -> Tensor:
    """VIEW [n, c, h, w] with a margin of one."""
    return F.pad(view, [1] * 4, mode="replicate")


def enlarged(padded: Tensor, factor: int) -> Tensor:
    """PADDED [n, c, h + 2, w + 2], bilinear to FACTOR times the size, without its margin."""
    fine = F.interpolate(padded, scale_factor=factor, mode="bilinear", align_corners=False)
    return fine[:, :, factor:-factor, factor:-factor]
