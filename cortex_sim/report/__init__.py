"""Report and Claim: a page with figures, scores and claims; the only folder that imports matplotlib."""

from cortex_sim.report._report import Animation, Claim, Picture, Report, check_new

__all__ = ["Animation", "Claim", "Picture", "Report", "check_new"]
