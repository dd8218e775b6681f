"""One file per experiment: a `QUESTION`; `RUNS`, about how many runs of the recipe it takes, some and some more for
each seed; and `run(lab)`, which answers the question and says with which lab to go on."""
