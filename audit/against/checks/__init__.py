"""What is looked for in new images, a file each. The file `name.py` is the check `name`: its function `find` asks for
inputs by its parameters' names (see `audit.against.run_checks.INPUTS`) and returns rows of the issues table; `URGENCY`
says what is shown first, `ABOUT` what it is about, `LINE` how it is summed up."""
