"""``python -m dsice.cli`` is the command ``dsice``."""

import sys

from dsice.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
