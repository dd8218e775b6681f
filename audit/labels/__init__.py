"""How likely each label is wrong: checked probabilities, confident learning, the noise model."""
