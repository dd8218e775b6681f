"""The numbers that the options of every command that trains take."""

from __future__ import annotations

from imageclinic.core.option_fields import Range, whole

#: Epochs; images a step; sides in pixels; paired runs of each arm; last stages of a network that are trained as well.
EPOCHS = whole(1, 1_000_000)
BATCH = whole(1, 1_000_000)
SIDE = whole(8, 4096)
RUNS = whole(1, 1000)
STAGES = whole(0, 1000)
#: Learning rates; penalties and weight decay; dropout.
RATE = Range(0, 100, above=True)
PENALTY = Range(0, 100)
DROPOUT = Range(0, 1, below=True)
#: Budgets in minutes: up to a year.
BUDGET = Range(0, 525_600, above=True)
