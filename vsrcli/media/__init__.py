"""Files <-> frames and packets. The only room that imports av."""
