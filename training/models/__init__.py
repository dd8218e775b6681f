"""The networks: the capacity ladder, pretrained backbones, augmentation, optimizers."""
