"""Deciding: compile policy and consent into an index, then look records up."""
