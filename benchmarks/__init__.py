"""Measurements: the filter beside what a user would write instead."""
