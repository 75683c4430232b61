"""Consent: events, the snapshot derived from them, and what stands beside it."""
