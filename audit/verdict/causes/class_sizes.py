"""Classes of very different size, or one class only."""

from __future__ import annotations

from imageclinic.audit.verdict.line import Facts, Line, number, percent


def judge(facts: Facts) -> list[Line]:
    """What always answering the largest class brings beyond chance."""
    sizes = facts.sizes
    if len(sizes) == 1:
        return [_one_class(str(sizes.index[0]), int(sizes.iloc[0]))]
    small = facts.found("class_imbalance")["label"].nunique()
    if len(sizes) < 2 or not small:
        return []
    majority = float(sizes.iloc[0] / sizes.sum())
    hidden = float(sizes[sizes.index.isin(facts.found("class_imbalance")["label"])].sum() / sizes.sum())
    return [
        Line(
            cause="class_sizes",
            severity=max(0.5 * (majority - 1 / len(sizes)), 0.5 * hidden),
            sentence=f"{number(small, 'class has', 'classes have')} under a third of the median class's images, "
            f"the smallest has {number(int(sizes.iloc[-1]), 'image')}; always answering {sizes.index[0]} is right "
            f"{percent(majority)} of the time",
            consequence="accuracy hides the small classes: look at macro-F1 and the recall of each",
            command="imageclinic explain class_imbalance",
            checks=["class_imbalance"],
        )
    ]


def _one_class(label: str, images: int) -> Line:
    return Line(
        cause="class_sizes",
        severity=1.0,
        sentence=f"All {number(images, 'readable image')} with a label are {label}",
        consequence="nothing can be learnt from one class, and no label can be judged: is the folder that holds the "
        "class folders meant, or a column of labels missing?",
        command="imageclinic audit --help",
    )
