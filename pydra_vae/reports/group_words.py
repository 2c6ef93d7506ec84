"""Small fragments that sections of the group report share: sentences with their verdict, and plain tables."""

from collections.abc import Iterable, Sequence

from markupsafe import escape

from pydra_vae.reports.group_findings import BADGES, Claim, Finding
from pydra_vae.reports.pages import render


def findings(found: dict[str, Claim], *names: str, extra: Iterable[Finding] = ()) -> str:
    """The sentences of some claims, each with its verdict; "" where none was made."""
    shown = [found[name].finding for name in names if name in found]
    return render("findings.html", findings=[*shown, *extra], badges=BADGES)


def table_of(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    marked: int | None = None,
    text: Sequence[int] = (0,),
    caption: str = "",
) -> str:
    """A table.

    Parameters
    ----------
    heads : sequence of str
        "name|small print below it".
    rows : sequence of sequences of str
        Cells; numbers are formatted already.
    marked : int, optional
        Row that stands out.
    text : sequence of int
        Columns of words, aligned left.
    caption : str
    """
    return render(
        "plain.html",
        caption=caption,
        heads=[head.partition("|")[::2] for head in heads],
        rows=rows,
        marked=marked,
        text=tuple(text),
    )


def folded(title: str, fragment: str) -> str:
    """A fragment behind its title, to be opened; "" of an empty one.

    Examples
    --------
    >>> folded("More", "<p>text</p>"), folded("More", "")
    ('<details><summary>More</summary><p>text</p></details>', '')
    """
    return f"<details><summary>{escape(title)}</summary>{fragment}</details>" if fragment.strip() else ""
