"""Many runs: the search for how a student is best built and taught."""
