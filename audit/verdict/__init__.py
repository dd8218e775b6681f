"""What matters most of what an audit found: a ranked list of lines, from one file per cause in `causes`."""
