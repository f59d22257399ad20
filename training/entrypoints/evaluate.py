"""Entry point of the evaluation job; it stands at the top of the code archive."""

import sys

from training.evaluation.job import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
