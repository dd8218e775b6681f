"""New images against an audited run: their copies there, their labels, outliers and drift."""
