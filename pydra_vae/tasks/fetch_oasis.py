"""OASIS-1's grey matter maps, as nilearn fetches them."""

import typing as ty
from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"table": File})
def FetchOasis(
    n_subjects: int | None = None,
    data_dir: str | None = None,
    tissue: ty.Literal["gm", "wm"] = "gm",
    dartel: bool = True,
):
    """List OASIS-1's maps and what is known of the persons; download what is not there yet.

    416 persons of 18 to 96 years, 100 of them with dementia (Marcus et al. 2007, doi:10.1162/jocn.2007.19.9.1498),
    segmented, warped and modulated with SPM8 by nilearn's developers. Using them means agreeing to the data usage
    agreement, https://sites.wustl.edu/oasisbrains.

    Parameters
    ----------
    n_subjects : int, optional
        The first so many persons (default: all 403, or 415 without DARTEL).
    data_dir : str, optional
        Where nilearn keeps data (default: NILEARN_DATA, or nilearn_data in the home folder).
    tissue : str
        gm or wm.
    dartel : bool
        Warped with DARTEL; False for SPM8's standard normalisation.

    Returns
    -------
    table : file
        TSV, one row a person: participant_id, path (absolute), age, sex, and the other columns of OASIS; it can be
        the source of the recipe.
    """
    from nilearn.datasets import fetch_oasis_vbm

    from pydra_vae.bids.oasis import oasis_rows
    from pydra_vae.bids.tables import write_table

    try:
        found = fetch_oasis_vbm(n_subjects, dartel_version=dartel, data_dir=data_dir, verbose=0)
    except OSError as error:  # requests' errors are OSErrors: no network, an address that moved, a full disk
        raise ValueError(_advice(data_dir, dartel, error)) from error
    maps = found.gray_matter_maps if tissue == "gm" else found.white_matter_maps
    return write_table(Path("oasis.tsv"), oasis_rows(maps, found.ext_vars))


def _advice(data_dir, dartel, error):
    from nilearn.datasets import get_data_dirs

    folder = Path(get_data_dirs(data_dir)[0]) / "oasis1"
    archive = "archive_dartel.tgz" if dartel else "archive.tgz"
    reason = " ".join(str(error).split())[:200]
    return (
        f"OASIS could not be downloaded ({type(error).__name__}: {reason}). On a machine with a network run "
        f'`python -c "from nilearn.datasets import fetch_oasis_vbm as f; f()"` and copy its folder oasis1 to {folder} '
        f"(the OAS1_*_MR1 folders of {archive}, oasis_cross-sectional.csv, data_usage_agreement.txt); data elsewhere "
        "are found by the environment variable NILEARN_DATA (or data_dir)"
    )
