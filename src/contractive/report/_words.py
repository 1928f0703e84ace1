"""Words of the report that are not in results.json: groups of measures, kinds of autoencoder, sources."""

GROUPS: dict[str, tuple[str, ...]] = {
    "Reconstruction": ("reconstruction_error", "r2"),
    "Movement under noise": ("sensitivity", "scale_free_sensitivity"),
    "Jacobian": ("squared_norm", "operator_norm", "operator_norm_max", "contractive_share"),
    "Code": ("saturation", "dead"),
    "Accuracy": ("probe_accuracy", "knn_accuracy", "probe_accuracy_noisy", "knn_accuracy_noisy"),
    "Time": ("seconds_per_epoch",),
}
OTHER = "Other"

KINDS: dict[str, str] = {
    "standard": "Reconstruction error alone; the reference for all others.",
    "denoising": "Reconstructs the clean input from one with Gaussian noise (Vincent et al. 2008).",
    "sparse": "Adds a penalty on units that are active too often (Lee et al. 2008; Ng 2011).",
    "contractive": "Adds the squared Frobenius norm of the encoder's Jacobian (Rifai et al. 2011).",
    "higher-order": "Also penalises how fast the Jacobian changes nearby (Rifai et al. 2011, ECML).",
    "reconstruction-contractive": "Penalises the Jacobian of encoder and decoder together (Alain and Bengio 2014).",
    "weight-decay": "Adds the sum of squared weights.",
}

SOURCES = (
    "Rifai, Vincent, Muller, Glorot, Bengio (2011): Contractive auto-encoders: explicit invariance during feature"
    " extraction. ICML.",
    "Rifai, Mesnil, Vincent, Muller, Bengio, Dauphin, Glorot (2011): Higher order contractive auto-encoder. ECML PKDD.",
    "Vincent, Larochelle, Bengio, Manzagol (2008): Extracting and composing robust features with denoising"
    " autoencoders. ICML.",
    "Alain, Bengio (2014): What regularized auto-encoders learn from the data-generating distribution. JMLR 15.",
    "Lee, Ekanadham, Ng (2008): Sparse deep belief net model for visual area V2. NIPS 20.",
    "Ng (2011): Sparse autoencoder. CS294A lecture notes, Stanford.",
)

SETTINGS: dict[str, str] = {
    "hidden": "hidden layers",
    "code": "code units",
    "epochs": "epochs",
    "batch_size": "batch size",
    "learning_rate": "learning rate",
    "loss": "reconstruction loss",
}
