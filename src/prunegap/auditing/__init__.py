"""An audit: what one model does to each group compared with another, from their predictions alone."""

from prunegap.auditing.audit import Audit, GroupAudit, audit
from prunegap.auditing.predictions import Predictions, read_predictions

__all__ = ["Audit", "GroupAudit", "Predictions", "audit", "read_predictions"]
