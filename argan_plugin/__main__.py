"""``python -m argan_plugin`` does what ``argan`` does."""

import sys

from argan_plugin.cli import main

sys.exit(main())
