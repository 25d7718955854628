"""Colours, glyphs and words."""
