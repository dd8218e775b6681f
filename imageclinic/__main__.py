"""`python -m imageclinic` is the command line."""

from imageclinic.cli.app import main

main()
