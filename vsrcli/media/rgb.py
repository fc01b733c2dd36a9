"""Y'CbCr video as the RGB that pictures of it hold."""

from __future__ import annotations

from dataclasses import replace

from vsrcli.media.colour import RGB, SWSCALE
from vsrcli.media.formats import PixelLayout, layout_of
from vsrcli.media.planes import (
    FULL_RANGE,
    UNSPECIFIED,
    ColourTags,
    Frame,
    from_video_frame,
)
from vsrcli.media.repack import CONVERTIBLE, Repacker, assumed_matrix


class RgbFrames:
    """Converts the frames of one Y'CbCr stream to planes of 8 or 16 bits, with its alpha."""

    def __init__(self, layout: PixelLayout, tags: ColourTags, size: tuple[int, int]) -> None:
        """`layout` and `tags` are those of the frames; `size` (width, height) tells the matrix of
        untagged ones.
        """
        name = "gbrap" if layout.alpha else "gbrp"
        self.layout = layout_of(name if layout.depth == 8 else f"{name}16le")
        """Of the frames made."""
        self._tags = replace(tags, matrix=RGB, range=FULL_RANGE, chroma_location=0)
        self._repack = Repacker(known_tags(tags, size), self.layout.pix_fmt, self._tags)

    def __call__(self, frame: Frame) -> Frame:
        """Return `frame` in RGB, with its times and index."""
        planes = from_video_frame(self._repack(frame)).planes
        return replace(frame, planes=planes, layout=self.layout, tags=self._tags)


def known_tags(tags: ColourTags, size: tuple[int, int]) -> ColourTags:
    """`tags` with the matrix that players assume of untagged video of `size` (width, height)."""
    if tags.matrix not in (UNSPECIFIED, RGB):
        return tags
    return replace(tags, matrix=assumed_matrix(size))


def wrong_colours(layout: PixelLayout, tags: ColourTags) -> list[str]:
    """What to say of frames whose matrix swscale does not know, as YCgCo (8), or not rightly."""
    if layout.kind != "yuv" or tags.matrix in (UNSPECIFIED, RGB, *CONVERTIBLE):
        return []
    near = "BT.2020 without constant luminance" if tags.matrix in SWSCALE else "BT.601"
    return [
        f"the colour matrix {tags.matrix} cannot be converted and is taken as {near}: the colours "
        "of the pictures are wrong"
    ]
