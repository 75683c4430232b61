"""Engines: read parts, decide them, write a release; the rim where I/O happens."""
