"""Where the App shows what is in the report, for the report that a review serves beside the App."""

from __future__ import annotations

from urllib.parse import urlencode


class AppLinks:
    """Addresses on the App's own server; without a page there are none, and it counts as false."""

    def __init__(self, page: str) -> None:
        """`page`: path of the App's page of the run; empty when the report is a file."""
        self._page = page

    def __bool__(self) -> bool:
        return bool(self._page)

    def image(self, image_id: str, check: str = "inbox") -> str:
        """An image, opened in the view of a check."""
        return self._to(check.replace("_", "-"), image=image_id)

    def pair(self, given: str, predicted: str, tested: bool) -> str:
        """All images of a pair of classes; `tested`: of test images."""
        return self._to("inbox", given=given, predicted=predicted, **({"tested": "1"} if tested else {}))

    def _to(self, view: str, **query: str) -> str:
        return f"{self._page}?{urlencode({'view': view, 'workspace': 'review', **query})}"
