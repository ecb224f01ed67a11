"""The noun Model: card fields, equations with units, weight rules, the catalogue of shipped cards, and edits that make one model of another."""
