"""Docs are tested: generated where they can be, executed where they tell commands."""
