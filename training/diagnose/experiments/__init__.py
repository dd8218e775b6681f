"""One file per experiment: a `QUESTION`, and `run(lab)`, which answers it and says with which lab to go on."""
