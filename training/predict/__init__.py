"""Out-of-fold class probabilities: linear heads on embeddings, or a network per fold."""
