"""Published properties of circuits, as claims of the protocols that use them."""

from cortex_sim.analysis import Preferred
from cortex_sim.cards import Model, spectral_abscissa
from cortex_sim.report import Claim
from cortex_sim.simulation import recurrent_projections

STABILITY_OPTIMISED = {
    "spectral abscissa": (0.14, 0.15, "0.14999"),
    "largest evoked energy": (10.5, 13.0, "12.08"),
    "directions that evoke more than an unconnected circuit": (122, 136, "129"),
    "mean evoked energy": (2.2, 2.5, "2.378"),
}
UNITS = 200  # of the published circuit
SOURCE = "authors' matrix (data.mat of Stroud et al. 2018): {}; band about it, narrower than the spread over random draws"


def published_properties(model: Model, preferred: Preferred) -> list[Claim]:
    """Return claims about published properties of a circuit: for the stability-optimised one at the size of the paper; none for others.

    Args:
        model: the circuit.
        preferred: its preferred states, with their evoked energy.
    """
    name, *others = recurrent_projections(model) or [""]
    if not name or others or model.projections[name].rule != "stability_optimised" or model.units != UNITS or preferred.energy is None:
        return []
    energy = preferred.energy
    found = (spectral_abscissa(model.arrays()[name]), energy[0], (energy > 1).sum(), energy.mean())
    bands = zip(STABILITY_OPTIMISED.items(), found, strict=True)
    return [Claim(f"circuit: {text}", float(value), low, high, SOURCE.format(published)) for (text, (low, high, published)), value in bands]
