"""Entry point of the analysis job; it stands at the top of the code archive."""

import sys

from training.analysis.job import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
