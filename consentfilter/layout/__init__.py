"""How a table of any layout is read as the standard columns; see `binding`."""
