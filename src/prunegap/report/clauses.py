"""Clauses of frameworks that figures of an audit serve, in our own words.

Read on 2026-11-30 in public copies of the texts: Regulation (EU) 2024/1689 (the AI Act; Regulation (EU) 2026/1744,
in force since 2026-07-27, amends it and moves the dates from which duties for high-risk systems apply) and NIST AI
100-1, *AI Risk Management Framework 1.0*, table 3. Not taken in: Article 10 of the AI Act, which is about data sets and
not about what a model does with them, and ISO/IEC TR 24027, whose text is not public.
"""

from dataclasses import dataclass

READ_ON = "2026-11-30"
AI_ACT = "Regulation (EU) 2024/1689 (AI Act)"
NIST = "NIST AI RMF 1.0 (NIST AI 100-1)"


@dataclass(frozen=True)
class Clause:
    """A clause and the figures that serve it.

    Attributes:
        framework: which text it stands in.
        clause: where it stands there.
        asks: what it asks for, in a sentence of ours.
        figures: names of the figures that serve it.
        not_covered: what it asks for beside them.
    """

    framework: str
    clause: str
    asks: str
    figures: tuple[str, ...]
    not_covered: str


CLAUSES = (
    Clause(
        AI_ACT,
        "Annex IV, point 2(g)",
        "Technical documentation tells how the system was validated and tested, on which data, by which metrics, and "
        "what discriminatory impact it may have.",
        ("evaluation_data", "accuracy", "excess_gaps", "max_psi", "psi_pw", "verdict", "provenance"),
        "Robustness, cybersecurity, test logs and reports dated and signed by a responsible person, and whether an "
        "impact is discrimination in law.",
    ),
    Clause(
        AI_ACT,
        "Annex IV, point 3",
        "Technical documentation tells what the system can and cannot do: how accurate it is overall, and for the "
        "persons or groups that it is meant for.",
        ("accuracy", "group_accuracies", "excess_gaps"),
        "Whether these groups are the ones it is meant for, what else may go wrong, human oversight, and what input "
        "it needs.",
    ),
    Clause(
        AI_ACT,
        "Article 13(3), point (b)(ii)",
        "Instructions for use give the accuracy that was tested and can be expected, with its metrics, and what may "
        "change it.",
        ("accuracy", "churn", "evaluation_data"),
        "Robustness and cybersecurity, and the circumstances of use that may change the accuracy.",
    ),
    Clause(
        AI_ACT,
        "Article 13(3), point (b)(v)",
        "Instructions for use give, where it is appropriate, the performance for the persons or groups that the system "
        "is meant for.",
        ("group_accuracies", "excess_gaps", "max_psi"),
        "Groups that were not judged, and performance other than accuracy.",
    ),
    Clause(
        AI_ACT,
        "Article 15(3)",
        "Instructions for use declare the levels of accuracy and the metrics that they are measured by.",
        ("accuracy", "group_accuracies"),
        "Whether the level is appropriate to the purpose and holds over the life of the system.",
    ),
    Clause(
        NIST,
        "MEASURE 2.1",
        "What is tested on, by which metrics and with which tools is documented.",
        ("evaluation_data", "provenance"),
        "How the data were collected and labelled.",
    ),
    Clause(
        NIST,
        "MEASURE 2.3",
        "Performance is measured under conditions like those of deployment, and documented.",
        ("accuracy", "group_accuracies", "churn"),
        "Whether the data are like those of deployment.",
    ),
    Clause(
        NIST,
        "MEASURE 2.5",
        "The system is shown to be valid and reliable, and where its results cease to hold is documented.",
        ("evaluation_data", "accuracy", "verdict"),
        "Validity for the purpose, and data other than those that were judged.",
    ),
    Clause(
        NIST,
        "MEASURE 2.11",
        "Fairness and bias, as mapped beforehand, are evaluated and the results documented.",
        ("group_accuracies", "excess_gaps", "max_psi", "psi_pw", "verdict"),
        "Which harms were mapped, fairness other than in accuracy lost, and what is done about a finding.",
    ),
)
