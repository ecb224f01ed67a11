"""What is asked of a model: one file a task, the body it may move, and what perturbs it."""
