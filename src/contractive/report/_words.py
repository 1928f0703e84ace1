"""Sources and definitions that pages list."""

_CONTRACTIVE = (
    "Rifai, Vincent, Muller, Glorot, Bengio (2011): Contractive auto-encoders: explicit invariance during feature"
    " extraction. ICML."
)
_RECONSTRUCTION = (
    "Alain, Bengio (2014): What regularized auto-encoders learn from the data-generating distribution. JMLR 15."
)

SOURCES = (
    _CONTRACTIVE,
    "Rifai, Mesnil, Vincent, Muller, Bengio, Dauphin, Glorot (2011): Higher order contractive auto-encoder. ECML PKDD.",
    "Vincent, Larochelle, Bengio, Manzagol (2008): Extracting and composing robust features with denoising"
    " autoencoders. ICML.",
    _RECONSTRUCTION,
    "Lee, Ekanadham, Ng (2008): Sparse deep belief net model for visual area V2. NIPS 20.",
    "Ng (2011): Sparse autoencoder. CS294A lecture notes, Stanford.",
)

ANALYSIS_WORDS = (
    ("J, σ max", "The Jacobian of the encoder at a row, and its largest singular value: how much the small step that is"
     " stretched most is stretched. Contracting means at most 1."),
    ("‖J‖", "The Frobenius norm: the root of the sum of all squared singular values. The penalty is its square."),
    ("raw, scale-free", "Raw numbers are in units of the code per unit of the input and fall when a code merely becomes"
     " smaller. Scale-free ones divide by the spread of code and data, and do not."),
    ("noise level", "Standard deviation of Gaussian noise in units of a typical feature's; for masking and salt and"
     " pepper the probability that an entry is changed."),
    ("local dimension", "How many directions at a row the code follows, counted in four ways: they differ where"
     " singular values fall gradually."),
    ("tangents", "The input directions at a row that move the code most, orthogonal to each other."),
    ("saturated, dead", "An activation below 0.05 or above 0.95; a unit whose standard deviation is below 1 % of the"
     " largest unit's."),
    ("linear probe", "Logistic regression on the code."),
)  # fmt: skip

ANALYSIS_SOURCES = (
    _CONTRACTIVE,
    "Rifai, Dauphin, Vincent, Bengio, Muller (2011): The manifold tangent classifier. NIPS 24.",
    "Vincent, Larochelle, Lajoie, Bengio, Manzagol (2010): Stacked denoising autoencoders: learning useful"
    " representations in a deep network with a local denoising criterion. JMLR 11.",
    _RECONSTRUCTION,
    "Roy, Vetterli (2007): The effective rank: a measure of effective dimensionality. EUSIPCO.",
    "Björck, Golub (1973): Numerical methods for computing angles between linear subspaces. Mathematics of"
    " Computation 27.",
    "Kornblith, Norouzi, Lee, Hinton (2019): Similarity of neural network representations revisited. ICML.",
    "Madry, Makelov, Schmidt, Tsipras, Vladu (2018): Towards deep learning models resistant to adversarial attacks."
    " ICLR.",
    "McInnes, Healy, Melville (2018): UMAP: uniform manifold approximation and projection for dimension reduction.",
)
