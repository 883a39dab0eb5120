"""Figures of the reports, drawn by matplotlib (the extra [report]), which is imported when one is drawn."""
