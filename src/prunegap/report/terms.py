"""The terms of the report, and what each method does, in a sentence or two each."""

TERMS = {
    "dense model": "The classifier before pruning.",
    "sparse model": "The same classifier after the given share of its prunable weights was set to zero.",
    "sparsity": "Share of prunable weights that are zero.",
    "accuracy gap": (
        "Accuracy of the dense model minus accuracy of the sparse model on one group, in percentage "
        "points. Positive: pruning hurt the group."
    ),
    "overall gap": "The accuracy gap over all examples.",
    "excess accuracy gap (EAG, psi)": (
        "A group's accuracy gap minus the overall gap: by how much more the group is hurt than the average."
    ),
    "max psi": (
        "The largest excess accuracy gap of any group. It is found for each seed and then averaged, so it "
        "can be larger than the averaged gap of every single group."
    ),
    "Psi_PW": "The largest difference between the accuracy gaps of two groups.",
    "churn": ("Share of examples whose correctness differs between the dense and the sparse model, either way."),
    "tolerance": "How much more than the average any group may lose, in percentage points.",
    "feasible on train": (
        "max psi on the training data, averaged over the seeds, is within the tolerance. Behind it stands "
        "how many of the seeds are feasible by themselves."
    ),
    "multiplier": "The weight that constrained fine-tuning gives a constraint; violations raise it.",
    "violation": "By how much a constraint is exceeded, measured while training.",
    "±": "Sample standard deviation over the seeds.",
}

METHODS = {
    "nft": "Plain fine-tuning after pruning.",
    "nft_es": "Plain fine-tuning, stopped at its best epoch.",
    "el": "Fine-tuning with every group's loss held equal to the overall loss, measured on the batch.",
    "el_rb": "As el, measured with replay buffers.",
    "ceag": "Fine-tuning with every group's excess accuracy gap within the tolerance, with replay buffers.",
    "ceag_no_rb": "As ceag, measured on the batch alone.",
    "celg": "Fine-tuning with every group's excess loss gap held within a tolerance.",
    "max_gap": "Fine-tuning with one constraint: Psi_PW within the tolerance.",
    "pairwise": "Fine-tuning with the gaps of every two groups held within the tolerance of each other.",
    "equal_eag": "Fine-tuning with every excess accuracy gap held at zero.",
    "approx_equal_eag": "Fine-tuning with the size of every excess accuracy gap held within the tolerance.",
    "two_sided_eag": "As approx_equal_eag, with a multiplier for each side.",
    "tran_full": "Fine-tuning with gradient norms and largest Hessian eigenvalues of groups held equal.",
    "fair_before": "Equal group losses while training the dense model.",
    "fair_after": "Equal group losses while fine-tuning the sparse model.",
    "fair_both": "Equal group losses before and after pruning.",
    "fairgrape": "Pruning that shares the kept weights by their importance for each group.",
}
