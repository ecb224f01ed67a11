"""Papers of the cards, measures and packages that a run used, as BibTeX."""

import re
from collections.abc import Iterable, Mapping

from cortex_sim.cards import Model
from cortex_sim.cards.spiking import SpikingModel

PAPER = re.compile(r"^(?P<authors>[^()]+?) \((?P<year>\d{4})\) (?P<place>[^,;]+)")
OWN = ("none", "own design")  # begin what a card says instead of a paper
SPECIAL, BRACES = re.compile(r"([&%#_$])"), re.compile(r"[{}\\]")
PACKAGES = {  # authors, title, where, year
    "brian2": ("Stimberg, Marcel and Brette, Romain and Goodman, Dan F. M.", "Brian 2, an intuitive and efficient neural simulator",
               "eLife 8:e47314", 2019),
    "pytorch": ("Paszke, Adam and others", "PyTorch: An Imperative Style, High-Performance Deep Learning Library",
                "Advances in Neural Information Processing Systems 32", 2019),
    "numpy": ("Harris, Charles R. and others", "Array programming with NumPy", "Nature 585:357--362", 2020),
    "scipy": ("Virtanen, Pauli and others", "SciPy 1.0: fundamental algorithms for scientific computing in Python",
              "Nature Methods 17:261--272", 2020),
    "xarray": ("Hoyer, Stephan and Hamman, Joe", "xarray: N-D labeled arrays and datasets in Python", "Journal of Open Research Software 5:10", 2017),
}  # fmt: skip
SHAPES, VERSTEEG = "Williams, Kunz, Kornblith & Linderman (2021) NeurIPS 34", "Versteeg et al. (2025) Computation-thru-Dynamics Benchmark"
CKA, PEI = "Kornblith, Norouzi, Lee & Hinton (2019) ICML", "Pei, Ye, Zoltowski et al. (2021) NeurIPS Datasets and Benchmarks 34"
MEASURED = {  # how names of scores begin, and the paper of what they measure
    "Procrustes": SHAPES, "shape,": SHAPES, "linear CKA": CKA, "Gaussian CKA": CKA, "bits per spike": PEI, "co-smoothing": PEI,
    "cycle consistency": VERSTEEG, "RSA": "Kriegeskorte, Mur & Bandettini (2008) Front Syst Neurosci 2:4",
    "SVCCA": "Raghu, Gilmer, Yosinski & Sohl-Dickstein (2017) NeurIPS 30",
    "DSA": "Ostrow, Eisen, Kozachkov & Fiete (2023) NeurIPS 36",
    "jPCA": "Churchland, Cunningham et al. (2012) Nature 487:51",
    "tangling": "Russo et al. (2018) Neuron 97:953",
    "residual dynamics": "Galgali, Sahani & Mante (2023) Nat Neurosci 26:326",
    "stochastic shape": "Duong, Zhou, Nassar, Berman, Olieslagers & Williams (2023) ICLR",
    "D_stsp": "Koppe, Toutounji, Kirsch, Lis & Durstewitz (2019) PLoS Comput Biol 15:e1007263",
    "D_H": "Brenner, Hess, Mikhaeil et al. (2022) ICML",
    "attribution": "Sundararajan, Taly & Yan (2017) ICML",
    "fixed points": "Sussillo & Barak (2013) Neural Comput 25:626",
}  # fmt: skip


def references(models: Mapping[str, Model | SpikingModel], measures: Iterable[str] = ()) -> str:
    """Return BibTeX entries of the papers that cards name and of those that introduced measures, each once, and of the packages that every run uses.

    Args:
        models: of a report, by name.
        measures: names of its scores.
    """
    entries: dict[str, str] = {}
    for model in models.values():
        if not model.paper.lower().startswith(OWN) and model.paper not in entries:
            entries[model.paper] = _paper(f"{model.name}" if model.name.isidentifier() else f"card{len(entries)}", model.paper)
    named = {paper for name in measures for begin, paper in MEASURED.items() if name.startswith(begin)}
    for paper in sorted(named):
        entries[paper] = _paper(re.sub(r"\W.*", "", paper).lower() + PAPER.match(paper)["year"], paper, "measure")  # type: ignore[index]
    for key, (authors, title, place, year) in PACKAGES.items():
        entries[key] = _entry(key, {"author": authors, "title": f"{{{title}}}", "howpublished": place, "year": str(year)})
    return "\n".join(entries.values())


def _paper(key: str, paper: str, of: str = "card") -> str:
    """Return the entry of a citation as cards write it, ``Author & Author (year) Journal volume:page``; a note if it is written otherwise."""
    match = PAPER.match(paper)
    if match is None:
        return _entry(key, {"note": paper})
    authors = " and ".join(name.strip() for name in re.split(r",|&| and ", match["authors"]) if name.strip())
    authors = re.sub(r" et al\.?$", " and others", authors)
    return _entry(key, {"author": authors, "year": match["year"], "howpublished": match["place"].strip(), "note": f"as cited by the {of}: {paper}"})


def _entry(key: str, fields: Mapping[str, str]) -> str:
    plain = {name: SPECIAL.sub(r"\\\1", BRACES.sub("", value) if name != "title" else value) for name, value in fields.items()}
    lines = [f"  {name} = {{{value}}}," for name, value in plain.items()]
    return "\n".join([f"@misc{{{key},", *lines, "}", ""])
