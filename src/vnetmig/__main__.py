"""`python -m vnetmig`: the same as the command `vnetmig`."""

from __future__ import annotations

from vnetmig.cli import main

if __name__ == "__main__":
    main(prog_name="vnetmig")
