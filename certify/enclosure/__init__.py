"""Rigorous enclosures of tapes on boxes, in float64 with the rounding accounted for."""
