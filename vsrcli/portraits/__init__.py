"""Stills: portraits read, faces found, predicted edits taken back, pictures written."""
