"""`python -m contractive` is the command line."""

from contractive.cli import main

if __name__ == "__main__":
    main()
