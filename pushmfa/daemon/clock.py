"""The one place that reads a clock; everything else is told what time it is."""

import time

from pushmfa.login.moment import Moment


class Clock:
    """The boot clock, which runs on during suspend, and the wall clock."""

    def now(self) -> Moment:
        """Return one reading of both, in seconds."""
        return Moment(boot=time.clock_gettime(time.CLOCK_BOOTTIME), wall=time.time())
