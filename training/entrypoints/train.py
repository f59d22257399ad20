"""Entry point of the training job; it stands at the top of the code archive."""

import sys
import time

if __name__ == "__main__":
    started = time.monotonic()
    from training.job import main  # importing torch takes seconds, which the job counts as set-up

    sys.exit(main(sys.argv[1:], started))
