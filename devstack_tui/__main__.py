"""`python -m devstack_tui`: the same as the `devstack-tui` command."""

import sys

from devstack_tui.cli.main import main

sys.exit(main())
