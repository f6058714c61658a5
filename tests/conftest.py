"""How much hypothesis tries: the same everywhere, and in CI always the same."""

import os

from hypothesis import settings

# No deadline: a shared machine is slow now and then, which is no failure.
settings.register_profile("pushmfa", deadline=None)
settings.register_profile("pushmfa-ci", deadline=None, derandomize=True)
settings.load_profile("pushmfa-ci" if "CI" in os.environ else "pushmfa")
