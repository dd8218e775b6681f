"""The checks: one file each, found by walking this folder (`audit.runner`). A file holds

- `find`, see `audit.runner.Check`;
- `URGENCY`: a reviewer sees the findings of the smallest number first;
- `ABOUT`: what a finding is about, one or more of `audit.runner.SUBJECTS`.
"""
