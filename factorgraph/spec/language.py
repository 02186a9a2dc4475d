"""What the language names, whether or not this version has it: the one place that tells a typing error from a leaf still to come.

The registry knows the leaves that exist; this page knows those that language.md promises. A type that is here and not there waits
(FG205); a type that is in neither is a mistake (FG204).
"""

from __future__ import annotations

from collections.abc import Mapping

VERSION = 1
NAME = r"[A-Za-z_][A-Za-z0-9_]{0,63}"  # of variables, functions, factors, ... : they become file names, node names, tensor names

TYPES: Mapping[str, tuple[str, ...]] = {
    "functions": (
        *("linear", "convolution", "local", "offset", "network", "lstm", "ladder_combinator"),
        *("relu", "leaky_relu", "tanh", "sigmoid", "softplus", "abs", "softmax", "saturated_linear", "identity"),
        *("shrink", "tanh_shrink", "double_tanh", "smooth_shrink", "pool", "what_where", "resize", "crop", "contrast_normalise"),
        *("normalise", "standardise", "corrupt", "join", "sum", "mean"),
    ),
    "factors": (
        *("squared_distance", "distance", "gaussian", "categorical", "cross_entropy", "bernoulli", "l1", "student_t", "log_cosh"),
        *("lateral_inhibition", "inner_product", "bias", "cosine", "gradient_difference", "log_det", "value"),
    ),
    "solvers": (
        *("exact", "enumerate", "ista", "fista", "coordinate_descent", "half_quadratic", "gradient", "block_coordinate"),
        *("lbfgs", "admm", "grid", "gibbs", "hmc"),
    ),
    "methods": ("argmin", "unrolled", "amortized", "marginal", "sample"),
    "losses": (
        *("energy", "likelihood", "contrastive_divergence", "ratio_matching", "pseudo_likelihood", "minimum_probability_flow"),
        *("noise_contrastive", "score_matching", "contraction", "saturation", "adversarial", "fool", "pulling_away", "imitation"),
    ),
    "optimizers": (
        *("sgd", "adam", "adamw", "rmsprop", "adagrad", "adadelta", "adamax", "nadam", "radam", "asgd", "rprop"),
        *("closed_form", "online_dictionary", "line_search", "diagonal_newton"),
    ),
    "schedules": ("constant", "linear", "step"),
    "workers": ("elastic",),
    "data": (
        *("curve", "natural_patches", "images", "dead_leaves", "mnist", "digits", "cifar10", "svhn", "stl10", "arrays"),
        *("planted_codes", "planted_groups", "mixed_sources", "planted_boltzmann", "bars_and_stripes", "planted_what_where"),
        *("moving_patches", "rotating_digits", "moving_digits", "video", "two_futures", "digits_on_canvas", "coco_masks"),
        "pedestrians",
    ),
    "steps": (
        *("center", "remove_mean", "drop_flat", "whiten", "unit_variance", "unit_norm", "contrast_normalise", "binarise"),
        *("scale", "pad"),
    ),
    "augmentations": ("mirror", "shift", "crop"),
    "metrics": (
        *("energy", "value", "relative_error", "nll", "log_partition", "nll_annealed", "mass", "pseudo_likelihood", "constant"),
        *("auc", "background", "rho", "near", "coverage", "attraction"),
        *("code_error", "relative_code_error", "iterations_to_match", "speedup", "active", "nonzeros", "dead", "late"),
        *("acceptance", "homogeneity", "branch_share", "denoising_gain", "natural_share"),
        *("error_rate", "miss_rate", "worker_gap", "probe"),
        *("gabor_share", "anisotropy", "orientation_gap", "depth_frequency", "alignment", "angle", "row_norm", "column_norm"),
        *("column_mean", "recovered", "amari", "parameter_error", "parameters", "group_contrast", "coactivation"),
        *("neighbour_similarity", "pool_similarity", "energy_correlation", "orientation_coherence", "pinwheels", "shift_error"),
        *("shift_correlation", "shift_linearity", "slowness", "curvature", "jacobian"),
        *("psnr", "nearest_psnr", "sharpness", "gradient_energy", "laplacian_ratio", "cosine", "iou", "commit", "copy_error"),
        *("swap", "two_sample", "discrimination"),
        *("mean", "largest", "smallest", "share_above", "ratio_above", "correlation"),
    ),
    "figures": (
        *("samples", "orientation_map", "interpolation", "sequence", "scatter", "mosaic", "mosaics", "progressive", "claims"),
        *("density", "surface", "denoised"),
    ),
}

# Functions that an expression calls by their type, undeclared: no parameters, no options needed.
UNDECLARED = (
    *("relu", "leaky_relu", "tanh", "sigmoid", "softplus", "abs", "softmax", "saturated_linear", "identity"),
    *("tanh_shrink", "normalise", "standardise", "contrast_normalise", "join", "sum", "mean"),
)

# Keys and words of leaves that exist, which the language has and this version's leaf has not.
KEYS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("functions", "linear"): ("keep", "connections"),
    ("functions", "standardise"): ("apart",),
    ("methods", "amortized"): ("gradient",),
    ("solvers", "gradient"): ("step_size", "optimizer"),
    ("data", "curve"): ("turns", "from", "jitter", "box", "gap"),
    ("data", "natural_patches"): ("shifts",),
    ("data", "dead_leaves"): ("shifts",),
    ("data", "images"): ("shifts",),
}
WORDS: Mapping[tuple[str, str, str], tuple[str, ...]] = {
}

SINGULAR: Mapping[str, str] = {
    "functions": "function",
    "factors": "factor",
    "solvers": "solver",
    "methods": "method",
    "losses": "loss",
    "optimizers": "optimizer",
    "schedules": "schedule",
    "workers": "workers",
    "data": "data source",
    "steps": "preparation step",
    "augmentations": "augmentation",
    "metrics": "metric",
    "figures": "figure",
    "use": "fragment",
    "variables": "variable",
    "inference": "procedure",
    "learning": "phase",
    "variants": "variant",
    "budgets": "budget",
    "expect": "claim",
    "players": "player",
    "dims": "dimension",
    "indices": "index",
}
