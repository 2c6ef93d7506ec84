"""Colours of networks: Yeo's own for the 7 and the 17 networks, else a fixed series."""

from collections.abc import Iterable

# RGB of Yeo et al. (2011) as the Schaefer label files have them, keyed by TemplateFlow's and CBIG's names
_YEO = {
    "VisCent": "#781286", "VisPeri": "#ff0000", "SomMotA": "#4682b4", "SomMotB": "#2acca4",
    "DorsAttnA": "#4a9b3c", "DorsAttnB": "#00760e", "SalVentAttnA": "#c43afa", "SalVentAttnB": "#ff98d5",
    "LimbicA": "#7a8732", "LimbicB": "#b3bd7a", "Limbic_TempPole": "#7a8732", "Limbic_OFC": "#b3bd7a",
    "ContA": "#e69422", "ContB": "#87324a", "ContC": "#778cb0", "DefaultA": "#d8b400", "DefaultB": "#cd3e4e",
    "DefaultC": "#3c44c8", "TempPar": "#0c30ff",
    "Vis": "#781286", "SomMot": "#4682b4", "DorsAttn": "#00760e", "SalVentAttn": "#c43afa", "Limbic": "#b3bd7a",
    "Cont": "#e69422", "Default": "#cd3e4e",
}  # fmt: skip
_SERIES = (
    "#4c78a8", "#f58518", "#54a24b", "#e45756", "#72b7b2", "#b279a2", "#9d755d", "#bab0ac", "#d67195", "#8c6d31",
    "#5254a3", "#8ca252", "#bd9e39", "#ad494a", "#a55194", "#6b6ecf", "#b5cf6b",
)  # fmt: skip


def network_name(name: str) -> str:
    """A network as a figure calls it.

    Examples
    --------
    >>> network_name("Planted07"), network_name("SomMotA")
    ('planted 7', 'SomMotA')
    """
    number = name.removeprefix("Planted")
    return f"planted {int(number)}" if number != name and number.isdigit() else name


def network_colours(networks: Iterable[str]) -> dict[str, str]:
    """One colour a network, in the order given.

    Examples
    --------
    >>> network_colours(["VisCent", "SomMotA"])
    {'VisCent': '#781286', 'SomMotA': '#4682b4'}
    >>> network_colours(["first", "second"])
    {'first': '#4c78a8', 'second': '#f58518'}
    """
    names = list(dict.fromkeys(networks))
    if all(name in _YEO for name in names):
        return {name: _YEO[name] for name in names}
    return {name: _SERIES[i % len(_SERIES)] for i, name in enumerate(names)}
