"""What both networks' folders use."""

import models.common.missing  # noqa: F401  # first of all: it says what is not installed
