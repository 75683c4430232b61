"""What people are told about a release: the HTML report, replay and re-check."""
