"""Works that a report cites."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """One entry of the list of references.

    Attributes
    ----------
    text : str
        Authors, year, title, journal.
    doi : str
        Without the resolver.
    url : str
        Where there is no DOI.
    """

    text: str
    doi: str = ""
    url: str = ""


REFERENCES = {
    "singla": Reference(
        "Singla, K., Bazin, P.-L., & Scherf, N. (2025). Learning latent spaces for individualized functional "
        "neuroimaging "
        "with variational autoencoders."
    ),
    "finn": Reference(
        "Finn, E. S., Corlett, P. R., Chen, G., Bandettini, P. A., & Constable, R. T. (2018). Trait paranoia shapes "
        "inter-subject synchrony in brain activity during an ambiguous social narrative. Nature Communications, 9, "
        "2043.",
        doi="10.1038/s41467-018-04387-2",
    ),
    "schaefer": Reference(
        "Schaefer, A., Kong, R., Gordon, E. M., Laumann, T. O., Zuo, X.-N., Holmes, A. J., Eickhoff, S. B., & Yeo, "
        "B. T. T. "
        "(2018). Local-global parcellation of the human cerebral cortex from intrinsic functional connectivity MRI. "
        "Cerebral Cortex, 28(9), 3095–3114.",
        doi="10.1093/cercor/bhx179",
    ),
    "fmriprep": Reference(
        "Esteban, O., Markiewicz, C. J., Blair, R. W., et al. (2019). fMRIPrep: a robust preprocessing pipeline for "
        "functional MRI. Nature Methods, 16, 111–116.",
        doi="10.1038/s41592-018-0235-4",
    ),
    "templateflow": Reference(
        "Ciric, R., Thompson, W. H., Lorenz, R., et al. (2022). TemplateFlow: FAIR-sharing of multi-scale, "
        "multi-species "
        "brain models. Nature Methods, 19, 1568–1571.",
        doi="10.1038/s41592-022-01681-2",
    ),
    "kingma": Reference(
        "Kingma, D. P., & Welling, M. (2019). An introduction to variational autoencoders. Foundations and Trends in "
        "Machine "
        "Learning, 12(4), 307–392.",
        doi="10.1561/2200000056",
    ),
    "smith": Reference(
        "Smith, L. N., & Topin, N. (2018). Super-convergence: very fast training of neural networks using large "
        "learning "
        "rates. arXiv:1708.07120.",
        doi="10.48550/arXiv.1708.07120",
    ),
    "adam": Reference(
        "Kingma, D. P., & Ba, J. (2015). Adam: a method for stochastic optimization. ICLR.",
        doi="10.48550/arXiv.1412.6980",
    ),
    "nilearn": Reference("Nilearn contributors. nilearn.", doi="10.5281/zenodo.8397156"),
    "nibabel": Reference("Brett, M., Markiewicz, C. J., Hanke, M., et al. nibabel.", doi="10.5281/zenodo.591597"),
    "pydra": Reference(
        "Jarecka, D., Goncalves, M., Markiewicz, C. J., et al. (2020). Pydra: a flexible and lightweight dataflow "
        "engine "
        "for scientific analyses. Proceedings of the 19th Python in Science Conference.",
        doi="10.25080/Majora-342d178e-012",
    ),
    "torch": Reference(
        "Paszke, A., Gross, S., Massa, F., et al. (2019). PyTorch: an imperative style, high-performance deep learning "
        "library. Advances in Neural Information Processing Systems, 32.",
        doi="10.48550/arXiv.1912.01703",
    ),
    "sklearn": Reference(
        "Pedregosa, F., Varoquaux, G., Gramfort, A., et al. (2011). Scikit-learn: machine learning in Python. "
        "Journal of "
        "Machine Learning Research, 12, 2825–2830.",
        url="https://jmlr.org/papers/v12/pedregosa11a.html",
    ),
    "nireports": Reference(
        "The NiPreps developers. NiReports: the visual reporting system of NiPreps.",
        url="https://www.nipreps.org/nireports/",
    ),
}
