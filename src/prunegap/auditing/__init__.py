"""An audit: what one model does to each group compared with another, from their predictions alone."""

from prunegap.auditing.audit import audit
from prunegap.auditing.predictions import Predictions, read_predictions
from prunegap.uncertainty import Audit, GroupAudit, Rules

__all__ = ["Audit", "GroupAudit", "Predictions", "Rules", "audit", "read_predictions"]
