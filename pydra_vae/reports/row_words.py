"""Sentences and labels are written about voxels; where rows are vertices or grayordinates, the page says so."""

import re
from dataclasses import replace

from pydra_vae.reports.pages import Section

# Of the paper's data, and of true voxels: these stay.
_KEPT = r"139,501 voxels|dependent voxels|subcortical voxels|voxel \(\d"
_PHRASES = {
    "neighbours of the voxel grid": "neighbours along the mesh",
    "of this volume": "of this frame",
    "of one volume": "of one frame",
    "Volumes": "Frames",
}
_PLURAL = {"vertex": "vertices"}
# Tags and records are left alone; names of files, columns and options (n_voxels, --transfer-voxels) are no words.
_FOUND = re.compile(rf"<pre\b.*?</pre>|<[^>]*>|{_KEPT}|{'|'.join(_PHRASES)}|(?<![\w-])[Vv]oxels?(?!\w*_)", re.DOTALL)
_SPOKEN = re.compile(r'(?<= aria-label=")[^"]*|(?<= alt=")[^"]*')


def in_words_of(row: str, sections: list[Section]) -> list[Section]:
    """The sections of a page, in words of what its rows are.

    Parameters
    ----------
    row : {"voxel", "vertex", "grayordinate"}
        As `images.geometry` says it.
    sections : list of Section
    """
    if row == "voxel":
        return sections
    return [
        replace(section, title=reworded(section.title, row), fragments=[reworded(f, row) for f in section.fragments])
        for section in sections
    ]


def reworded(html: str, row: str) -> str:
    """HTML or plain text about voxels, about other rows.

    Examples
    --------
    >>> reworded('<p id="voxels">Each voxel, of 2 voxels; n_voxels, 128 subcortical voxels</p>', "vertex")
    '<p id="voxels">Each vertex, of 2 vertices; n_voxels, 128 subcortical voxels</p>'
    """

    def word(found: re.Match) -> str:
        text = found[0]
        if text.startswith("<pre") or re.fullmatch(_KEPT, text):
            return text
        if text.startswith("<"):
            return _SPOKEN.sub(lambda label: reworded(label[0], row), text)
        if text in _PHRASES:
            return _PHRASES[text]
        said = _PLURAL.get(row, f"{row}s") if text.endswith("s") else row
        return said.capitalize() if text[0] == "V" else said

    return _FOUND.sub(word, html)
