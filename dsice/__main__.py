"""``python -m dsice`` is the command ``dsice``."""

import sys

from dsice.cli import main

if __name__ == "__main__":
    sys.exit(main())
