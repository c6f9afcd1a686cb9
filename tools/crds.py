"""Writes the chart's CustomResourceDefinitions anew from the models that read such resources: `make crds`.

Runs in the project's environment, unlike the rest of this folder.
"""

from pathlib import Path

import yaml

from aiops.scaling.crd import custom_resource_definition
from aiops.scaling.resource import PLURAL

FOLDER = Path(__file__).parents[1] / "charts" / "aiops" / "files" / "crds"
HEADER = "# Made by `make crds` from aiops/scaling/resource.py. Do not edit.\n"


def rendered() -> dict[Path, str]:
    """Return what each file has to hold."""
    text = yaml.safe_dump(custom_resource_definition(), sort_keys=False, width=120)
    return {FOLDER / f"{PLURAL}.yaml": HEADER + text}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file, text in rendered().items():
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
            print(f"wrote {file.relative_to(Path.cwd())}" if file.is_relative_to(Path.cwd()) else f"wrote {file}")


if __name__ == "__main__":
    main()
