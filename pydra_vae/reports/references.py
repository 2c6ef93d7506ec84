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
    "facco": Reference(
        "Facco, E., d'Errico, M., Rodriguez, A., & Laio, A. (2017). Estimating the intrinsic dimension of datasets "
        "by a minimal neighborhood information. Scientific Reports, 7, 12140.",
        doi="10.1038/s41598-017-11873-y",
    ),
    "moran": Reference(
        "Moran, P. A. P. (1950). Notes on continuous stochastic phenomena. Biometrika, 37, 17–23.",
        doi="10.1093/biomet/37.1-2.17",
    ),
    "coifman": Reference(
        "Coifman, R. R., & Lafon, S. (2006). Diffusion maps. Applied and Computational Harmonic Analysis, 21(1), 5–30.",
        doi="10.1016/j.acha.2006.04.006",
    ),
    "margulies": Reference(
        "Margulies, D. S., Ghosh, S. S., Goulas, A., et al. (2016). Situating the default-mode network along a "
        "principal gradient of macroscale cortical organization. PNAS, 113(44), 12574–12579.",
        doi="10.1073/pnas.1608282113",
    ),
    "wagner": Reference(
        "Wagner, H. H., & Dray, S. (2015). Generating spatially constrained null models for irregularly spaced data "
        "using Moran spectral randomization methods. Methods in Ecology and Evolution, 6, 1169–1178.",
        doi="10.1111/2041-210X.12407",
    ),
    "rousseeuw": Reference(
        "Rousseeuw, P. J. (1987). Silhouettes: a graphical aid to the interpretation and validation of cluster "
        "analysis. Journal of Computational and Applied Mathematics, 20, 53–65.",
        doi="10.1016/0377-0427(87)90125-7",
    ),
    "higgins": Reference(
        "Higgins, I., Matthey, L., Pal, A., et al. (2017). beta-VAE: learning basic visual concepts with a constrained "
        "variational framework. ICLR.",
        url="https://openreview.net/forum?id=Sy2fzU9gl",
    ),
    "fu": Reference(
        "Fu, H., Li, C., Liu, X., Gao, J., Celikyilmaz, A., & Carin, L. (2019). Cyclical annealing schedule: a simple "
        "approach to mitigating KL vanishing. NAACL-HLT.",
        doi="10.48550/arXiv.1903.10145",
    ),
    "zhao": Reference(
        "Zhao, S., Song, J., & Ermon, S. (2019). InfoVAE: balancing learning and inference in variational "
        "autoencoders. AAAI, 33, 5885–5892.",
        doi="10.1609/aaai.v33i01.33015885",
    ),
    "schonemann": Reference(
        "Schönemann, P. H. (1966). A generalized solution of the orthogonal Procrustes problem. Psychometrika, "
        "31(1), 1–10.",
        doi="10.1007/BF02289451",
    ),
    "gower": Reference(
        "Gower, J. C. (1975). Generalized Procrustes analysis. Psychometrika, 40(1), 33–51.", doi="10.1007/BF02291478"
    ),
    "huang": Reference(
        "Huang, J., Busch, E., Wallenstein, T., et al. (2022). Learning shared neural manifolds from multi-subject "
        "fMRI data. IEEE 32nd International Workshop on Machine Learning for Signal Processing.",
        doi="10.1109/MLSP55214.2022.9943383",
    ),
    "mantel": Reference(
        "Mantel, N. (1967). The detection of disease clustering and a generalized regression approach. Cancer "
        "Research, 27(2), 209–220."
    ),
    "finn2015": Reference(
        "Finn, E. S., Shen, X., Scheinost, D., et al. (2015). Functional connectome fingerprinting: identifying "
        "individuals using patterns of brain connectivity. Nature Neuroscience, 18(11), 1664–1671.",
        doi="10.1038/nn.4135",
    ),
    "nastase": Reference(
        "Nastase, S. A., Gazzola, V., Hasson, U., & Keysers, C. (2019). Measuring shared responses across subjects "
        "using intersubject correlation. Social Cognitive and Affective Neuroscience, 14(6), 667–685.",
        doi="10.1093/scan/nsz037",
    ),
}
