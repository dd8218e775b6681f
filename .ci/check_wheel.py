"""What the wheels hold: one package, whole, and the same whether made from the checkout or from the source archive.

python .ci/check_wheel.py FROM_CHECKOUT.whl FROM_ARCHIVE.whl
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile

ROOMS = ("audit", "cleaning", "training", "sample_data")


def contents(wheel: str) -> dict[str, str]:
    """Path in the wheel's package → SHA-256 of what is there."""
    with zipfile.ZipFile(wheel) as archive:
        names = [n for n in archive.namelist() if not n.endswith("/")]
        strangers = {n.split("/")[0] for n in names if not n.startswith("imageclinic/")}
        assert len(strangers) == 1 and strangers.pop().endswith(".dist-info"), f"{wheel} holds more than imageclinic"
        return {n: hashlib.sha256(archive.read(n)).hexdigest() for n in names if n.startswith("imageclinic/")}


def expected() -> set[str]:
    """The files under version control that belong into the package."""
    tracked = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout.split("\0")
    links = {f"imageclinic/{room}" for room in ROOMS}
    rooms = {f"imageclinic/{n}" for n in tracked if n.split("/")[0] in ROOMS}
    return rooms | {n for n in tracked if n.startswith("imageclinic/") and n not in links}


def main() -> None:
    """Fails with the files that are missing, too many or different."""
    checkout, archive = (contents(wheel) for wheel in sys.argv[1:])
    assert checkout == archive, sorted(dict(checkout.items() ^ archive.items()))
    assert set(checkout) == expected(), sorted(set(checkout) ^ expected())
    print(f"the wheel holds imageclinic only, {len(checkout)} files")


main()
