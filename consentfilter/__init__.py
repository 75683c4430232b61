"""Decide, and prove, which records may train a model."""

from __future__ import annotations

__version__ = "0.1.0"
