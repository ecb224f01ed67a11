"""Sizes of networks, counted by hand."""

from cortex_sim.cards import learned_numbers, load, nearest_in_size, operations_per_step


def test_numbers_and_operations_of_a_network_of_context_units_are_those_counted_by_hand() -> None:
    network = load("elman_1990").with_arrays({}, units=5, observed=2, channels=3)
    biases = sum(network.size(part.over) for part in network.parameters.values() if part.learn and part.over)
    assert learned_numbers(network) == 5 * 5 + 5 * 3 + 2 * 5 + biases
    assert operations_per_step(network) == 2 * (5 * 5 + 5 * 3 + 2 * 5)


def test_a_budget_that_is_met_exactly_gives_the_network_it_was_taken_from() -> None:
    def of(units: int) -> "object":
        return load("gru").with_arrays({}, units=units, observed=2, channels=3)

    assert nearest_in_size(of, learned_numbers(of(7))).units == 7  # type: ignore[arg-type, attr-defined]
