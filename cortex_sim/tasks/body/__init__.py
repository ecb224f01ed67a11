"""What a motor cortex moves: arms, muscles and the body that both make, on NumPy arrays and torch tensors alike."""
