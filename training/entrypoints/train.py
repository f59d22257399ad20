"""Entry point of the training job; it stands at the top of the code archive."""

import sys

from training.job import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
