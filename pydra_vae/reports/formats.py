"""Numbers and names as a page shows them."""

import math
import re

SPACES = {
    "cvae": "CVAE",
    "raw": "Raw series",
    "diffusion": "Diffusion",
    "raw series": "Raw series",
    "raw distance mm": "Distance in mm",
    "mm": "Position in mm",
    "tsnr": "tSNR",
    "dvars": "DVARS",
    "cvae, rotated": "CVAE, random axes",
    "cvae, gaussian": "CVAE, Gaussian",
    "pca whitened": "Whitened PCA",
    "cvae whitened": "Whitened CVAE",
    "labels shuffled": "Labels shuffled",
    "smoothing": "Smoothing",
}
MODELS = {"cvae": "CVAE", "shrinkage": "Shrinkage", "voxel mean": "Voxel mean", "input": "Input"}
MINUS = "−"
MISSING = "–"


def number(value, digits: int = 3) -> str:
    """A number with so many significant digits, no exponent between 1e-5 and 1e6, and a true minus.

    Examples
    --------
    >>> number(0.014873), number(-1393.07), number(None), number(139501), number(0.0000012)
    ('0.0149', '−1,393', '–', '139,501', '1.2e−6')
    >>> number(0.000999, 2)
    '0.0010'
    """
    if value is None or isinstance(value, str) or not math.isfinite(value):
        return MISSING if value is None or isinstance(value, str) or math.isnan(value) else _infinite(value)
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}".replace("-", MINUS)
    if not 1e-5 <= abs(value) < 1e6:
        mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{mantissa}e{int(exponent)}".replace("-", MINUS)
    rounded = abs(float(f"{value:.{digits - 1}e}"))  # 0.0009996 has the decimals of 0.001
    decimals = max(0, digits - 1 - math.floor(math.log10(rounded)))
    return f"{value:,.{decimals}f}".replace("-", MINUS)


def fixed(value, decimals: int = 2) -> str:
    """A number with so many decimals."""
    if value is None or isinstance(value, str) or not math.isfinite(value):
        return MISSING
    text = f"{value:,.{decimals}f}"
    return (text.lstrip("-") if float(text.replace(",", "")) == 0 else text).replace("-", MINUS)


def signed(value, decimals: int = 1) -> str:
    """A number with its sign, for changes.

    Examples
    --------
    >>> signed(5.25), signed(-0.04), signed(float("nan"))
    ('+5.2', '0.0', '–')
    """
    text = fixed(value, decimals)
    return text if text[0] in (MINUS, MISSING) or not float(text.replace(",", "")) else f"+{text}"


def model_name(model: str) -> str:
    """A model's name as readers know it.

    Examples
    --------
    >>> model_name("cvae"), model_name("pca-9 = ica-9"), model_name("voxel mean")
    ('CVAE', 'PCA-9 = ICA-9', 'Voxel mean')
    """
    return MODELS.get(model, model.upper())


def space_name(name: str) -> str:
    """A representation's name as readers know it.

    Examples
    --------
    >>> space_name("cvae whitened"), space_name("pca-16"), space_name("raw"), space_name("control: pca error")
    ('Whitened CVAE', 'PCA-16', 'Raw series', 'Control: PCA error')
    """
    if name in SPACES:
        return SPACES[name]
    words = [word.upper() if word.startswith(("cvae", "pca", "ica")) else word for word in str(name).split(" ")]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def p_value(p, smallest=None) -> str:
    """A p value; where it is the smallest that could be reached, this is said.

    Examples
    --------
    >>> p_value(0.0312), p_value(0.25, 0.25), p_value(1e-7)
    ('p = 0.031', 'p = 0.25, the smallest that can be reached', 'p < 0.0001')
    """
    if p is None or isinstance(p, str) or not math.isfinite(p):
        return f"p {MISSING}"
    text = "p < 0.0001" if p < 1e-4 else f"p = {number(p, 2)}"
    reached = smallest is not None and math.isfinite(smallest) and p <= smallest * 1.0001
    return f"{text}, the smallest that can be reached" if reached else text


def glued(text: str) -> str:
    """Text whose units and relations stay on one line with their numbers.

    Examples
    --------
    >>> glued("5 mm, r = 0.3").count("\\u00a0")
    3
    """
    text = re.sub(r"(?<=\d) (?=(?:%|mm|Hz)(?!\w))", "\u00a0", text)
    return re.sub(r" (?=[=<→±] )|(?<=[=<→×±]) (?=[\d−])|(?<=\b[rp]) (?=\d)", "\u00a0", text)


def count(n: int, noun: str, plural: str = "") -> str:
    """A number with its noun.

    Examples
    --------
    >>> count(1, "run"), count(12, "run"), count(8541, "voxel")
    ('1 run', '12 runs', '8,541 voxels')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listed(items) -> str:
    """Items joined as in a sentence.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    *rest, last = [str(item) for item in items] or [""]
    return f"{', '.join(rest)} and {last}" if rest else last


def _infinite(value) -> str:
    return "∞" if value > 0 else f"{MINUS}∞"
