"""Forms of equations that are recognised and run faster than their text: leaky and gated networks."""
