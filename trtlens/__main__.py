"""`python -m trtlens` is `trtlens`. In: arguments. Out: an exit code. Next: cli.py."""

from .cli import main

if __name__ == "__main__":
    main()
