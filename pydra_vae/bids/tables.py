"""BIDS tables: tab-separated, "n/a" where a value is missing."""

from pathlib import Path


def read_table(path: Path):
    """A TSV as a DataFrame, "n/a" as missing; the error names the file."""
    import pandas as pd

    try:
        return pd.read_csv(path, sep="\t", na_values="n/a", keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as a tab-separated table: {error}") from error


def write_table(path: Path, rows) -> Path:
    """Write a DataFrame or a list of dicts as TSV, missing values as "n/a"."""
    import pandas as pd

    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows)
    path = Path(path).absolute()
    table.to_csv(path, sep="\t", index=False, na_rep="n/a", float_format="%.8g")
    return path
