"""Files <-> frames and packets. The room that imports av, all but alone."""
