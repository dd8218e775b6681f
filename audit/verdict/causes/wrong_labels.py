"""Labels that are wrong, as far as the predictions can tell."""

from __future__ import annotations

from imageclinic.audit.verdict import noise_words
from imageclinic.audit.verdict.line import RUN, Facts, Line, number

#: Of wrong training labels a network learns the less, the more images it has; of wrong test labels none are forgiven.
_IN_TRAIN = 0.5
#: What is not known can hide so much.
_UNKNOWN = 0.1
#: Where the features can't tell, and no label is flagged either: up to so many may be wrong and not be mentioned.
_FEW = 0.1


def judge(facts: Facts) -> list[Line]:
    """The middle of the interval where it is established; else that it can't be known."""
    noise, flagged = facts.label_noise, facts.found("mislabeled")["image_id"].nunique()
    if noise is None or noise.get("high") is None:
        return []
    low, high = float(noise["low"]), float(noise["high"])
    if not noise["established"] and not flagged and high < _FEW:
        return []
    images = f"; {number(flagged, 'label')} to look at" if flagged else ""
    if not noise["established"]:
        return [
            Line(
                cause="wrong_labels",
                severity=_UNKNOWN * (high - low),
                sentence=noise_words.share_in_words(noise).rstrip(".") + images,
                consequence="judge a random sample to know (the Calibrate view)",
                command=f"imageclinic review {RUN}",
                checks=["mislabeled"],
            )
        ]
    ceiling = noise.get("ceiling_low"), noise.get("ceiling")
    return [
        Line(
            cause="wrong_labels",
            severity=max(_IN_TRAIN * (low + high) / 2, 1 - sum(ceiling) / 2 if None not in ceiling else 0.0),  # type: ignore[arg-type]
            sentence=noise_words.share_in_words(noise).rstrip(".") + images,
            consequence=noise_words.ceiling_in_words(noise) or "a model learns them, too",
            command=f"imageclinic review {RUN}",
            checks=["mislabeled"],
        )
    ]
