"""The one exception for problems that the user can solve."""


class CamlossError(ValueError):
    """Something outside the code is wrong; `str(error)` is one line that says what, and what to do next.

    Command lines print that line and exit with `exit_code` instead of showing a traceback.
    """

    exit_code = 2
