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
    "tivae": Reference(
        "Anonymous authors. TI-VAE: a temporally independent VAE with applications to latent factor learning in "
        "neuroimaging. Manuscript under double-blind review."
    ),
    "yeo": Reference(
        "Yeo, B. T. T., Krienen, F. M., Sepulcre, J., et al. (2011). The organization of the human cerebral cortex "
        "estimated by intrinsic functional connectivity. Journal of Neurophysiology, 106(3), 1125–1165.",
        doi="10.1152/jn.00338.2011",
    ),
    "tolstikhin": Reference(
        "Tolstikhin, I., Houlsby, N., Kolesnikov, A., et al. (2021). MLP-Mixer: an all-MLP architecture for vision. "
        "Advances in Neural Information Processing Systems, 34.",
        doi="10.48550/arXiv.2105.01601",
    ),
    "cho": Reference(
        "Cho, K., van Merriënboer, B., Gulcehre, C., et al. (2014). Learning phrase representations using RNN "
        "encoder–decoder for statistical machine translation. EMNLP.",
        doi="10.48550/arXiv.1406.1078",
    ),
    "chen": Reference(
        "Chen, R. T. Q., Li, X., Grosse, R., & Duvenaud, D. (2018). Isolating sources of disentanglement in "
        "variational autoencoders. Advances in Neural Information Processing Systems, 31.",
        doi="10.48550/arXiv.1802.04942",
    ),
    "lsuv": Reference(
        "Mishkin, D., & Matas, J. (2016). All you need is a good init. ICLR.", doi="10.48550/arXiv.1511.06422"
    ),
    "lee": Reference(
        "Lee, T.-W., Girolami, M., & Sejnowski, T. J. (1999). Independent component analysis using an extended infomax "
        "algorithm for mixed subgaussian and supergaussian sources. Neural Computation, 11(2), 417–441.",
        doi="10.1162/089976699300016719",
    ),
    "picard": Reference(
        "Ablin, P., Cardoso, J.-F., & Gramfort, A. (2018). Faster independent component analysis by preconditioning "
        "with Hessian approximations. IEEE Transactions on Signal Processing, 66(15), 4040–4049.",
        doi="10.1109/TSP.2018.2844203",
    ),
    "vazquez": Reference(
        "Vázquez-García, C., Martinez-Murcia, F. J., Segovia Román, F., & Górriz, J. M. (2025). Tutorial: VAE as an "
        "inference paradigm for neuroimaging."
    ),
    "wang": Reference(
        "Wang, Z., Bovik, A. C., Sheikh, H. R., & Simoncelli, E. P. (2004). Image quality assessment: from error "
        "visibility to structural similarity. IEEE Transactions on Image Processing, 13(4), 600–612.",
        doi="10.1109/TIP.2003.819861",
    ),
    "roweis": Reference(
        "Roweis, S. T., & Saul, L. K. (2000). Nonlinear dimensionality reduction by locally linear embedding. Science, "
        "290(5500), 2323–2326.",
        doi="10.1126/science.290.5500.2323",
    ),
    "tenenbaum": Reference(
        "Tenenbaum, J. B., de Silva, V., & Langford, J. C. (2000). A global geometric framework for nonlinear "
        "dimensionality reduction. Science, 290(5500), 2319–2323.",
        doi="10.1126/science.290.5500.2319",
    ),
    "tsne": Reference(
        "van der Maaten, L., & Hinton, G. (2008). Visualizing data using t-SNE. Journal of Machine Learning Research, "
        "9, 2579–2605.",
        url="https://jmlr.org/papers/v9/vandermaaten08a.html",
    ),
}
