"""The structural page in one sentence: what the model gained over linear components, and how the claims fare."""

from collections.abc import Sequence

import numpy as np

from pydra_vae.reports.formats import count, fixed, listed
from pydra_vae.reports.group_findings import AGREES, ALSO, DIFFERS, OPEN
from pydra_vae.reports.structural_rules import Judged
from pydra_vae.reports.structural_tables import StructuralTables, value

WORDS = {
    AGREES: ("holds here beyond its control", "hold here beyond their control"),
    ALSO: ("holds for the control as well", "hold for the control as well"),
    DIFFERS: ("does not hold here", "do not hold here"),
    OPEN: ("stays open", "stay open"),
}


def in_short(found: Sequence[Judged], tables: StructuralTables) -> str:
    """What the main fit reached beside the mean image and PCA, and how many claims hold; "" without both."""
    parts = []
    main = tables.main
    if main is not None and np.isfinite(value(main, "r2_test")):
        k = int(value(main, "k"))
        levels = [(f"PCA-{k * (i + 1)}", value(main, c)) for i, c in enumerate(("pca_r2_test", "pca2_r2_test"))]
        beside = [f"{name} {fixed(r2, 3)}" for name, r2 in levels if np.isfinite(r2)]
        text = f"{main['name']} with {k} latents has R² {fixed(value(main, 'r2_test'), 3)} on unseen images"
        parts.append(f"{text} ({', '.join(beside)})" if beside else text)
    elif networks := next((claim.finding.text for claim in found if claim.name == "networks"), ""):
        parts.append(networks.rstrip("."))
    verdicts = [claim.finding.verdict for claim in found]
    n = [(verdicts.count(verdict), words) for verdict, words in WORDS.items()]
    told = [f"{times} {one if times == 1 else many}" for times, (one, many) in n if times]
    if told:
        parts.append(f"of {count(len(found), 'claim')} of the tutorial, {listed(told)}")
    return f"In short: {'; '.join(parts)}." if parts else ""
