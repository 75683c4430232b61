"""`python -m consentfilter`: the same as the `consentfilter` command."""

from __future__ import annotations

from consentfilter.cli.main import main

if __name__ == "__main__":
    main()
