"""What every test shares: the same examples on every run, so that main is green or is not.

STABLEPROOF_EXPLORE=1 lets hypothesis draw new examples; a finding becomes an example of its own.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("explore" if os.environ.get("STABLEPROOF_EXPLORE") else "steady")
