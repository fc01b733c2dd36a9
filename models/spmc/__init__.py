"""The x4 network of `vsr upscale`: definition, training and export."""

import models.common.missing  # noqa: F401  # first of all: it says what is not installed
