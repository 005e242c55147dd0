"""One HTML file that shows the results of a study, and its figures as pictures."""

from semsched.report.html.images import write_pngs
from semsched.report.html.page import write_report
from semsched.report.html.picture import ReportError
from semsched.report.rows import results_from_rows

__all__ = ["ReportError", "results_from_rows", "write_pngs", "write_report"]
