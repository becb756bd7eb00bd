"""`python -m goplugin_py`."""

import sys

from goplugin_py.cli import main

sys.exit(main())
