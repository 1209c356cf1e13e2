"""``python -m evaluator.cli`` is ``touchstone``, wherever the package is importable."""

import sys

from evaluator.cli import main

sys.exit(main())
