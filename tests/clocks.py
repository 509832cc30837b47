"""
A wall clock that tests set, in place of the module ``time``.
"""

import time


class Clock:
    """
    As the module ``time``, but for the time of day.
    """

    def __init__(self):
        self.now = time.time()

    def __getattr__(self, name):
        return getattr(time, name)

    def time(self):
        """
        Seconds since 1970, as *now* says.
        """
        return self.now

    def gmtime(self, *args):
        """
        That as UTC.
        """
        return time.gmtime(*(args or (self.now,)))
