"""The page: draw a digit, and see what two networks predict and where they look.

    python app.py

CAMLOSS_CHECKPOINTS names another folder of checkpoints than the one beside this file. CAMLOSS_HUB_REPO names a pair on
the Hugging Face Hub (USER/NAME or USER/NAME@REVISION, as pushed by `camloss push`) that replaces the first pair
as soon as it is loaded.
"""

from camloss import cli
from camloss.demo import launch


def main() -> None:
    from camloss.demo import LAUNCH, demo

    launch.run(demo, LAUNCH)


if __name__ == "__main__":
    cli.run(main)
else:  # for whoever imports the page
    from camloss.demo import LAUNCH, demo  # noqa: F401
