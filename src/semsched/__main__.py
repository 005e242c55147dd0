"""`python -m semsched` is `semsched`."""

import sys

from semsched.cli import main

sys.exit(main())
